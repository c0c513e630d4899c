//! Ends what an upload or a deletion left: a lost upload becomes a queued image again, a deleted image loses its bytes
//! and then its row.

use std::sync::Arc;
use std::time::Duration;

use reconcile::{Next, Reconciler, StepError};
use storage::ImageStore;
use store::{Store, Tx};
use types::ImageId;

use super::store::{self as table, IMAGES};
use super::{SILENCE_MAX, Status};
use crate::error::with_causes;

/// The reconciler's kind.
pub(crate) const KIND: &str = "image::image";
/// How soon to look again at bytes that appeared after they were removed.
const SOON: Duration = Duration::from_secs(1);

/// The reconciler of images.
pub(crate) struct Images {
    pub(crate) images: Arc<dyn ImageStore>,
}

impl Reconciler for Images {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// Removes bytes of which no image needs to be told any more.
    fn act(&self, store: &Store, id: &str) -> Result<(), StepError> {
        let Ok(id) = id.parse::<ImageId>() else { return Ok(()) };
        let wanted = store.read_blocking(move |tx| {
            let image = IMAGES.load(tx, id)?;
            Ok::<_, StepError>(image.is_some_and(|image| image.status != Status::Deleted))
        })?;
        if wanted {
            return Ok(());
        }
        self.images.remove_image(id).map_err(|e| failed(&e))
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<ImageId>() else { return Ok(Next::Done) };
        let Some(mut image) = IMAGES.load(tx, id)? else { return Ok(Next::Done) };
        let lost = image.is_upload_lost(tx.now());
        match image.status {
            Status::Queued | Status::Active | Status::Deactivated => Ok(Next::Done),
            Status::Saving if lost => {
                tracing::warn!(target: "image::image", image = %id, "an upload was never finished; the image is queued again");
                image.status = Status::Queued;
                image.upload = None;
                IMAGES.save(tx, &mut image)?;
                Ok(Next::Done)
            }
            Status::Saving => Ok(Next::Again(SILENCE_MAX)),
            // The upload notices the deletion; whatever it stores by then is removed here.
            Status::Deleted if image.upload.is_some() && !lost => Ok(Next::Again(SILENCE_MAX)),
            Status::Deleted => match self.images.observe_image(id).map_err(|e| failed(&e))? {
                Some(_) => Ok(Next::Again(SOON)),
                None => {
                    IMAGES.remove(tx, &image)?;
                    Ok(Next::Done)
                }
            },
        }
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let mut missed = table::moving(tx)?;
        for stored in self.images.observe_images().map_err(|e| failed(&e))? {
            if IMAGES.load(tx, stored)?.is_none() {
                missed.push(stored);
            }
        }
        Ok(missed.iter().map(ToString::to_string).collect())
    }
}

fn failed(error: &storage::Error) -> StepError {
    StepError::Failed(with_causes(error))
}
