//! Ends what an upload or a deletion left: a lost upload becomes a queued image again, a deleted image loses its bytes
//! and then its row.

use std::time::Duration;

use reconcile::{Next, Reconciler, StepError};
use store::{Store, Stored, Tx};
use types::ImageId;

use super::store::{self as table, IMAGES};
use super::{Image, SILENCE_MAX, Status, UploadClaim};
use crate::error::with_causes;
use crate::stores::Stores;

/// The reconciler's kind.
pub(crate) const KIND: &str = "image::image";
/// How soon to look again at bytes that appeared after they were removed.
const SOON: Duration = Duration::from_secs(1);
/// Claims a queued image while bytes that a lost upload left are removed, so that no other upload begins.
const CLEANING: &str = "cleaning";

/// The reconciler of images.
pub(crate) struct Images {
    pub(crate) stores: Stores,
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
            Ok::<_, StepError>(
                image.is_some_and(|image| image.status != Status::Deleted && !image.is_claimed_by(CLEANING)),
            )
        })?;
        if wanted {
            return Ok(());
        }
        self.stores.all().try_for_each(|place| place.images.remove_image(id)).map_err(|e| failed(&e))
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<ImageId>() else { return Ok(Next::Done) };
        let Some(mut image) = IMAGES.load(tx, id)? else { return Ok(Next::Done) };
        let lost = image.is_upload_lost(tx.now());
        let staged = image.status == Status::Uploading && image.upload.is_none();
        match image.status {
            Status::Active | Status::Deactivated => Ok(Next::Done),
            Status::Queued => self.clean(tx, &mut image),
            // The import's own reconciler sees to these.
            Status::Importing => Ok(Next::Done),
            Status::Uploading if staged => Ok(Next::Done),
            Status::Saving | Status::Uploading if lost => {
                tracing::warn!(target: "image::image", image = %id, "an upload was never finished; the image is queued again");
                image.status = Status::Queued;
                image.upload = None;
                IMAGES.save(tx, &mut image)?;
                self.clean(tx, &mut image)
            }
            Status::Saving | Status::Uploading => Ok(Next::Again(SILENCE_MAX)),
            // The upload notices the deletion; whatever it stores by then is removed here.
            Status::Deleted if image.upload.is_some() && !lost => Ok(Next::Again(SILENCE_MAX)),
            Status::Deleted if self.has_bytes(id)? => Ok(Next::Again(SOON)),
            Status::Deleted => {
                IMAGES.remove(tx, &image)?;
                Ok(Next::Done)
            }
        }
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let mut missed = table::moving(tx)?;
        for place in self.stores.all() {
            for stored in place.images.observe_images().map_err(|e| failed(&e))? {
                let image = IMAGES.load(tx, stored)?;
                if image.is_none_or(|image| image.status == Status::Queued) && !missed.contains(&stored) {
                    missed.push(stored);
                }
            }
        }
        Ok(missed.iter().map(ToString::to_string).collect())
    }
}

impl Images {
    fn has_bytes(&self, id: ImageId) -> Result<bool, StepError> {
        for place in self.stores.all() {
            if place.images.observe_image(id).map_err(|e| failed(&e))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A queued image has no bytes: what a lost upload stored at last is removed before another begins.
    fn clean(&self, tx: &mut Tx<'_>, image: &mut Stored<Image>) -> Result<Next, StepError> {
        let cleaning = image.is_claimed_by(CLEANING);
        match (self.has_bytes(image.id)?, cleaning) {
            (false, false) => Ok(Next::Done),
            (false, true) => {
                image.upload = None;
                IMAGES.save(tx, image)?;
                Ok(Next::Done)
            }
            (true, true) => Ok(Next::Again(SOON)),
            (true, false) => {
                image.upload = Some(UploadClaim { token: CLEANING.to_owned(), heard_at: tx.now() });
                IMAGES.save(tx, image)?;
                Ok(Next::Again(Duration::ZERO))
            }
        }
    }
}

fn failed(error: &storage::Error) -> StepError {
    StepError::Failed(with_causes(error))
}
