//! The extra specs of a volume type over HTTP.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::api::{own, sole_spec, specs_in};
use crate::error::Error;
use crate::volume_type::{Specs, VolumeType, ops};

/// The routes of extra specs.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/types/{id}/extra_specs", own(list))
        .post("/types/{id}/extra_specs", own(add))
        .get("/types/{id}/extra_specs/{key}", own(show))
        .put("/types/{id}/extra_specs/{key}", own(set))
        .delete("/types/{id}/extra_specs/{key}", own(remove))
}

/// What the caller may know of them.
pub(super) fn view(request: &Request, volume_type: &VolumeType) -> Json {
    match ops::sees_all_specs(request.caller()) {
        true => json!(volume_type.extra_specs),
        false => json!(volume_type.visible_specs()),
    }
}

/// Those of a new type, whose keys may have spaces and slashes.
pub(super) fn with_spaces(fields: &mut Fields, name: &str) -> Result<Specs, InvalidBody> {
    match fields.take(name) {
        None => Ok(Specs::new()),
        Some(value) => specs_in(Fields::new(&fields.path(name), value)?, " /"),
    }
}

fn known(request: &Request, tx: &mut Tx<'_>, rule: &str) -> Result<Json, Error> {
    let found = ops::find_for(request.caller(), tx, request.param("id"), rule)?;
    Ok(view(request, &found))
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let specs = known(request, tx, "volume_extension:types_extra_specs:index")?;
    Ok(Reply::ok(json!({"extra_specs": specs})))
}

fn absent(request: &Request) -> Error {
    let (id, key) = (request.param("id"), request.param("key"));
    Error::NoSuch(format!("Volume Type {id} has no extra specs with key {key}."))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = request.param("key");
    let specs = known(request, tx, "volume_extension:types_extra_specs:show")?;
    let value = specs.get(key).ok_or_else(|| absent(request))?;
    Ok(Reply::ok(json!({ key: value })))
}

fn add(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut body = Fields::new("", request.json()?)?;
    let new = body.take("extra_specs").ok_or_else(|| body.error("extra_specs", "is required"))?;
    body.finish()?;
    let new = specs_in(Fields::new("extra_specs", new)?, "")?;
    let rule = (request.param("id"), "volume_extension:types_extra_specs:create");
    ops::change_specs(request.caller(), tx, rule, |found| {
        found.extra_specs.extend(new.clone());
        Ok(())
    })?;
    Ok(Reply::ok(json!({"extra_specs": new})))
}

fn set(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = request.param("key");
    let new = sole_spec(request)?;
    let rule = (request.param("id"), "volume_extension:types_extra_specs:update");
    ops::change_specs(request.caller(), tx, rule, |found| {
        if !new.contains_key(key) {
            return Err(Error::Invalid("Request body and URI mismatch".to_owned()));
        }
        found.extra_specs.extend(new.clone());
        Ok(())
    })?;
    Ok(Reply::ok(json!(new)))
}

fn remove(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let rule = (request.param("id"), "volume_extension:types_extra_specs:delete");
    ops::change_specs(request.caller(), tx, rule, |found| {
        found.extra_specs.remove(request.param("key")).map(|_| ()).ok_or_else(|| absent(request))
    })?;
    Ok(Reply::empty(202))
}
