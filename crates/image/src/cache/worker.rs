//! Makes the wishes of a host's cache come true, and removes what is of no image any more.

use std::io;
use std::time::Duration;

use rest::Fault;
use storage::file::ImageCache;
use storage::{Error as StorageError, StoredImage};
use store::{Store, Tx};
use types::ImageId;

use crate::error::{Error, with_causes};
use crate::image::Status;
use crate::image::store::IMAGES;
use crate::stores::{Place, Stores};

/// How often to look after the cache although nobody wished for anything: what waits for a store or for room is tried
/// again, and what another control plane deleted is removed.
const NAP: Duration = Duration::from_secs(30);

/// Looks after the cache beside these stores, if there is one, in a thread of its own.
pub fn keep(store: &Store, stores: &Stores) -> io::Result<()> {
    let Some(cache) = stores.cache().cloned() else { return Ok(()) };
    let worker = Worker { store: store.clone(), stores: stores.clone(), cache };
    let work = move || {
        loop {
            worker.pass();
            worker.cache.wait_for_wish(NAP);
        }
    };
    runtime::spawn_thread("image-cache", work).map(drop)
}

pub(super) struct Worker {
    pub(super) store: Store,
    pub(super) stores: Stores,
    pub(super) cache: ImageCache,
}

/// Why there is nothing to fetch, or it was not fetched.
enum Left {
    /// The wish is gone.
    Withdrawn,
    /// It cannot come true, and goes.
    Unwanted(&'static str),
    /// Another time, for this reason.
    Later(String),
}

impl From<Error> for Left {
    fn from(error: Error) -> Left {
        Left::Later(why(&error))
    }
}

/// For operators.
fn why(error: &Error) -> String {
    error.detail().unwrap_or_else(|| error.to_string())
}

impl Worker {
    /// Looks at all there is, once. It may be repeated, and ended at any moment.
    pub(super) fn pass(&self) {
        if let Err(error) = self.forget_strangers() {
            tracing::warn!(target: "image::cache", "the cache is not looked through: {}", why(&error));
        }
        let wanted = self.cache.wanted().unwrap_or_else(|error| {
            tracing::error!(target: "image::cache", "the cache's wishes cannot be read: {}", with_causes(&error));
            Vec::new()
        });
        for id in wanted {
            self.try_for(id);
        }
    }

    /// Removes what is cached of images that are gone, or have other bytes.
    fn forget_strangers(&self) -> Result<(), Error> {
        let cached = self.cache.cached()?;
        let strangers = self.store.read_blocking(move |tx| {
            let mut strangers = Vec::new();
            for one in &cached {
                let image = IMAGES.load(tx, one.image)?;
                let content = image.as_ref().and_then(|image| image.content());
                if content.is_none_or(|content| content.sha512 != one.sha512) {
                    strangers.push(one.clone());
                }
            }
            Ok::<_, Error>(strangers)
        })?;
        for stranger in &strangers {
            self.cache.forget_bytes(stranger)?;
        }
        Ok(())
    }

    fn try_for(&self, id: ImageId) {
        let left = match self.fetch(id) {
            Ok(()) => return tracing::info!(target: "image::cache", image = %id, "an image is cached"),
            Err(left) => left,
        };
        let unwanted = match left {
            Left::Withdrawn => return,
            Left::Unwanted(why) => why,
            Left::Later(why) => {
                tracing::warn!(target: "image::cache", image = %id, "an image is not cached yet: {why}");
                return;
            }
        };
        tracing::info!(target: "image::cache", image = %id, "an image is not cached: {unwanted}");
        if let Err(error) = self.cache.unwant(id) {
            tracing::error!(target: "image::cache", image = %id, "a wish stays: {}", with_causes(&error));
        }
    }

    fn fetch(&self, id: ImageId) -> Result<(), Left> {
        let unusable = Left::Unwanted("it cannot be used, or is no more");
        let (content, places) = self.store.read_blocking(move |tx| wanted(tx, id))?.ok_or(unusable)?;
        let place = self.nearest(&places)?;
        match self.cache.fetch(id, &content, place.images.as_ref()) {
            Ok(()) => Ok(()),
            Err(StorageError::Stopped) => Err(Left::Withdrawn),
            Err(StorageError::TooLarge { .. }) => Err(Left::Unwanted("it is larger than the cache")),
            // It may have been deleted a moment ago.
            Err(StorageError::NoImage(_)) => Err(Left::Unwanted("its store has nothing of it")),
            Err(error @ StorageError::DamagedImage(_)) => {
                tracing::error!(target: "image::cache", image = %id, store = place.id, "{error}");
                Err(Left::Unwanted("its store has other bytes"))
            }
            Err(error) => Err(Left::Later(with_causes(&error))),
        }
    }

    /// The store to fetch from: this host's own files, if they have it.
    fn nearest(&self, ids: &[String]) -> Result<&Place, Error> {
        let here = ids.iter().filter_map(|id| self.stores.named(id)).find(|place| place.is_here());
        here.map_or_else(|| self.stores.first_of(ids), Ok)
    }
}

/// Content and stores of an image that can be used.
fn wanted(tx: &mut Tx<'_>, id: ImageId) -> Result<Option<(StoredImage, Vec<String>)>, Error> {
    let image = IMAGES.load(tx, id)?.filter(|image| image.status == Status::Active);
    Ok(image.and_then(|image| Some((image.content().cloned()?, image.places()))))
}
