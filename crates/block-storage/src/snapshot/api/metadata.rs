//! The metadata of a snapshot over HTTP.

use std::collections::BTreeMap;

use rest::{Fields, Reply, Request, Routes};
use serde_json::json;
use store::Tx;

use super::snapshot_id;
use crate::api::{own, word, words_of};
use crate::error::Error;
use crate::snapshot::{Snapshot, ops};

/// The routes of metadata.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/snapshots/{id}/metadata", own(index))
        .post("/snapshots/{id}/metadata", own(add))
        .put("/snapshots/{id}/metadata", own(replace))
        .get("/snapshots/{id}/metadata/{key}", own(show))
        .put("/snapshots/{id}/metadata/{key}", own(set))
        .delete("/snapshots/{id}/metadata/{key}", own(remove))
}

fn load(request: &Request, tx: &mut Tx<'_>) -> Result<Snapshot, Error> {
    let rule = "volume:get_snapshot_metadata";
    Ok(ops::show_for(request.caller(), tx, snapshot_id(request)?, rule)?.into_inner())
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({"metadata": load(request, tx)?.metadata})))
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
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<Reply, Error> {
    let rule = (snapshot_id(request)?, "volume:update_snapshot_metadata");
    let found = ops::change_metadata(request.caller(), tx, rule, |found| {
        change(&mut found.metadata);
        Ok(())
    })?;
    Ok(Reply::ok(json!({"metadata": found.metadata})))
}

fn add(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let words = body(request)?;
    change(request, tx, |metadata| metadata.extend(words))
}

fn replace(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let words = body(request)?;
    change(request, tx, |metadata| *metadata = words)
}

fn absent(request: &Request) -> Error {
    let (id, key) = (request.param("id"), request.param("key"));
    Error::NoSuch(format!("Snapshot {id} has no metadata with key {key}."))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = request.param("key");
    let value = load(request, tx)?.metadata.remove(key).ok_or_else(|| absent(request))?;
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
    change(request, tx, |metadata| {
        metadata.insert(name, said);
    })?;
    Ok(Reply::ok(json!({"meta": {key: value}})))
}

fn remove(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let rule = (snapshot_id(request)?, "volume:delete_snapshot_metadata");
    ops::change_metadata(request.caller(), tx, rule, |found| {
        found.metadata.remove(request.param("key")).map(|_| ()).ok_or_else(|| absent(request))
    })?;
    Ok(Reply::empty(200))
}
