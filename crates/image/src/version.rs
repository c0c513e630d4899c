//! Version documents, and what the service can do.

use std::sync::Arc;

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use policy::Target;

use crate::Shared;
use crate::error::Error;
use crate::policy::RULES;
use crate::stores::Place;

/// The minor versions of v2 as Glance lists them where several stores can be configured, the newest first.
const VERSIONS: [u32; 16] = [17, 15, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
/// Those that it lists where there is a cache, for some are about one.
const VERSIONS_WITH_CACHE: [u32; 19] = [18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

/// The routes of versions and discovery.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    let (methods, listed, detailed) = (shared.clone(), shared.clone(), shared.clone());
    let known: &[u32] = if shared.stores.cache().is_some() { &VERSIONS_WITH_CACHE } else { &VERSIONS };
    Routes::new()
        .open("/", move |request, _tx| choices(request, 300, known))
        .open("/versions", move |request, _tx| choices(request, 200, known))
        .open("/v2", move |request, _tx| choices(request, 200, known))
        .get("/v2/info/import", move |_request, _tx| import_methods(&methods))
        .get("/v2/info/stores", move |_request, _tx| stores(&listed))
        .get("/v2/info/stores/detail", move |request, tx| detail(&detailed, request, tx))
}

fn choices(request: &Request, status: u16, known: &[u32]) -> Result<Reply, Error> {
    let href = format!("{}/v2/", request.base_url);
    let version = |minor: &u32| {
        json!({
            "id": format!("v2.{minor}"),
            "status": if known.first() == Some(minor) { "CURRENT" } else { "SUPPORTED" },
            "links": [{"rel": "self", "href": href}],
        })
    };
    let versions: Vec<Json> = known.iter().map(version).collect();
    Ok(Reply::json(status, json!({"versions": versions})))
}

fn import_methods(shared: &Shared) -> Result<Reply, Error> {
    let methods = json!({
        "description": "Import methods available.",
        "type": "array",
        "value": shared.config.import_methods,
    });
    Ok(Reply::ok(json!({"import-methods": methods})))
}

fn view(shared: &Shared, place: &Place) -> Json {
    let mut view = json!({"id": place.id});
    if let Some(description) = &place.description {
        view["description"] = description.as_str().into();
    }
    if place.id == shared.stores.default().id {
        // A text it is upstream.
        view["default"] = "true".into();
    }
    view
}

fn stores(shared: &Shared) -> Result<Reply, Error> {
    let stores: Vec<Json> = shared.stores.all().map(|place| view(shared, place)).collect();
    Ok(Reply::ok(json!({"stores": stores})))
}

fn detail(shared: &Shared, request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("stores_info_detail", request.caller(), &Target::default())?;
    let detailed = |place: &Place| {
        let mut view = view(shared, place);
        view["type"] = place.kind.into();
        view["weight"] = 0.into();
        view["properties"] = place.properties.clone();
        view
    };
    let stores: Vec<Json> = shared.stores.all().map(detailed).collect();
    Ok(Reply::ok(json!({"stores": stores})))
}
