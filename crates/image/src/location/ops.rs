//! What callers do with locations.

use policy::Caller;
use store::Tx;
use types::ImageId;

use crate::error::Error;
use crate::image::ops::{save, seen};
use crate::image::{Status, reconcile};
use crate::import::ops::TASK;
use crate::stores::{Place, Stores};

/// The stores that have an image's bytes.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    stores: &Stores,
    id: ImageId,
) -> Result<Vec<Place>, Error> {
    let seen = seen(caller, tx, id)?;
    seen.check("fetch_image_location", caller)?;
    Ok(seen.image.places().iter().filter_map(|id| stores.named(id).cloned()).collect())
}

/// Bytes elsewhere never become an image's here: only what was hashed and looked at does.
pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<(), Error> {
    let seen = seen(caller, tx, id)?;
    if seen.image.status != Status::Queued {
        let text = format!("It's not allowed to add locations if image status is {}.", seen.image.status);
        return Err(Error::Conflict(text));
    }
    seen.check("add_image_location", caller)?;
    let service = caller.roles.iter().any(|role| role == "service");
    Err(match service {
        true => Error::Invalid("The Store URI was malformed.".to_owned()),
        false => {
            Error::Forbidden("http store must be enabled to use location API by normal user.".to_owned())
        }
    })
}

/// Takes an image out of a store, unless it is the last that has it. The reconciler removes the bytes.
pub(crate) fn leave(
    caller: &Caller,
    tx: &mut Tx<'_>,
    stores: &Stores,
    (store, id): (&str, ImageId),
) -> Result<(), Error> {
    if stores.named(store).is_none() {
        return Err(Error::Conflict(format!("The selected store {store} is not available on this node.")));
    }
    let missing = |_| Error::NoSuch(format!("Failed to find image {id}"));
    let seen = seen(caller, tx, id).map_err(missing)?;
    seen.check("get_image_location", caller)?;
    seen.check("delete_image_location", caller)?;
    let mut image = seen.image;
    if image.status != Status::Active {
        let text = "It's not allowed to remove image data from store if image status is not 'active'";
        return Err(Error::Conflict(text.to_owned()));
    }
    if image.properties.contains_key(TASK) {
        return Err(Error::Conflict("Image has active task".to_owned()));
    }
    let mut places = image.places();
    if !places.iter().any(|place| place == store) {
        return Err(match places.len() {
            1 => last(),
            _ => Error::NoSuch(format!("Image {id} is not stored in store {store}.")),
        });
    }
    if places.len() == 1 {
        return Err(last());
    }
    places.retain(|place| place != store);
    image.stores = places;
    save(tx, &mut image)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

fn last() -> Error {
    Error::Forbidden(
        "Cannot delete image data from the only store containing it. Consider deleting the image instead."
            .to_owned(),
    )
}
