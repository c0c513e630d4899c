//! `/v3/endpoints`, and the catalog as clients see it.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{Endpoint, EndpointChange, Interface, is_address, with_address};
use super::ops::{self, CatalogEntry, EndpointFilter};
use crate::Error;
use crate::api::{
    Extra, Filters, Kind, changing, extra, filter_of, filtered, flag, links, public_url, sole_fields, text,
    with_extra,
};
use crate::ids::{EndpointId, ServiceId, fresh};
use crate::region::api::region_id;

/// The longest URL, as upstream's schema has it.
const URL_MAX: usize = 225;

const FILTERS: Filters = &[("interface", Kind::Text), ("service_id", Kind::Text), ("region_id", Kind::Text)];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v3/endpoints", list)
        .post("/v3/endpoints", create)
        .get("/v3/endpoints/{endpoint_id}", show)
        .patch("/v3/endpoints/{endpoint_id}", update)
        .delete("/v3/endpoints/{endpoint_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let filter = EndpointFilter {
        service_id: filter_of(request, "service_id"),
        region_id: filter_of(request, "region_id"),
        interface: filter_of(request, "interface").map(|name| interface(&name)).transpose()?,
    };
    let endpoints = ops::list(request.caller(), tx, &filter)?;
    let views = endpoints.iter().map(|endpoint| view(request, endpoint)).collect();
    filtered(request, "endpoints", FILTERS, views)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "endpoint")?;
    let change = change(&mut fields)?;
    let endpoint = Endpoint {
        id: EndpointId(fresh()),
        service_id: change.service_id.ok_or_else(|| fields.error("service_id", "is required"))?,
        region_id: change.region_id.flatten(),
        interface: change.interface.ok_or_else(|| fields.error("interface", "is required"))?,
        url: change.url.ok_or_else(|| fields.error("url", "is required"))?,
        enabled: change.enabled.unwrap_or(true),
        extra: described(fields)?,
    };
    let endpoint = ops::create(request.caller(), tx, endpoint, change.makes_region)?;
    Ok(Reply::created(json!({"endpoint": view(request, &endpoint)})))
}

/// All fields but the unknown ones. `region` is the older name of `region_id`, and makes the region it names.
fn change(fields: &mut Fields) -> Result<EndpointChange, InvalidBody> {
    let interface = text(fields, "interface")?.map(|name| interface(&name)).transpose()?;
    let older = region_id(fields, "region")?.flatten();
    let (region_id, makes_region) = match (region_id(fields, "region_id")?, older) {
        (None | Some(None), Some(older)) => (Some(Some(older)), true),
        (region_id, _) => (region_id, false),
    };
    let url = text(fields, "url")?;
    if url.as_ref().is_some_and(|url| !is_address(url)) {
        return Err(fields.error("url", "is not a URL"));
    }
    if url.as_ref().is_some_and(|url| url.chars().count() > URL_MAX) {
        return Err(fields.error("url", format!("is too long: at most {URL_MAX} characters")));
    }
    Ok(EndpointChange {
        service_id: text(fields, "service_id")?.map(ServiceId),
        region_id,
        makes_region,
        interface,
        url,
        enabled: flag(fields, "enabled")?,
        extra: Extra::new(),
    })
}

pub(crate) fn interface(name: &str) -> Result<Interface, InvalidBody> {
    Interface::named(name)
        .ok_or_else(|| InvalidBody::at("interface", format!("is none of admin, internal, public: {name}")))
}

/// What is left, in which a name and a description are text.
fn described(fields: Fields) -> Result<Extra, InvalidBody> {
    let extra = extra(fields);
    if extra.get("name").is_some_and(|name| !name.is_string()) {
        return Err(InvalidBody::at("endpoint.name", "is not a string"));
    }
    if extra.get("description").is_some_and(|text| !text.is_string() && !text.is_null()) {
        return Err(InvalidBody::at("endpoint.description", "is not a string"));
    }
    Ok(extra)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let endpoint = ops::show(request.caller(), tx, request.param("endpoint_id"))?;
    Ok(Reply::ok(json!({"endpoint": view(request, &endpoint)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("endpoint_id");
    let mut fields = changing(sole_fields(request, "endpoint")?, id)?;
    let mut change = change(&mut fields)?;
    change.extra = described(fields)?;
    let endpoint = ops::update(request.caller(), tx, id, change)?;
    Ok(Reply::ok(json!({"endpoint": view(request, &endpoint)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("endpoint_id"))?;
    Ok(Reply::empty(204))
}

pub(crate) fn view(request: &Request, endpoint: &Endpoint) -> Json {
    let region = endpoint.region_id.as_ref().map(|id| &id.0);
    with_extra(
        &endpoint.extra,
        json!({
            "id": endpoint.id.0,
            "service_id": endpoint.service_id.0,
            "region_id": region,
            "region": region,
            "interface": endpoint.interface.name(),
            "url": with_address(&endpoint.url, public_url(request)),
            "enabled": endpoint.enabled,
            "links": links(request, &format!("endpoints/{}", endpoint.id)),
        }),
    )
}

/// The catalog.
pub(crate) fn catalog_view(catalog: &[CatalogEntry]) -> Json {
    let services = catalog.iter().map(|entry| {
        let endpoints = entry.endpoints.iter().map(|endpoint| {
            let known = json!({
                "id": endpoint.id.0,
                "interface": endpoint.interface.name(),
                "region_id": endpoint.region_id.as_ref().map(|id| &id.0),
                "region": endpoint.region_id.as_ref().map(|id| &id.0),
                "url": endpoint.url,
            });
            with_extra(&endpoint.extra, known)
        });
        json!({
            "id": entry.service.id.0,
            "type": entry.service.kind,
            "name": entry.service.name,
            "endpoints": endpoints.collect::<Vec<_>>(),
        })
    });
    Json::Array(services.collect())
}
