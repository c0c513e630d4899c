//! The version documents at `/`, `/v2` and `/v2.1`.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::{Error, microversion};

pub(crate) fn routes() -> Routes {
    Routes::new().open("/", list).open("/v2", show_legacy).open("/v2.1", show)
}

fn view(request: &Request) -> Json {
    json!({
        "id": "v2.1",
        "status": "CURRENT",
        "version": microversion::MAX.to_string(),
        "min_version": microversion::MIN.to_string(),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/v2.1/", request.base_url)}],
    })
}

#[allow(clippy::unnecessary_wraps)] // The signature of a handler.
fn list(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({"versions": [legacy(request), view(request)]})))
}

/// Nova still lists v2.0 first, as an API without microversions; 2.1 without a header is the same.
fn legacy(request: &Request) -> Json {
    json!({
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/v2/", request.base_url)}],
    })
}

#[allow(clippy::unnecessary_wraps)] // The signature of a handler.
fn show_legacy(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut view = legacy(request);
    view["media-types"] =
        json!([{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2"}]);
    Ok(Reply::ok(json!({"version": view})))
}

#[allow(clippy::unnecessary_wraps)] // The signature of a handler.
fn show(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut view = view(request);
    view["media-types"] =
        json!([{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]);
    Ok(Reply::ok(json!({"version": view})))
}
