//! Images whose bytes a node writes, as another service tells it to. That service makes the row here in its own
//! transaction and says later what became of the bytes; nobody else can send any meanwhile.

use policy::Caller;
use storage::StoredImage;
use store::{Stored, Tx};
use types::ImageId;

use super::ops::{self, save};
use super::store::IMAGES;
use super::{Image, ImageDraft, Status, UploadClaim, reconcile};
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
}

impl Terms {
    /// Nodes write to the default store.
    pub fn new(stores: impl Into<Stores>, config: &Config) -> Terms {
        Terms { limits: config.limits, store: stores.into().default().id.clone() }
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

fn claimed(tx: &mut Tx<'_>, id: ImageId, token: &str) -> Result<Option<Stored<Image>>, Error> {
    Ok(IMAGES.load(tx, id)?.filter(|image| image.is_claimed_by(token)))
}
