//! Images whose bytes a node writes, as another service tells it to. That service makes the row here in its own
//! transaction and says later what became of the bytes; nobody else can send any meanwhile.

use policy::Caller;
use storage::{DiskFormat, StoredImage};
use store::{Stored, Tx};
use types::ImageId;

use super::ops::{self, save};
use super::store::IMAGES;
use super::{Image, ImageDraft, Status, UploadClaim, WorkKey, reconcile};
use crate::Config;
use crate::data::ops as data;
use crate::error::Error;
use crate::quota::{self, ops::Limits};
use crate::stores::Stores;

/// What other services must know of this one to have images made.
#[derive(Debug, Clone)]
pub struct Terms {
    limits: Limits,
    /// The store that nodes write to.
    store: String,
    /// See [`Terms::disk_format`].
    disk_format: DiskFormat,
}

impl Terms {
    /// Nodes write to the default store.
    pub fn new(stores: impl Into<Stores>, config: &Config) -> Terms {
        let stores = stores.into();
        let place = stores.default();
        let disk_format = if place.kind == "rbd" { DiskFormat::Raw } else { DiskFormat::Qcow2 };
        Terms { limits: config.limits, store: place.id.clone(), disk_format }
    }

    /// The format that is best for images of disks where nobody asked for one: disks are cloned from it there.
    pub fn disk_format(&self) -> DiskFormat {
        self.disk_format
    }
}

/// Creates an image that a node is to fill; `token` is how whoever tells the node to is known from now on.
pub fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    terms: &Terms,
    draft: ImageDraft,
    token: &str,
) -> Result<Stored<Image>, Error> {
    let mut image = ops::create(caller, tx, terms.limits, draft)?;
    quota::ops::check_size(tx, terms.limits, &image.owner, None)?;
    let now = tx.now();
    image.upload = Some(UploadClaim { token: token.to_owned(), heard_at: now, by_node: true });
    image.stores = vec![terms.store.clone()];
    save(tx, &mut image)?;
    quota::ops::check_uploading(tx, terms.limits, &image.owner)?;
    Ok(image)
}

/// Creates an image that never has a byte and is active at once, for what its properties say.
pub fn create_empty(
    caller: &Caller,
    tx: &mut Tx<'_>,
    terms: &Terms,
    draft: ImageDraft,
) -> Result<Stored<Image>, Error> {
    let mut image = ops::create(caller, tx, terms.limits, draft)?;
    image.status = Status::Active;
    image.stored = Some(nothing());
    image.stores = vec![terms.store.clone()];
    save(tx, &mut image)?;
    Ok(image)
}

/// No bytes, and the hashes of that.
fn nothing() -> StoredImage {
    let sha512 = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                  47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    StoredImage { size_bytes: 0, virtual_size_bytes: 0, md5: md5.to_owned(), sha512: sha512.to_owned() }
}

/// Whether nobody deleted the image meanwhile.
pub fn is_wanted(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<bool, Error> {
    Ok(claimed(tx, id, token)?.is_some_and(|image| image.status != Status::Deleted))
}

/// The node writes, or is about to; tells whether the image is still wanted. Done twice it changes nothing.
pub fn begin(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<bool, Error> {
    let Some(mut image) = claimed(tx, id, token)? else { return Ok(false) };
    if image.status == Status::Queued {
        image.status = Status::Saving;
        save(tx, &mut image)?;
    }
    Ok(image.status == Status::Saving)
}

/// The node has written all of it; tells whether the image has the bytes now.
pub fn finish(tx: &mut Tx<'_>, id: ImageId, token: &str, stored: StoredImage) -> Result<bool, Error> {
    let Some(image) = claimed(tx, id, token)? else { return Ok(false) };
    let place = image.stores.first().cloned().unwrap_or_else(|| crate::stores::FIRST.to_owned());
    data::finish(tx, id, token, (&place, stored))
}

/// There will be no such image. Its row stays until the node has let go of it: see [`let_go`].
pub fn abandon(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<(), Error> {
    match claimed(tx, id, token)? {
        Some(mut image) if image.status != Status::Deleted => ops::begin_delete(tx, &mut image),
        _ => Ok(()),
    }
}

/// No node writes to it any more. Done twice, or after [`finish`], it changes nothing.
pub fn let_go(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<(), Error> {
    let Some(mut image) = claimed(tx, id, token)? else { return Ok(()) };
    image.upload = None;
    save(tx, &mut image)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

/// Whether there is anything left of an image.
pub fn is_there(tx: &mut Tx<'_>, id: ImageId) -> Result<bool, Error> {
    Ok(IMAGES.load(tx, id)?.is_some())
}

/// Has this key kicked when nothing is left of an image any more; one that is gone already kicks nobody.
pub fn watch(tx: &mut Tx<'_>, id: ImageId, watcher: WorkKey) -> Result<(), Error> {
    let Some(mut image) = IMAGES.load(tx, id)? else { return Ok(()) };
    image.watcher = Some(watcher);
    Ok(IMAGES.save(tx, &mut image)?)
}

fn claimed(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<Option<Stored<Image>>, Error> {
    Ok(IMAGES.load(tx, id)?.filter(|image| image.is_claimed_by(token)))
}
