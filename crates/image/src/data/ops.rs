//! The transactions around the bytes.

use policy::Caller;
use storage::{DiskFormat, StoredImage};
use store::Tx;
use types::ImageId;

use crate::error::Error;
use crate::image::ops::{save, show_for};
use crate::image::store::IMAGES;
use crate::image::{Image, SILENCE_MAX, Status, UploadClaim, reconcile};

/// Begins an upload: from now on the image is `saving`, for this upload alone. Returns what the bytes must be.
pub(crate) fn claim(caller: &Caller, tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<DiskFormat, Error> {
    let mut image = show_for(caller, tx, id, "upload_image")?;
    let missing = image.missing_formats();
    let (Status::Queued, Some(format)) = (image.status, image.disk_format) else {
        return Err(refusal(&image));
    };
    if !missing.is_empty() {
        return Err(refusal(&image));
    }
    image.status = Status::Saving;
    image.upload = Some(UploadClaim { token: token.to_owned(), heard_at: tx.now() });
    save(tx, &mut image)?;
    tx.kick(reconcile::KIND, id)?;
    Ok(format)
}

fn refusal(image: &Image) -> Error {
    if image.status != Status::Queued {
        return Error::Transition { from: image.status, to: Status::Saving };
    }
    let missing = image.missing_formats().join(", ");
    Error::Invalid(format!("Properties {missing} must be set prior to saving data."))
}

/// Says that an upload is still under way; fails once it is not wanted any more.
pub(crate) fn renew(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<(), Error> {
    let image = IMAGES.load(tx, id)?.filter(|image| image.is_claimed_by(token));
    let Some(mut image) = image.filter(|image| image.status == Status::Saving) else {
        return Err(Error::Gone(id));
    };
    let now = tx.now();
    image.upload = Some(UploadClaim { token: token.to_owned(), heard_at: now });
    Ok(IMAGES.save(tx, &mut image).map(|_| ())?)
}

/// All bytes are stored; tells whether the image is active now. Of an image that was deleted meanwhile, the reconciler
/// removes them.
pub(crate) fn finish(tx: &mut Tx<'_>, id: ImageId, token: &str, stored: StoredImage) -> Result<bool, Error> {
    tx.kick(reconcile::KIND, id)?;
    let image = IMAGES.load(tx, id)?.filter(|image| image.is_claimed_by(token));
    let Some(mut image) = image else { return Ok(false) };
    let wanted = image.status == Status::Saving;
    image.upload = None;
    if wanted {
        image.status = Status::Active;
        image.stored = Some(stored);
    }
    save(tx, &mut image)?;
    Ok(wanted)
}

/// The upload failed: the image waits for another.
pub(crate) fn release(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<(), Error> {
    let image = IMAGES.load(tx, id)?.filter(|image| image.is_claimed_by(token));
    let Some(mut image) = image else { return Ok(()) };
    image.upload = None;
    if image.status == Status::Saving {
        image.status = Status::Queued;
    }
    save(tx, &mut image)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

/// How often an upload says that it is still under way.
pub(crate) const RENEW_EVERY: std::time::Duration = std::time::Duration::from_secs(SILENCE_MAX.as_secs() / 6);

/// The image whose bytes the caller wants; `None` as long as it has none.
pub(crate) fn download(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<Option<StoredImage>, Error> {
    let image = show_for(caller, tx, id, "download_image")?;
    if image.status == Status::Deactivated && !caller.is_admin() {
        let text = "The requested image has been deactivated. Image data download is forbidden.";
        return Err(Error::Forbidden(text.to_owned()));
    }
    Ok(image.into_inner().stored)
}
