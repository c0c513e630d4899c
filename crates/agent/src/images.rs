//! Images that volumes are to be clones of, converted or fetched beside the agent's own work, for that may take minutes.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use storage::{NewVolume, Source, VolumeBackend};
use types::{ImageId, VolumeId};

use crate::trouble::Trouble;

/// How many are prepared at once; the others wait.
const AT_ONCE: usize = 4;
/// What was prepared before, by whomever, is found within this, and is waited for.
const PATIENCE: Duration = Duration::from_millis(100);

/// The images that are being prepared, by the volumes that they are prepared for.
#[derive(Default)]
pub struct Images(BTreeMap<VolumeId, Preparing>);

struct Preparing {
    image: ImageId,
    thread: JoinHandle<()>,
    ended: Receiver<Result<(), Trouble>>,
}

impl Images {
    /// Whether the image of a volume is ready for clones. If it is not it soon will be, and is to be asked about again. A
    /// failure is told once, and tried again when it is asked about again.
    pub fn is_ready(
        &mut self,
        backend: &Arc<dyn VolumeBackend>,
        volume: &NewVolume,
    ) -> Result<bool, Trouble> {
        let Source::Image { id: image, .. } = volume.source else { return Ok(true) };
        let is_prepared = || Ok(backend.is_prepared(volume)?);
        let (backend, new) = (backend.clone(), volume.clone());
        let prepare = move || Ok(backend.prepare(&new)?);
        self.ready((volume.id, image), is_prepared, prepare)
    }

    fn ready(
        &mut self,
        (volume, image): (VolumeId, ImageId),
        is_prepared: impl FnOnce() -> Result<bool, Trouble>,
        prepare: impl FnOnce() -> Result<(), Trouble> + Send + 'static,
    ) -> Result<bool, Trouble> {
        if !self.0.contains_key(&volume) {
            if is_prepared()? {
                return Ok(true);
            }
            // Those that are over and that nobody asked about any more.
            self.0.retain(|_, other| !other.thread.is_finished());
            // What two volumes wait for is made once.
            if self.0.len() >= AT_ONCE || self.0.values().any(|other| other.image == image) {
                return Ok(false);
            }
            self.0.insert(volume, Preparing::begin(image, prepare)?);
        }
        let ended = self.0.get(&volume).map(|preparing| preparing.ended.recv_timeout(PATIENCE));
        if matches!(ended, None | Some(Err(RecvTimeoutError::Timeout))) {
            return Ok(false);
        }
        self.0.remove(&volume);
        match ended {
            Some(Ok(made)) => made.map(|()| true),
            _ => Err(format!("image {image} was not prepared: its thread died").into()),
        }
    }
}

impl Preparing {
    fn begin(
        image: ImageId,
        prepare: impl FnOnce() -> Result<(), Trouble> + Send + 'static,
    ) -> Result<Preparing, Trouble> {
        let (sender, ended) = sync_channel(1);
        let work = move || {
            // Nobody listens when the volume is not wanted any more.
            let _ = sender.send(prepare());
        };
        let thread = runtime::spawn_quiet_thread("image", work);
        let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Preparing { image, thread, ended })
    }
}
