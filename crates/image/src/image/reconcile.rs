//! Ends what an upload or a deletion left: a lost upload becomes a queued image again, a deleted image loses its bytes
//! and then its row.

use std::time::Duration;

use reconcile::{Next, Reconciler, StepError};
use store::{Store, Stored, Tx};
use types::ImageId;

use super::store::{self as table, IMAGES};
use super::{Image, SILENCE_MAX, Status, UploadClaim};
use crate::error::with_causes;
use crate::import::ops::TASK;
use crate::stores::{Place, Stores};

/// The reconciler's kind.
pub(crate) const KIND: &str = "image::image";
/// How soon to look again at bytes that appeared after they were removed.
const SOON: Duration = Duration::from_secs(1);
/// Claims an image while bytes that are not its own are removed, so that nothing puts any there.
const CLEANING: &str = "cleaning";

/// The reconciler of images.
pub(crate) struct Images {
    pub(crate) stores: Stores,
}

impl Reconciler for Images {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn acts(&self) -> bool {
        true
    }

    /// Removes bytes of which no image needs to be told any more.
    fn act(&self, store: &Store, id: &str) -> Result<(), StepError> {
        let Ok(id) = id.parse::<ImageId>() else { return Ok(()) };
        let image = store.read_blocking(move |tx| {
            Ok::<_, StepError>(IMAGES.load(tx, id)?.map(|image| image.into_inner()))
        })?;
        let unwanted = |place: &&Place| match &image {
            None => true,
            Some(image) => {
                image.status == Status::Deleted || (image.is_claimed_by(CLEANING) && is_stray(image, place))
            }
        };
        if let Some(cache) = self.stores.cache()
            && image.as_ref().is_none_or(|image| image.status == Status::Deleted)
        {
            // Bytes do not stay anywhere for the cache's sake, which looks for what is of no image itself.
            if let Err(error) = cache.forget(id) {
                tracing::error!(target: "image::cache", image = %id, "a deleted image is still cached: {}", with_causes(&error));
            }
        }
        let mut places = self.stores.all().filter(unwanted);
        places.try_for_each(|place| place.images.remove_image(id)).map_err(|e| failed(&e))
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<ImageId>() else { return Ok(Next::Done) };
        let Some(mut image) = IMAGES.load(tx, id)? else { return Ok(Next::Done) };
        let lost = image.is_upload_lost(tx.now());
        let staged = image.status == Status::Uploading && image.upload.is_none();
        match image.status {
            Status::Queued | Status::Active | Status::Deactivated => self.clean(tx, &mut image),
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
                if let Some(watcher) = &image.watcher {
                    tx.kick(&watcher.kind, &watcher.id)?;
                }
                Ok(Next::Done)
            }
        }
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let mut missed = table::moving(tx)?;
        for place in self.stores.all() {
            for stored in place.images.observe_images().map_err(|e| failed(&e))? {
                let image = IMAGES.load(tx, stored)?;
                let stray = image.is_none_or(|image| is_stray(&image, place));
                if stray && !missed.contains(&stored) {
                    missed.push(stored);
                }
            }
        }
        Ok(missed.iter().map(ToString::to_string).collect())
    }
}

impl Images {
    fn has_bytes(&self, id: ImageId) -> Result<bool, StepError> {
        self.any(id, |_| true)
    }

    fn any(&self, id: ImageId, counts: impl Fn(&Place) -> bool) -> Result<bool, StepError> {
        for place in self.stores.all().filter(|place| counts(place)) {
            if place.images.observe_image(id).map_err(|e| failed(&e))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes bytes that are where the image is not: what a lost upload stored at last, or what it has in a store that
    /// it was taken out of. Meanwhile nothing else may put bytes there.
    fn clean(&self, tx: &mut Tx<'_>, image: &mut Stored<Image>) -> Result<Next, StepError> {
        let cleaning = image.is_claimed_by(CLEANING);
        match (self.any(image.id, |place| is_stray(image, place))?, cleaning) {
            (false, false) => Ok(Next::Done),
            (false, true) => {
                image.upload = None;
                IMAGES.save(tx, image)?;
                Ok(Next::Done)
            }
            (true, true) => Ok(Next::Again(SOON)),
            (true, false) => {
                image.upload =
                    Some(UploadClaim { token: CLEANING.to_owned(), heard_at: tx.now(), by_node: false });
                IMAGES.save(tx, image)?;
                Ok(Next::Again(Duration::ZERO))
            }
        }
    }
}

/// Whether what this store has of an image is nothing of it: a queued image has no bytes, and one that was taken out of
/// a store has none there. While it is copied it may.
fn is_stray(image: &Image, place: &Place) -> bool {
    match image.status {
        Status::Queued => true,
        Status::Active | Status::Deactivated => {
            !image.properties.contains_key(TASK) && !image.places().contains(&place.id)
        }
        Status::Saving | Status::Uploading | Status::Importing | Status::Deleted => false,
    }
}

fn failed(error: &storage::Error) -> StepError {
    StepError::Failed(with_causes(error))
}
