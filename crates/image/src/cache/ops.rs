//! What administrators do with the cache.

use policy::{Caller, Target};
use storage::StoredImage;
use storage::file::ImageCache;
use store::{Stored, Tx};
use types::ImageId;

use crate::error::Error;
use crate::image::Image;
use crate::image::ops::seen;
use crate::policy::RULES;
use crate::stores::Stores;

/// The cache, for a caller who may do this to all of it.
pub(crate) fn open(caller: &Caller, stores: &Stores, rule: &str) -> Result<ImageCache, Error> {
    RULES.check(rule, caller, &Target::default())?;
    present(stores)
}

/// The cache and an image, for a caller who may do this to the image there; `None` where the caller sees no such image.
pub(crate) fn open_for(
    caller: &Caller,
    tx: &mut Tx<'_>,
    stores: &Stores,
    (rule, id): (&str, ImageId),
) -> Result<Option<(ImageCache, Stored<Image>)>, Error> {
    match seen(caller, tx, id) {
        Ok(seen) => {
            seen.check(rule, caller)?;
            Ok(Some((present(stores)?, seen.image)))
        }
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What of an image is to be cached.
pub(crate) fn cacheable(cache: &ImageCache, image: &Image) -> Result<StoredImage, Error> {
    let content = image.content().filter(|_| image.is_active()).cloned().ok_or_else(|| {
        let text = "Only images with status active can be targeted for queueing";
        Error::Invalid(text.to_owned())
    })?;
    let size_bytes_max = cache.size_bytes_max();
    if content.size_bytes > size_bytes_max {
        let text =
            format!("Image {} has more than the {size_bytes_max} bytes that the cache may hold.", image.id);
        return Err(Error::OverLimit(text));
    }
    Ok(content)
}

fn present(stores: &Stores) -> Result<ImageCache, Error> {
    let absent = || Error::NoSuch("Caching via API is not supported at this site.".to_owned());
    stores.cache().cloned().ok_or_else(absent)
}
