//! Version documents, and what the service can do.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::error::Error;

/// The newest minor version of v2 whose additions are here.
const MINOR_MAX: u32 = 9;
/// The one place where bytes are kept.
const STORE: &str = "cuttle";

/// The routes of versions and discovery.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .open("/", |request, _tx| choices(request, 300))
        .open("/versions", |request, _tx| choices(request, 200))
        .open("/v2", |request, _tx| choices(request, 200))
        .get("/v2/info/import", import_methods)
        .get("/v2/info/stores", stores)
}

fn choices(request: &Request, status: u16) -> Result<Reply, Error> {
    let href = format!("{}/v2/", request.base_url);
    let version = |minor: u32| {
        json!({
            "id": format!("v2.{minor}"),
            "status": if minor == MINOR_MAX { "CURRENT" } else { "SUPPORTED" },
            "links": [{"rel": "self", "href": href}],
        })
    };
    // Glance never had a 2.8 without several stores.
    let versions: Vec<Json> = (0..=MINOR_MAX).rev().filter(|minor| *minor != 8).map(version).collect();
    Ok(Reply::json(status, json!({"versions": versions})))
}

/// No method of interoperable import is built; an upload is the one way in.
fn import_methods(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let methods = json!({"description": "Import methods available.", "type": "array", "value": []});
    Ok(Reply::ok(json!({"import-methods": methods})))
}

fn stores(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({"stores": [{"id": STORE, "default": "true"}]})))
}
