//! Where a download gets its bytes.

use std::io::Read;
use std::ops::Range;

use storage::file::ImageCache;
use storage::{Error, StoredImage};
use types::ImageId;

use crate::error::with_causes;
use crate::stores::Place;

/// The cache, if there is one, and the store that has the image in any case.
pub(crate) struct Source {
    pub(crate) cache: Option<ImageCache>,
    pub(crate) place: Place,
}

impl Source {
    /// The bytes in the range. What was fetched whole from elsewhere is wished for, so that it is cached the next time.
    pub(crate) fn open(
        &self,
        id: ImageId,
        content: &StoredImage,
        range: Range<u64>,
    ) -> Result<Box<dyn Read + Send>, Error> {
        if range.is_empty() {
            // An image that never had a byte is in no store.
            return Ok(Box::new(std::io::empty()));
        }
        let Some(cache) = &self.cache else { return self.place.images.reader(id, range) };
        // A download does not fail for the cache's sake.
        let cached = cache.reader(id, content, range.clone()).unwrap_or_else(|error| {
            tracing::error!(target: "image::cache", image = %id, "the cache cannot be read: {}", with_causes(&error));
            None
        });
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let whole = range == (0..content.size_bytes);
        let fits = content.size_bytes <= cache.size_bytes_max();
        if whole
            && fits
            && !self.place.is_here()
            && let Err(error) = cache.want(id)
        {
            tracing::error!(target: "image::cache", image = %id, "an image is not cached: {}", with_causes(&error));
        }
        self.place.images.reader(id, range)
    }
}
