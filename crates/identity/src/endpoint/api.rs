//! Endpoints and the catalog as clients see them.

use serde_json::{Value as Json, json};

use super::ops::CatalogEntry;

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
