//! Locations over HTTP.

use std::sync::Arc;

use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::ops;
use crate::Shared;
use crate::error::Error;
use crate::image::api::image_id;

/// The hashes that can be said of bytes elsewhere, and how many digits they have.
const HASHES: [(&str, usize); 4] = [("sha1", 40), ("sha256", 64), ("sha512", 128), ("md5", 32)];

/// The routes of locations.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    let (listing, leaving) = (shared.clone(), shared.clone());
    Routes::new()
        .get("/v2/images/{id}/locations", move |request, tx| index(&listing, request, tx))
        .post("/v2/images/{id}/locations", create)
        .delete("/v2/stores/{store}/{id}", move |request, tx| leave(&leaving, request, tx))
}

fn index(shared: &Shared, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = image_id(request)?;
    let places = ops::list(request.caller(), tx, &shared.stores, id)?;
    let view = |place: &crate::stores::Place| json!({"url": place.url(id), "metadata": {"store": place.id}});
    Ok(Reply::ok(places.iter().map(view).collect::<Vec<Json>>().into()))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let json = request.json().map_err(|_| Error::Invalid("Malformed JSON in request body.".to_owned()))?;
    check(json)
        .map_err(|e| Error::Invalid(format!("Provided object does not match schema 'location': {e}")))?;
    ops::create(request.caller(), tx, image_id(request)?)?;
    Ok(Reply::empty(202))
}

fn check(json: Json) -> Result<(), rest::InvalidBody> {
    let mut fields = Fields::new("", json)?;
    fields.required_text("url")?;
    let Some(mut hashes) = fields.object("validation_data")? else { return Ok(()) };
    match (hashes.text("os_hash_algo")?, hashes.text("os_hash_value")?) {
        (None, None) => {}
        (Some(algo), Some(value)) => {
            let known = HASHES.iter().find(|(name, _)| *name == algo);
            let (_, digits) = known.ok_or_else(|| hashes.error("os_hash_algo", "is not known"))?;
            if value.len() != *digits || !value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(hashes.error("os_hash_value", format!("is no hash of {algo}")));
            }
        }
        _ => return Err(hashes.error("os_hash_algo", "and os_hash_value are said together")),
    }
    hashes.finish()
}

fn leave(shared: &Shared, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let missing = |_| Error::NoSuch(format!("Failed to find image {}", request.param("id")));
    let id = image_id(request).map_err(missing);
    ops::leave(request.caller(), tx, &shared.stores, (request.param("store"), id?))?;
    Ok(Reply::empty(204))
}
