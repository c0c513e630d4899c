//! `/v3/policies`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{PolicyChange, PolicyDocument};
use super::ops;
use crate::Error;
use crate::api::{Filters, Kind, changing, extra, filter_of, filtered, links, text, with_extra};
use crate::ids::{PolicyId, fresh};

const TYPE_MAX: usize = 255;
const FILTERS: Filters = &[("type", Kind::Text)];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v3/policies", list)
        .post("/v3/policies", create)
        .get("/v3/policies/{policy_id}", show)
        .patch("/v3/policies/{policy_id}", update)
        .delete("/v3/policies/{policy_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let documents = ops::list(request.caller(), tx, filter_of(request, "type").as_deref())?;
    let views = documents.iter().map(|document| view(request, document)).collect();
    filtered(request, "policies", FILTERS, views)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("policy")?;
    let document = PolicyDocument {
        id: PolicyId(fresh()),
        blob: text(&mut fields, "blob")?
            .map(Json::String)
            .ok_or_else(|| fields.error("blob", "is required"))?,
        kind: kind(&mut fields)?.ok_or_else(|| fields.error("type", "is required"))?,
        extra: extra(fields),
    };
    let document = ops::create(request.caller(), tx, document)?;
    Ok(Reply::created(json!({"policy": view(request, &document)})))
}

/// Takes a MIME type, of which upstream asks only that it is not long.
fn kind(fields: &mut Fields) -> Result<Option<String>, InvalidBody> {
    let kind = text(fields, "type")?;
    match kind.as_ref().is_some_and(|kind| kind.chars().count() > TYPE_MAX) {
        true => Err(fields.error("type", format!("is too long: at most {TYPE_MAX} characters"))),
        false => Ok(kind),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let document = ops::show(request.caller(), tx, request.param("policy_id"))?;
    Ok(Reply::ok(json!({"policy": view(request, &document)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("policy_id");
    let mut fields = changing(request.fields("policy")?, id)?;
    let change = PolicyChange {
        kind: kind(&mut fields)?,
        blob: text(&mut fields, "blob")?.map(Json::String),
        extra: extra(fields),
    };
    let document = ops::update(request.caller(), tx, id, change)?;
    Ok(Reply::ok(json!({"policy": view(request, &document)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("policy_id"))?;
    Ok(Reply::empty(204))
}

pub(crate) fn view(request: &Request, document: &PolicyDocument) -> Json {
    with_extra(
        &document.extra,
        json!({
            "id": document.id.0,
            "type": document.kind,
            "blob": document.blob,
            "links": links(request, &format!("policies/{}", document.id)),
        }),
    )
}
