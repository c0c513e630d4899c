//! Objects over HTTP.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{OBJECTS, ObjectContent};
use crate::error::Error;
use crate::metadef::api::{body, check_visibility, name, paging, present, text, unfit, words};
use crate::metadef::entry::store::SORTABLE;
use crate::metadef::entry::{Entry, ops};
use crate::metadef::namespace;
use crate::metadef::property::shape::{shapes, views};

/// The routes of objects.
pub(crate) fn routes() -> Routes {
    let all = "/v2/metadefs/namespaces/{namespace}/objects";
    let one = "/v2/metadefs/namespaces/{namespace}/objects/{name}";
    Routes::new()
        .get(all, index)
        .post(all, create)
        .delete(all, clear)
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
}

/// An object of a namespace, its properties with this before their names. What was not said of it is empty.
pub(crate) fn view(object: &Entry<ObjectContent>, namespace: &str, prefix: &str) -> Json {
    let mut view = said(object, namespace, prefix);
    if object.content.required.is_none() {
        view["required"] = json!([]);
    }
    if object.content.properties.is_none() {
        view["properties"] = json!({});
    }
    view
}

/// The same as whoever makes or changes it is answered: only what was said.
fn said(object: &Entry<ObjectContent>, namespace: &str, prefix: &str) -> Json {
    let content = &object.content;
    let required = content.required.as_ref();
    let required =
        required.map(|names| names.iter().map(|name| format!("{prefix}{name}")).collect::<Vec<_>>());
    present(json!({
        "name": object.name,
        "description": content.description,
        "required": required,
        "properties": content.properties.as_ref().map(|shapes| views(shapes, prefix)),
        "created_at": object.created_at.iso_z(),
        "updated_at": object.updated_at.iso_z(),
        "self": format!("/v2/metadefs/namespaces/{namespace}/objects/{}", object.name),
        "schema": "/v2/schemas/metadefs/object",
    }))
}

/// An object in a body of its own or of a namespace.
pub(crate) fn object(mut fields: Fields) -> Result<ops::Draft<ObjectContent>, InvalidBody> {
    let name = name(&mut fields, "name")?;
    let content = ObjectContent {
        description: text(&mut fields, "description", usize::MAX)?,
        required: words(&mut fields, "required")?,
        properties: shapes(&mut fields, "properties")?,
    };
    fields.finish()?;
    Ok((name, content))
}

fn draft(request: &Request) -> Result<ops::Draft<ObjectContent>, Error> {
    let fields = body(request, &["self", "schema", "created_at", "updated_at"])?;
    object(fields).map_err(unfit("object"))
}

/// Glance checks how it is asked to sort and page, and then lists all of them.
fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_visibility(request, &["public", "private", "shared"])?;
    if paging(request, &SORTABLE)?.limit == Some(0) {
        return Err(Error::Invalid("limit param must be positive".to_owned()));
    }
    let namespace = request.param("namespace");
    let objects = ops::list(request.caller(), tx, &OBJECTS, namespace)?;
    let objects: Vec<Json> = objects.iter().map(|object| view(object, namespace, "")).collect();
    Ok(Reply::ok(json!({"objects": objects, "schema": "v2/schemas/metadefs/objects"})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let draft = draft(request)?;
    let namespace = request.param("namespace");
    let object = ops::create(request.caller(), tx, &OBJECTS, namespace, draft)?;
    Ok(Reply::created(said(&object, namespace, "")))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let namespace = request.param("namespace");
    let object = ops::show(request.caller(), tx, &OBJECTS, namespace, request.param("name"))?;
    Ok(Reply::ok(view(&object, namespace, "")))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let draft = draft(request)?;
    let which = (request.param("namespace"), request.param("name"));
    let object = ops::update(request.caller(), tx, &OBJECTS, which, draft)?;
    Ok(Reply::ok(said(&object, request.param("namespace"), "")))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &OBJECTS, request.param("namespace"), request.param("name"))?;
    Ok(Reply::empty(204))
}

fn clear(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    namespace::ops::clear(request.caller(), tx, request.param("namespace"), &OBJECTS)?;
    Ok(Reply::empty(204))
}
