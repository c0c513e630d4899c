//! Group types and their specs over HTTP.

use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{GroupType, GroupTypeChange, GroupTypeDraft, ops};
use crate::api::{flag_in, name_in, public_filter, since, sole_fields, sole_spec, specs_in, text_in};
use crate::error::Error;
use crate::list::{Paging, Sortable, next_links};
use crate::policy::{self, RULES};
use crate::volume_type::Specs;

/// The first microversion that has group types.
const FIRST: Microversion = Microversion(3, 11);

/// Sort keys and their columns.
const SORTABLE: Sortable =
    &[("id", "id"), ("name", "name"), ("is_public", "is_public"), ("created_at", "created_at")];

/// The routes of group types.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/group_types", since(FIRST, index))
        .post("/group_types", since(FIRST, create))
        .get("/group_types/{id}", since(FIRST, show))
        .put("/group_types/{id}", since(FIRST, update))
        .delete("/group_types/{id}", since(FIRST, delete))
        .get("/group_types/{id}/group_specs", since(FIRST, list_specs))
        .post("/group_types/{id}/group_specs", since(FIRST, add_specs))
        .get("/group_types/{id}/group_specs/{key}", since(FIRST, show_spec))
        .put("/group_types/{id}/group_specs/{key}", since(FIRST, set_spec))
        .delete("/group_types/{id}/group_specs/{key}", since(FIRST, remove_spec))
}

fn view(request: &Request, group_type: &GroupType) -> Json {
    let mut view = json!({
        "id": group_type.id,
        "name": group_type.name,
        "description": group_type.description,
        "is_public": group_type.is_public,
    });
    let caller = request.caller();
    if RULES.allows("group:access_group_types_specs", caller, &policy::own(caller)) {
        view["group_specs"] = json!(group_type.specs);
    }
    view
}

fn one(request: &Request, status: u16, group_type: &GroupType) -> Reply {
    Reply::json(status, json!({"group_type": view(request, group_type)}))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let is_public = match request.caller().is_admin() {
        true => public_filter(request)?,
        false => Some(true),
    };
    let found = ops::list(request.caller(), tx, is_public, &Paging::of(request, SORTABLE)?)?;
    let views: Vec<Json> = found.iter().map(|known| view(request, known)).collect();
    let mut body = json!({"group_types": views});
    if let Some(links) = next_links(request, "group_types", found.len(), found.last().map(|last| last.id)) {
        body["group_type_links"] = links;
    }
    Ok(Reply::ok(body))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "group_type")?;
    let draft = GroupTypeDraft {
        name: name_in(&mut fields)?,
        description: text_in(&mut fields, "description")?.flatten(),
        is_public: flag_in(&mut fields, "is_public")?.unwrap_or(true),
        specs: first_specs(&mut fields)?,
    };
    fields.finish()?;
    Ok(one(request, 202, &*ops::create(request.caller(), tx, draft)?))
}

/// The specs of a new type: each has a value, and keys may have spaces and slashes.
fn first_specs(fields: &mut Fields) -> Result<Specs, InvalidBody> {
    let Some(given) = fields.object("group_specs")? else { return Ok(Specs::new()) };
    let specs = specs_in(given, " /")?;
    match specs.iter().find(|(_, value)| value.is_none()) {
        Some((key, _)) => Err(InvalidBody::at(format!("group_specs.{key}"), "is not a string")),
        None => Ok(specs),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("id");
    if id == "default" {
        // Cinder names one in its configuration, and comes with none.
        return Err(Error::NoSuch("Default group type can not be found.".to_owned()));
    }
    Ok(one(request, 200, &*ops::show(request.caller(), tx, id)?))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "group_type")?;
    let change = GroupTypeChange {
        name: text_in(&mut fields, "name")?.flatten(),
        description: text_in(&mut fields, "description")?.flatten(),
        is_public: flag_in(&mut fields, "is_public")?,
    };
    fields.finish()?;
    let refused = if change.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        Some("Group type name can not be empty.")
    } else if change == GroupTypeChange::default() {
        Some("Specify group type name, description or a combination thereof.")
    } else {
        None
    };
    if let Some(text) = refused {
        return Err(Error::Invalid(text.to_owned()));
    }
    Ok(one(request, 200, &*ops::update(request.caller(), tx, request.param("id"), change)?))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(202))
}

fn list_specs(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let rule = "group:group_types_specs:get_all";
    let found = ops::show_specs(request.caller(), tx, request.param("id"), rule)?;
    Ok(Reply::ok(json!({"group_specs": found.specs})))
}

fn add_specs(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let new = specs_in(sole_fields(request, "group_specs")?, "")?;
    let rule = (request.param("id"), "group:group_types_specs:create");
    ops::change_specs(request.caller(), tx, rule, |found| {
        found.specs.extend(new.clone());
        Ok(())
    })?;
    Ok(Reply::json(202, json!({"group_specs": new})))
}

fn show_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, key) = (request.param("id"), request.param("key"));
    let found = ops::show_specs(request.caller(), tx, id, "group:group_types_specs:get")?;
    let absent = || Error::NoSuch(format!("Group Type {id} has no extra spec with key {key}."));
    let value = found.specs.get(key).ok_or_else(absent)?;
    Ok(Reply::ok(json!({ key: value })))
}

fn set_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = request.param("key");
    let new = sole_spec(request)?;
    let rule = (request.param("id"), "group:group_types_specs:update");
    ops::change_specs(request.caller(), tx, rule, |found| {
        if !new.contains_key(key) {
            return Err(Error::Invalid("Request body and URI mismatch".to_owned()));
        }
        found.specs.extend(new.clone());
        Ok(())
    })?;
    Ok(Reply::ok(json!(new)))
}

fn remove_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, key) = (request.param("id"), request.param("key"));
    ops::change_specs(request.caller(), tx, (id, "group:group_types_specs:delete"), |found| {
        let absent = || Error::NoSuch(format!("Group Type {id} has no specs with key {key}."));
        found.specs.remove(key).map(|_| ()).ok_or_else(absent)
    })?;
    Ok(Reply::empty(202))
}
