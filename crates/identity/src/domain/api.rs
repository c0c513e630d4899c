//! `/v3/domains`.

use rest::{InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::DomainId;

use super::model::{Domain, DomainChange, DomainDraft};
use super::ops;
use crate::Error;
use crate::api::{
    Filters, Kind, description, extra, filter_of, filtered, flag, flag_of, links, name, required_name,
    with_extra,
};
use crate::immutable;

const NAME_MAX: usize = 64;
const FILTERS: Filters = &[("name", Kind::Name(NAME_MAX)), ("enabled", Kind::Flag)];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v3/domains", list)
        .post("/v3/domains", create)
        .get("/v3/domains/{domain_id}", show)
        .patch("/v3/domains/{domain_id}", update)
        .delete("/v3/domains/{domain_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let name = filter_of(request, "name");
    let domains = ops::list(request.caller(), tx, name.as_deref(), flag_of(request, "enabled"))?;
    filtered(request, "domains", FILTERS, domains.iter().map(|domain| view(request, domain)).collect())
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("domain")?;
    let draft = DomainDraft {
        id: fields.text("explicit_domain_id")?.map(DomainId),
        name: required_name(&mut fields, "name", NAME_MAX)?,
        description: description(&mut fields)?.unwrap_or_else(|| Some(String::new())),
        enabled: flag(&mut fields, "enabled")?.unwrap_or(true),
        tags: fields.texts("tags")?.unwrap_or_default(),
        immutable: immutable::option(&mut fields)?.flatten(),
        extra: extra(fields),
    };
    if draft.id.as_ref().is_some_and(|id| !is_id(id.as_str())) {
        return Err(InvalidBody::at("domain.explicit_domain_id", "is not an id").into());
    }
    let domain = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::created(json!({"domain": view(request, &domain)})))
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let domain = ops::show(request.caller(), tx, request.param("domain_id"))?;
    Ok(Reply::ok(json!({"domain": view(request, &domain)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("domain")?;
    if fields.left().is_empty() {
        return Err(InvalidBody::at("domain", "names nothing to change").into());
    }
    let change = DomainChange {
        name: name(&mut fields, "name", NAME_MAX)?,
        description: description(&mut fields)?,
        enabled: flag(&mut fields, "enabled")?,
        tags: fields.texts("tags")?,
        immutable: immutable::option(&mut fields)?,
        extra: extra(fields),
    };
    let domain = ops::update(request.caller(), tx, request.param("domain_id"), change)?;
    Ok(Reply::ok(json!({"domain": view(request, &domain)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("domain_id"))?;
    Ok(Reply::empty(204))
}

/// A domain.
pub(crate) fn view(request: &Request, domain: &Domain) -> Json {
    with_extra(
        &domain.extra,
        json!({
            "id": domain.id.as_str(),
            "name": domain.name,
            "description": domain.description,
            "enabled": domain.enabled,
            "tags": domain.tags,
            "options": immutable::view(domain.immutable),
            "links": links(request, &format!("domains/{}", domain.id)),
        }),
    )
}
