//! Volume types over HTTP.

mod extra_specs;

use rest::{Fields, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::ops::TypeFilter;
use super::{TypeChange, TypeDraft, VolumeType, ops};
use crate::api::{flag_in, name_in, own, public_filter, required_in, sole_fields, text_in};
use crate::error::Error;
use crate::filters::refuse_unknown;
use crate::list::{Paging, Sortable, next_links, pairs};
use crate::policy::{self, RULES};

/// From here on an unknown filter is an error; before, it was ignored.
const STRICT: Microversion = Microversion(3, 52);

/// Sort keys and their columns.
const SORTABLE: Sortable =
    &[("id", "id"), ("name", "name"), ("is_public", "is_public"), ("created_at", "created_at")];

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
        .and(extra_specs::routes())
}

/// A type as lists and shows have it.
fn view(request: &Request, volume_type: &VolumeType) -> Json {
    let may = |rule: &str| RULES.allows(rule, request.caller(), &policy::own(request.caller()));
    let mut view = json!({
        "id": volume_type.id,
        "name": volume_type.name,
        "description": volume_type.description,
        "is_public": volume_type.is_public,
    });
    if may("volume_extension:access_types_extra_specs") {
        view["extra_specs"] = extra_specs::view(request, volume_type);
    }
    if may("volume_extension:access_types_qos_specs_id") {
        view["qos_specs_id"] = json!(volume_type.qos_specs_id);
    }
    if may("volume_extension:volume_type_access") {
        view["os-volume-type-access:is_public"] = volume_type.is_public.into();
    }
    view
}

/// A type as Cinder answers those who change it.
fn changed(volume_type: &VolumeType) -> Json {
    json!({
        "id": volume_type.id,
        "name": volume_type.name,
        "description": volume_type.description,
        "is_public": volume_type.is_public,
        "extra_specs": volume_type.extra_specs,
    })
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let paging = Paging::of(request, SORTABLE)?;
    let found = ops::list(request.caller(), tx, &filter(request)?, &paging)?;
    let views: Vec<Json> = found.iter().map(|known| view(request, known)).collect();
    let mut body = json!({"volume_types": views});
    if let Some(links) = next_links(request, "types", found.len(), found.last().map(|last| last.id)) {
        body["volume_type_links"] = links;
    }
    Ok(Reply::ok(body))
}

fn filter(request: &Request) -> Result<TypeFilter, Error> {
    let admin = request.caller().is_admin();
    if request.version >= STRICT && !admin {
        refuse_unknown(request, "volume_type")?;
    }
    let is_public = if admin { public_filter(request)? } else { Some(true) };
    let mut filter = TypeFilter { is_public, ..TypeFilter::default() };
    for (name, value) in &request.query {
        match name.as_str() {
            "limit" | "marker" | "offset" | "sort" | "sort_key" | "sort_dir" | "is_public" => {}
            "extra_specs" if admin || request.version >= STRICT => {
                filter.extra_specs.extend(pairs("extra_specs", value)?);
            }
            _ if admin => filter.attributes.push((name.clone(), value.clone())),
            _ => {}
        }
    }
    Ok(filter)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "volume_type")?;
    let draft = TypeDraft {
        name: name_in(&mut fields)?,
        description: text_in(&mut fields, "description")?.flatten(),
        is_public: flag_in(&mut fields, "os-volume-type-access:is_public")?.unwrap_or(true),
        extra_specs: extra_specs::with_spaces(&mut fields, "extra_specs")?,
    };
    fields.finish()?;
    let made = ops::create(request.caller(), tx, draft)?;
    let mut view = changed(&made);
    view["os-volume-type-access:is_public"] = made.is_public.into();
    Ok(Reply::ok(json!({"volume_type": view})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::show(request.caller(), tx, request.param("id"))?;
    Ok(Reply::ok(json!({"volume_type": view(request, &found)})))
}

fn show_default(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut view = view(request, &*ops::show_default(request.caller(), tx)?);
    // Cinder does not say this of what was not asked for by its id.
    if let Some(fields) = view.as_object_mut() {
        fields.remove("os-volume-type-access:is_public");
    }
    Ok(Reply::ok(json!({"volume_type": view})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "volume_type")?;
    let name = text_in(&mut fields, "name")?.flatten();
    if name.as_ref().is_some_and(String::is_empty) {
        return Err(fields.error("name", "is too short").into());
    }
    let change = TypeChange {
        name,
        description: text_in(&mut fields, "description")?.flatten(),
        is_public: flag_in(&mut fields, "is_public")?,
    };
    fields.finish()?;
    let refused = if change.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        Some("Volume type name can not be empty.")
    } else if change == TypeChange::default() {
        Some("Specify volume type name, description, is_public or a combination thereof.")
    } else {
        None
    };
    if let Some(text) = refused {
        return Err(Error::Invalid(text.to_owned()));
    }
    let found = ops::update(request.caller(), tx, request.param("id"), change)?;
    Ok(Reply::ok(json!({"volume_type": changed(&found)})))
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
    let (mut fields, add) = match (body.object("addProjectAccess")?, body.object("removeProjectAccess")?) {
        (Some(fields), None) => (fields, true),
        (None, Some(fields)) => (fields, false),
        _ => {
            let name = body.left().first().cloned().unwrap_or_default();
            return Err(Error::Invalid(format!("There is no such action: {name}")));
        }
    };
    body.finish()?;
    let project = required_in(&mut fields, "project")?;
    fields.finish()?;
    ops::change_access(request.caller(), tx, request.param("id"), (project.as_str().into(), add))?;
    Ok(Reply::empty(202))
}
