//! `/v3/registered_limits`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{AMOUNT_MAX, Limited, RegisteredLimit, RegisteredLimitChange, UNLIMITED};
use super::ops::{self, LimitedFilter};
use crate::Error;
use crate::api::{
    Filters, Kind, description, filter_of, filtered, links, name, required_name, sole_fields, sole_list, text,
};
use crate::ids::{RegisteredLimitId, ServiceId, fresh};
use crate::region::api::region_id;

const NAME_MAX: usize = 255;

const FILTERS: Filters =
    &[("service_id", Kind::Text), ("region_id", Kind::Text), ("resource_name", Kind::Name(255))];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v3/registered_limits", list)
        .post("/v3/registered_limits", create)
        .get("/v3/registered_limits/{registered_limit_id}", show)
        .patch("/v3/registered_limits/{registered_limit_id}", update)
        .delete("/v3/registered_limits/{registered_limit_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let limits = ops::list(request.caller(), tx, &limited_filter(request))?;
    filtered(request, "registered_limits", FILTERS, limits.iter().map(|limit| view(request, limit)).collect())
}

pub(crate) fn limited_filter(request: &Request) -> LimitedFilter {
    LimitedFilter {
        service_id: filter_of(request, "service_id"),
        region_id: filter_of(request, "region_id"),
        resource_name: filter_of(request, "resource_name"),
    }
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let drafts = sole_list(request, "registered_limits")?.into_iter().map(draft);
    let limits = ops::create(request.caller(), tx, drafts.collect::<Result<_, _>>()?)?;
    let views: Vec<Json> = limits.iter().map(|limit| view(request, limit)).collect();
    Ok(Reply::created(json!({"registered_limits": views})))
}

fn draft(mut fields: Fields) -> Result<RegisteredLimit, InvalidBody> {
    let limit = RegisteredLimit {
        id: RegisteredLimitId(fresh()),
        what: limited(&mut fields)?,
        default_limit: required_amount(&mut fields, "default_limit")?,
        description: description(&mut fields)?.flatten(),
    };
    fields.finish().map(|()| limit)
}

/// Takes the fields that say what is limited.
pub(crate) fn limited(fields: &mut Fields) -> Result<Limited, InvalidBody> {
    Ok(Limited {
        service_id: ServiceId(fields.required_text("service_id")?),
        region_id: region_id(fields, "region_id")?.flatten(),
        resource_name: required_name(fields, "resource_name", NAME_MAX)?,
    })
}

/// Takes a whole number, not one that is spelled as text.
pub(crate) fn amount(fields: &mut Fields, name: &str) -> Result<Option<i64>, InvalidBody> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    match value.as_i64() {
        Some(amount) if (UNLIMITED..=AMOUNT_MAX).contains(&amount) => Ok(Some(amount)),
        _ => Err(fields.error(name, format!("is not a whole number from {UNLIMITED} to {AMOUNT_MAX}"))),
    }
}

/// As [`amount`], where it must be there.
pub(crate) fn required_amount(fields: &mut Fields, name: &str) -> Result<i64, InvalidBody> {
    amount(fields, name)?.ok_or_else(|| fields.error(name, "is required"))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let limit = ops::show(request.caller(), tx, request.param("registered_limit_id"))?;
    Ok(Reply::ok(json!({"registered_limit": view(request, &limit)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "registered_limit")?;
    let change = RegisteredLimitChange {
        service_id: text(&mut fields, "service_id")?.map(ServiceId),
        region_id: region_id(&mut fields, "region_id")?,
        resource_name: name(&mut fields, "resource_name", NAME_MAX)?,
        default_limit: amount(&mut fields, "default_limit")?,
        description: description(&mut fields)?,
    };
    fields.finish()?;
    let limit = ops::update(request.caller(), tx, request.param("registered_limit_id"), change)?;
    Ok(Reply::ok(json!({"registered_limit": view(request, &limit)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("registered_limit_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, limit: &RegisteredLimit) -> Json {
    json!({
        "id": limit.id.0,
        "service_id": limit.what.service_id.0,
        "region_id": limit.what.region_id.as_ref().map(|id| &id.0),
        "resource_name": limit.what.resource_name,
        "default_limit": limit.default_limit,
        "description": limit.description,
        "links": links(request, &format!("registered_limits/{}", limit.id)),
    })
}
