//! Volume types over HTTP.

use std::collections::BTreeMap;

use policy::Target;
use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{TypeChange, TypeDraft, VolumeType, ops};
use crate::api::{own, text_in, words_of};
use crate::error::Error;
use crate::policy::RULES;

/// The routes of volume types.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/types", own(index))
        .post("/types", own(create))
        .get("/types/default", own(show_default))
        .get("/types/{id}", own(show))
        .put("/types/{id}", own(update))
        .delete("/types/{id}", own(delete))
        .get("/types/{id}/os-volume-type-access", own(list_access))
        .post("/types/{id}/action", own(action))
        .get("/types/{id}/extra_specs", own(list_specs))
        .post("/types/{id}/extra_specs", own(set_specs))
        .get("/types/{id}/extra_specs/{key}", own(show_spec))
        .put("/types/{id}/extra_specs/{key}", own(set_spec))
        .delete("/types/{id}/extra_specs/{key}", own(remove_spec))
}

fn view(request: &Request, volume_type: &VolumeType) -> Json {
    let mut view = json!({
        "id": volume_type.id,
        "name": volume_type.name,
        "description": volume_type.description,
        "is_public": volume_type.is_public,
        "os-volume-type-access:is_public": volume_type.is_public,
        "extra_specs": {},
    });
    // What the specs say about backends is the operator's business.
    let rule = "volume_extension:types_extra_specs:read_sensitive";
    if RULES.allows(rule, request.caller(), &Target::default()) {
        view["extra_specs"] = json!(volume_type.extra_specs);
    }
    view
}

/// As shown: a creation does not name the QoS specs, which are not built, so that there are never any.
fn full(request: &Request, volume_type: &VolumeType) -> Json {
    let mut view = view(request, volume_type);
    if request.caller().is_admin() {
        view["qos_specs_id"] = Json::Null;
    }
    view
}

fn one(request: &Request, volume_type: &VolumeType) -> Reply {
    Reply::ok(json!({"volume_type": full(request, volume_type)}))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let is_public = match request.query("is_public").map(str::to_lowercase).as_deref() {
        Some("none") => None,
        Some("false" | "0") => Some(false),
        Some("true" | "1") => Some(true),
        Some(other) => return Err(Error::Invalid(format!("Invalid is_public filter [{other}]"))),
        None => Some(true),
    };
    let found = ops::list(request.caller(), tx, is_public)?;
    let found: Vec<Json> = found.iter().map(|known| full(request, known)).collect();
    Ok(Reply::ok(json!({"volume_types": found})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("volume_type")?;
    let name = text_in(&mut fields, "name")?.flatten().unwrap_or_default();
    let public = fields.flag("os-volume-type-access:is_public")?;
    let draft = TypeDraft {
        name: check_name(&fields, &name)?,
        description: text_in(&mut fields, "description")?.flatten(),
        is_public: public.unwrap_or(true),
        extra_specs: words_of(&mut fields, "extra_specs")?.unwrap_or_default(),
    };
    fields.finish()?;
    let made = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::ok(json!({"volume_type": view(request, &made)})))
}

fn check_name(fields: &Fields, name: &str) -> Result<String, InvalidBody> {
    match name.trim() {
        "" => Err(fields.error("name", "is empty")),
        name => Ok(name.to_owned()),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(one(request, &*ops::show(request.caller(), tx, request.param("id"))?))
}

fn show_default(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(one(request, &*ops::show_default(request.caller(), tx)?))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("volume_type")?;
    let name = text_in(&mut fields, "name")?.flatten();
    let name = name.map(|name| check_name(&fields, &name)).transpose()?;
    let change = TypeChange {
        name,
        description: text_in(&mut fields, "description")?,
        is_public: fields.flag("is_public")?,
    };
    fields.finish()?;
    if change == TypeChange::default() {
        let text = "Specify volume type name, description, is_public or a combination thereof.";
        return Err(Error::Invalid(text.to_owned()));
    }
    Ok(one(request, &*ops::update(request.caller(), tx, request.param("id"), change)?))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(202))
}

fn list_access(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("id");
    let projects = ops::list_access(request.caller(), tx, id)?;
    let view = |project| json!({"volume_type_id": id, "project_id": project});
    let access: Vec<Json> = projects.iter().map(view).collect();
    Ok(Reply::ok(json!({"volume_type_access": access})))
}

fn action(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut body = Fields::new("", request.json()?)?;
    let (action, add) = match (body.object("addProjectAccess")?, body.object("removeProjectAccess")?) {
        (Some(fields), None) => (fields, true),
        (None, Some(fields)) => (fields, false),
        _ => return Err(Error::Invalid("There is no such action.".to_owned())),
    };
    let mut fields = action;
    let project = fields.required_text("project")?;
    fields.finish()?;
    ops::change_access(request.caller(), tx, request.param("id"), (project.as_str().into(), add))?;
    Ok(Reply::empty(202))
}

fn specs(request: &Request, tx: &mut Tx<'_>) -> Result<BTreeMap<String, String>, Error> {
    let rule = "volume_extension:types_extra_specs:index";
    RULES.check(rule, request.caller(), &Target::default())?;
    let found = ops::show(request.caller(), tx, request.param("id"))?;
    Ok(if request.caller().is_admin() { found.extra_specs.clone() } else { [].into() })
}

fn list_specs(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({"extra_specs": specs(request, tx)?})))
}

fn no_spec(request: &Request) -> Error {
    let (id, key) = (request.param("id"), request.param("key"));
    Error::NoSuch(format!("Volume Type {id} has no extra specs with key {key}."))
}

fn show_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = request.param("key");
    let value = specs(request, tx)?.remove(key).ok_or_else(|| no_spec(request))?;
    Ok(Reply::ok(json!({ key: value })))
}

fn set_specs(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut body = Fields::new("", request.json()?)?;
    let new = words_of(&mut body, "extra_specs")?.ok_or_else(|| body.error("extra_specs", "is required"))?;
    body.finish()?;
    let rule = (request.param("id"), "volume_extension:types_extra_specs:create");
    ops::change_specs(request.caller(), tx, rule, |found| {
        found.extra_specs.extend(new.clone());
        Ok(())
    })?;
    Ok(Reply::ok(json!({"extra_specs": new})))
}

fn set_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = request.param("key");
    let mut body = Fields::new("", request.json()?)?;
    let value = body.required_text(key).map_err(|_| mismatch())?;
    body.finish().map_err(|_| Error::Invalid("Request body contains too many items.".to_owned()))?;
    let rule = (request.param("id"), "volume_extension:types_extra_specs:update");
    ops::change_specs(request.caller(), tx, rule, |found| {
        found.extra_specs.insert(key.to_owned(), value.clone());
        Ok(())
    })?;
    Ok(Reply::ok(json!({ key: value })))
}

fn mismatch() -> Error {
    Error::Invalid("Request body and URI mismatch".to_owned())
}

fn remove_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = request.param("key");
    let rule = (request.param("id"), "volume_extension:types_extra_specs:delete");
    ops::change_specs(request.caller(), tx, rule, |found| {
        found.extra_specs.remove(key).map(|_| ()).ok_or_else(|| no_spec(request))
    })?;
    Ok(Reply::empty(202))
}
