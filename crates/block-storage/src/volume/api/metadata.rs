//! The metadata of a volume over HTTP.

use std::collections::{BTreeMap, BTreeSet};

use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{view, volume_id};
use crate::api::{own, word, words_of};
use crate::error::Error;
use crate::volume::{Volume, ops};

/// The routes of metadata.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/volumes/{id}/metadata", own(index))
        .post("/volumes/{id}/metadata", own(add))
        .put("/volumes/{id}/metadata", own(replace))
        .get("/volumes/{id}/metadata/{key}", own(show))
        .put("/volumes/{id}/metadata/{key}", own(set))
        .delete("/volumes/{id}/metadata/{key}", own(remove))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = volume_id(request)?;
    let volume = ops::show_for(request.caller(), tx, id, "volume:get_volume_metadata")?;
    Ok(Reply::ok(json!({"metadata": view::words(&volume)})))
}

fn body(request: &Request) -> Result<BTreeMap<String, String>, Error> {
    let mut body = Fields::new("", request.json()?)?;
    let words = words_of(&mut body, "metadata")?.ok_or_else(|| body.error("metadata", "is required"))?;
    body.finish()?;
    Ok(words)
}

fn change(
    request: &Request,
    tx: &mut Tx<'_>,
    rule: &str,
    change: impl FnOnce(&mut Volume),
) -> Result<Reply, Error> {
    let id = volume_id(request)?;
    let volume = ops::change_words(request.caller(), tx, (id, rule), |volume| {
        change(volume);
        Ok(())
    })?;
    Ok(Reply::ok(json!({"metadata": volume.metadata})))
}

fn add(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let words = body(request)?;
    change(request, tx, "volume:create_volume_metadata", |volume| volume.metadata.extend(words))
}

fn replace(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let words = body(request)?;
    change(request, tx, "volume:update_volume_metadata", |volume| volume.metadata = words)
}

fn absent(request: &Request) -> Error {
    let (id, key) = (request.param("id"), request.param("key"));
    Error::NoSuch(format!("Volume {id} has no metadata with key {key}."))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, key) = (volume_id(request)?, request.param("key"));
    let volume = ops::show_for(request.caller(), tx, id, "volume:get_volume_metadata")?;
    let value = view::words(&volume).into_owned().remove(key).ok_or_else(|| absent(request))?;
    Ok(Reply::ok(json!({"meta": {key: value}})))
}

fn set(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = request.param("key");
    let mut meta = request.fields("meta")?;
    let mismatch = || Error::Invalid("Request body and URI mismatch".to_owned());
    let value = meta.take(key).ok_or_else(mismatch)?;
    let (key, value) = word("meta", key.to_owned(), value)?;
    meta.finish().map_err(|_| Error::Invalid("Request body contains too many items".to_owned()))?;
    let (name, said) = (key.clone(), value.clone());
    change(request, tx, "volume:update_volume_metadata", |volume| {
        volume.metadata.insert(name, said);
    })?;
    Ok(Reply::ok(json!({"meta": {key: value}})))
}

fn remove(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, key) = (volume_id(request)?, request.param("key"));
    let rule = (id, "volume:delete_volume_metadata");
    ops::change_words(request.caller(), tx, rule, |volume| {
        volume.metadata.remove(key).map(|_| ()).ok_or_else(|| absent(request))
    })?;
    Ok(Reply::empty(200))
}

/// Every key of these metadata with its different values.
pub(super) fn summary<'v>(all: impl Iterator<Item = &'v BTreeMap<String, String>>) -> Json {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, value) in all.flatten() {
        values.entry(key).or_default().insert(value);
    }
    json!(values)
}
