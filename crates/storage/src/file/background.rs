//! Merges of volumes that no VM has open. They may take minutes, so they go on beside: whoever asked has other things
//! to do.
//!
//! A merge may be interrupted anywhere. What else is to be done with its layers therefore ends it first, and the next
//! [`tidy`](crate::VolumeBackend::tidy) begins it again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use types::VolumeId;

use crate::error::Doing;
use crate::{Error, Result, Tidied};

/// A small merge ends within this, and is waited for.
const PATIENCE: Duration = Duration::from_millis(100);

/// The merges that are on their way. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Background(Arc<Mutex<BTreeMap<VolumeId, Merge>>>);

#[derive(Debug)]
struct Merge {
    /// The files that it reads and writes.
    layers: Vec<String>,
    tool: Tool,
    ended: Receiver<Result<()>>,
}

/// What runs the one `qemu-img` of a merge, and can end it from another thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Tool(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    stopped: bool,
    child: Option<Child>,
}

impl Background {
    /// Begins a merge of these layers. One that fails at once tells so; a later failure is told by
    /// [`Background::go_on`].
    pub(super) fn begin(
        &self,
        volume: VolumeId,
        layers: Vec<String>,
        merge: impl FnOnce(&Tool) -> Result<()> + Send + 'static,
    ) -> Result<Tidied> {
        let tool = Tool::default();
        let (sender, ended) = sync_channel(1);
        let own = tool.clone();
        let work = move || {
            // Nobody listens when the program is about to end.
            let _ = sender.send(merge(&own));
        };
        runtime::spawn_quiet_thread("merge", work).doing(|| "start a thread".to_owned())?;
        self.merges().insert(volume, Merge { layers, tool, ended });
        self.go_on(volume)?;
        Ok(Tidied::More)
    }

    /// Waits a moment for the merge of a volume. Tells whether it is still on its way.
    pub(super) fn go_on(&self, volume: VolumeId) -> Result<bool> {
        let mut merges = self.merges();
        let Some(merge) = merges.get(&volume) else { return Ok(false) };
        match merge.ended.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Timeout) => Ok(true),
            ended => {
                merges.remove(&volume);
                ended.unwrap_or(Ok(())).map(|()| false)
            }
        }
    }

    /// Ends the merge of a volume, if there is one.
    pub(super) fn stop(&self, volume: VolumeId) {
        let Some(merge) = self.merges().remove(&volume) else { return };
        merge.tool.stop();
        // Whether it came to its end or not, nothing works on the files any more.
        let _ = merge.ended.recv();
    }

    /// Ends what is done to a volume if it is a copy, which is of no layers.
    pub(super) fn stop_copy(&self, volume: VolumeId) {
        let is_copy = self.merges().get(&volume).is_some_and(|merge| merge.layers.is_empty());
        if is_copy {
            self.stop(volume);
        }
    }

    /// Ends the merge of a volume if it has to do with one of these layers.
    pub(super) fn stop_with<'l>(&self, volume: VolumeId, mut layers: impl Iterator<Item = &'l str>) {
        let merges = self.merges();
        let merge = merges.get(&volume);
        let concerned =
            merge.is_some_and(|merge| layers.any(|layer| merge.layers.iter().any(|name| name == layer)));
        drop(merges);
        if concerned {
            self.stop(volume);
        }
    }

    fn merges(&self) -> MutexGuard<'_, BTreeMap<VolumeId, Merge>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tool {
    /// Runs `qemu-img`, which refuses files that a VM has open, and ends it when we end.
    pub(super) fn qemu_img(&self, options: &[&str], operands: &[&OsStr], doing: &str) -> Result<()> {
        let failed = |message: String| Error::Tool { doing: doing.to_owned(), message };
        let mut state = self.state();
        if state.stopped {
            return Err(failed("something else is to be done first".to_owned()));
        }
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-img"]).args(options).args(operands);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = match spawned {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(failed(
                    "setpriv is not installed; install it with: apt-get install util-linux".to_owned(),
                ));
            }
            spawned => spawned.doing(|| "run qemu-img".to_owned())?,
        };
        let stderr = child.stderr.take();
        state.child = Some(child);
        drop(state);
        // To the end of what it says, which is its own end.
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            stderr.read_to_end(&mut said).doing(|| "read what qemu-img says".to_owned())?;
        }
        let ended = self.state().child.as_mut().map(Child::wait).transpose();
        let ended = ended.doing(|| "wait for qemu-img".to_owned())?;
        self.state().child = None;
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) if said.is_empty() => Err(failed(format!("qemu-img ended with {status}"))),
            _ => Err(failed(String::from_utf8_lossy(&said).trim().to_owned())),
        }
    }

    fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        if let Some(child) = &mut state.child
            && let Err(error) = child.kill()
        {
            tracing::warn!(%error, "a merge cannot be ended before its time");
        }
    }

    fn state(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
