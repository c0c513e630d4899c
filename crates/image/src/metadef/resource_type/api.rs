//! Types of resources and their associations over HTTP.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{ASSOCIATIONS, AssociationContent, ops};
use crate::error::Error;
use crate::metadef::api::{NAME_CHARS_MAX, body, name, present, text, unfit};
use crate::metadef::entry::{self, Entry};

/// The routes of types and associations.
pub(crate) fn routes() -> Routes {
    let all = "/v2/metadefs/namespaces/{namespace}/resource_types";
    Routes::new()
        .get("/v2/metadefs/resource_types", index)
        .get(all, associations)
        .post(all, create)
        .delete("/v2/metadefs/namespaces/{namespace}/resource_types/{name}", delete)
}

/// An association as clients see it.
pub(crate) fn view(association: &Entry<AssociationContent>) -> Json {
    present(json!({
        "name": association.name,
        "prefix": association.content.prefix,
        "properties_target": association.content.properties_target,
        "created_at": association.created_at.iso_z(),
        "updated_at": association.updated_at.iso_z(),
    }))
}

/// An association in a body of its own or of a namespace.
pub(crate) fn association(mut fields: Fields) -> Result<entry::ops::Draft<AssociationContent>, InvalidBody> {
    let name = name(&mut fields, "name")?;
    let content = AssociationContent {
        prefix: text(&mut fields, "prefix", NAME_CHARS_MAX)?,
        properties_target: text(&mut fields, "properties_target", NAME_CHARS_MAX)?,
    };
    fields.finish()?;
    Ok((name, content))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let types = ops::list(request.caller(), tx)?;
    let view =
        |created: String, name: &str| json!({"name": name, "created_at": created, "updated_at": created});
    let types: Vec<Json> = types.iter().map(|kind| view(kind.created_at.iso_z(), &kind.name)).collect();
    Ok(Reply::ok(json!({"resource_types": types})))
}

fn associations(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = entry::ops::list(request.caller(), tx, &ASSOCIATIONS, request.param("namespace"))?;
    let found: Vec<Json> = found.iter().map(|association| view(association)).collect();
    Ok(Reply::ok(json!({"resource_type_associations": found})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let fields = body(request, &["created_at", "updated_at"])?;
    let draft = association(fields).map_err(unfit("resource_type_association"))?;
    let made = ops::create(request.caller(), tx, request.param("namespace"), draft)?;
    Ok(Reply::created(view(&made)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (namespace, name) = (request.param("namespace"), request.param("name"));
    entry::ops::delete(request.caller(), tx, &ASSOCIATIONS, namespace, name)?;
    Ok(Reply::empty(204))
}
