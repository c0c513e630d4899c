//! Properties over HTTP.

use rest::{Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;

use super::shape::{shape, view};
use super::{PROPERTIES, PropertyShape};
use crate::error::Error;
use crate::metadef::api::{body, name, unfit};
use crate::metadef::entry::{Entry, ops};
use crate::metadef::namespace;
use crate::metadef::resource_type::ops as associations;

/// The routes of properties.
pub(crate) fn routes() -> Routes {
    let all = "/v2/metadefs/namespaces/{namespace}/properties";
    let one = "/v2/metadefs/namespaces/{namespace}/properties/{name}";
    Routes::new()
        .get(all, index)
        .post(all, create)
        .delete(all, clear)
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
}

fn named(property: &Entry<PropertyShape>) -> Json {
    let mut view = view(&property.content);
    view["name"] = property.name.as_str().into();
    view
}

fn draft(request: &Request) -> Result<ops::Draft<PropertyShape>, Error> {
    let mut fields = body(request, &["created_at", "updated_at"])?;
    let unfit = unfit("property");
    let name = name(&mut fields, "name").map_err(&unfit)?;
    Ok((name, shape(fields).map_err(&unfit)?))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let properties = ops::list(request.caller(), tx, &PROPERTIES, request.param("namespace"))?;
    let properties = properties.iter().map(|property| (property.name.clone(), named(property)));
    Ok(Reply::ok(json!({"properties": properties.collect::<Map<_, _>>()})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let draft = draft(request)?;
    let property = ops::create(request.caller(), tx, &PROPERTIES, request.param("namespace"), draft)?;
    Ok(Reply::created(named(&property)))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (caller, namespace) = (request.caller(), request.param("namespace"));
    let name = match request.query("resource_type").filter(|kind| !kind.is_empty()) {
        None => request.param("name").to_owned(),
        Some(kind) => associations::unprefixed(caller, tx, (namespace, kind), request.param("name"))?,
    };
    let property = ops::show(caller, tx, &PROPERTIES, namespace, &name)?;
    Ok(Reply::ok(named(&property)))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let draft = draft(request)?;
    let which = (request.param("namespace"), request.param("name"));
    let property = ops::update(request.caller(), tx, &PROPERTIES, which, draft)?;
    Ok(Reply::ok(named(&property)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (namespace, name) = (request.param("namespace"), request.param("name"));
    ops::delete(request.caller(), tx, &PROPERTIES, namespace, name)?;
    Ok(Reply::empty(204))
}

fn clear(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    namespace::ops::clear(request.caller(), tx, request.param("namespace"), &PROPERTIES)?;
    Ok(Reply::empty(204))
}
