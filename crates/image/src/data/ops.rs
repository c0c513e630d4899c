//! The transactions around the bytes.

use policy::Caller;
use storage::{DiskFormat, StoredImage};
use store::Tx;
use types::ImageId;

use crate::Shared;
use crate::error::Error;
use crate::image::ops::{save, seen, show_for};
use crate::image::store::IMAGES;
use crate::image::{Image, SILENCE_MAX, Status, UploadClaim, reconcile};
use crate::quota;

/// What bytes are sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be the image's.
    Upload,
    /// To be imported later.
    Stage,
}

/// Who sends bytes, how many if that was said, and under which token the claim is kept.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) caller: Caller,
    pub(crate) purpose: Purpose,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) token: String,
}

/// Begins an upload: from now on the image is this upload's alone. Returns what the bytes must be; what is staged may
/// not have been said to be anything yet.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    shared: &Shared,
    id: ImageId,
    sender: &Sender,
) -> Result<DiskFormat, Error> {
    let limits = shared.config.limits;
    let (rule, status) = match sender.purpose {
        Purpose::Upload => ("upload_image", Status::Saving),
        Purpose::Stage => ("modify_image", Status::Uploading),
    };
    if let Some(project) = sender.caller.project_id() {
        match sender.purpose {
            Purpose::Upload => quota::ops::check_size(tx, limits, project, sender.size_bytes)?,
            Purpose::Stage => quota::ops::check_staged(tx, limits, project, sender.size_bytes)?,
        }
    }
    let mut image = show_for(&sender.caller, tx, id, rule)?;
    check_ready(&image, sender.purpose, status)?;
    image.status = status;
    image.upload = Some(UploadClaim { token: sender.token.clone(), heard_at: tx.now(), by_node: false });
    save(tx, &mut image)?;
    if let Some(project) = sender.caller.project_id() {
        quota::ops::check_uploading(tx, limits, project)?;
    }
    tx.kick(reconcile::KIND, id)?;
    Ok(image.disk_format.unwrap_or(DiskFormat::Raw))
}

fn check_ready(image: &Image, purpose: Purpose, to: Status) -> Result<(), Error> {
    if image.status != Status::Queued || image.upload.is_some() {
        return Err(Error::Transition { from: image.status, to });
    }
    let missing = image.missing_formats();
    if purpose == Purpose::Stage || missing.is_empty() {
        return Ok(());
    }
    let noun = if missing.len() == 1 { "Property" } else { "Properties" };
    Err(Error::Invalid(format!("{noun} {} must be set prior to saving data.", missing.join(", "))))
}

/// Says that whoever fills the image is still at it; fails once that is not wanted any more.
pub(crate) fn renew(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<(), Error> {
    let image = IMAGES.load(tx, id)?.filter(|image| image.is_claimed_by(token));
    let Some(mut image) = image.filter(|image| image.is_filling()) else {
        return Err(Error::Gone(id));
    };
    let now = tx.now();
    image.upload = Some(UploadClaim { token: token.to_owned(), heard_at: now, by_node: false });
    Ok(IMAGES.save(tx, &mut image).map(|_| ())?)
}

/// All bytes are stored in the named store; tells whether the image has them now. Of an image that was deleted
/// meanwhile, the reconciler removes them.
pub(crate) fn finish(
    tx: &mut Tx<'_>,
    id: ImageId,
    token: &str,
    (place, stored): (&str, StoredImage),
) -> Result<bool, Error> {
    tx.kick(reconcile::KIND, id)?;
    let image = IMAGES.load(tx, id)?.filter(|image| image.is_claimed_by(token));
    let Some(mut image) = image else { return Ok(false) };
    let wanted = image.is_filling();
    image.upload = None;
    if wanted {
        if image.status == Status::Saving {
            image.status = Status::Active;
        }
        image.stored = Some(stored);
        image.stores = vec![place.to_owned()];
    }
    save(tx, &mut image)?;
    Ok(wanted)
}

/// The upload failed: the image waits for another.
pub(crate) fn release(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<(), Error> {
    let image = IMAGES.load(tx, id)?.filter(|image| image.is_claimed_by(token));
    let Some(mut image) = image else { return Ok(()) };
    image.upload = None;
    if image.is_filling() {
        image.status = Status::Queued;
    }
    save(tx, &mut image)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

/// How often an upload says that it is still under way.
pub(crate) const RENEW_EVERY: std::time::Duration = std::time::Duration::from_secs(SILENCE_MAX.as_secs() / 6);

/// What a download sends: the content, and the stores that have it.
pub(crate) type Download = (StoredImage, Vec<String>);

/// The image whose bytes the caller wants, from one of the preferred stores if there is a choice; `None` as long as it
/// has no bytes.
pub(crate) fn download(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    preferred: &[String],
) -> Result<Option<Download>, Error> {
    let seen = seen(caller, tx, id)?;
    if seen.image.status == Status::Deactivated && !caller.is_admin() {
        let text = "The requested image has been deactivated. Image data download is forbidden.";
        return Err(Error::Forbidden(text.to_owned()));
    }
    seen.check("download_image", caller)?;
    if !preferred.is_empty() {
        seen.check("download_from_store", caller)?;
    }
    let Some(content) = seen.image.content() else { return Ok(None) };
    let mut places = seen.image.places();
    places.sort_by_key(|place| !preferred.contains(place));
    Ok(Some((content.clone(), places)))
}
