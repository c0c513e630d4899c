//! `/v3/endpoints`, and the catalog as clients see it.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{Endpoint, EndpointChange, Interface, with_address};
use super::ops::{self, CatalogEntry, EndpointFilter};
use crate::Error;
use crate::api::{extra, filter_of, flag, links, listed, public_url, with_extra};
use crate::ids::{EndpointId, RegionId, ServiceId, fresh};
use crate::region::api::ID_MAX;

/// The longest URL.
const URL_MAX: usize = 2048;

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
        region_id: filter_of(request, "region_id").or_else(|| filter_of(request, "region")),
        interface: filter_of(request, "interface"),
    };
    let endpoints = ops::list(request.caller(), tx, &filter)?;
    Ok(listed(request, "endpoints", endpoints.iter().map(|endpoint| view(request, endpoint)).collect()))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("endpoint")?;
    let change = change(&mut fields)?;
    let endpoint = Endpoint {
        id: EndpointId(fresh()),
        service_id: change.service_id.ok_or_else(|| fields.error("service_id", "is required"))?,
        region_id: change.region_id.flatten(),
        interface: change.interface.ok_or_else(|| fields.error("interface", "is required"))?,
        url: change.url.ok_or_else(|| fields.error("url", "is required"))?,
        enabled: change.enabled.unwrap_or(true),
        extra: extra(fields),
    };
    let endpoint = ops::create(request.caller(), tx, endpoint, change.makes_region)?;
    Ok(Reply::created(json!({"endpoint": view(request, &endpoint)})))
}

/// All fields but the unknown ones. `region` is the older name of `region_id`, and makes the region it names.
fn change(fields: &mut Fields) -> Result<EndpointChange, InvalidBody> {
    let interface = match fields.text("interface")? {
        None => None,
        Some(name) => {
            let known = Interface::named(&name);
            Some(known.ok_or_else(|| fields.error("interface", "is none of admin, internal, public"))?)
        }
    };
    let older = fields.nullable_text("region")?;
    let (region_id, makes_region) = match fields.nullable_text("region_id")? {
        Some(id) => (Some(id), false),
        None => (older, true),
    };
    if region_id.iter().flatten().any(|id| id.is_empty() || id.chars().count() > ID_MAX) {
        return Err(fields.error("region_id", "is empty or too long"));
    }
    let url = fields.text("url")?;
    if url.as_ref().is_some_and(|url| url.is_empty() || url.len() > URL_MAX) {
        return Err(fields.error("url", "is empty or too long"));
    }
    Ok(EndpointChange {
        service_id: fields.text("service_id")?.map(ServiceId),
        region_id: region_id.map(|id| id.map(RegionId)),
        makes_region,
        interface,
        url,
        enabled: flag(fields, "enabled")?,
        extra: Default::default(),
    })
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let endpoint = ops::show(request.caller(), tx, request.param("endpoint_id"))?;
    Ok(Reply::ok(json!({"endpoint": view(request, &endpoint)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("endpoint")?;
    let mut change = change(&mut fields)?;
    change.extra = extra(fields);
    let endpoint = ops::update(request.caller(), tx, request.param("endpoint_id"), change)?;
    Ok(Reply::ok(json!({"endpoint": view(request, &endpoint)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("endpoint_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, endpoint: &Endpoint) -> Json {
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
            json!({
                "id": endpoint.id.0,
                "interface": endpoint.interface.name(),
                "region_id": endpoint.region_id.as_ref().map(|id| &id.0),
                "region": endpoint.region_id.as_ref().map(|id| &id.0),
                "url": endpoint.url,
            })
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
