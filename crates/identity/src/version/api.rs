//! `/` and `/v3`.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::Error;

pub(crate) fn routes() -> Routes {
    Routes::new().open("/", versions).open("/v3", version)
}

/// 300, as Keystone answers although there is one choice: clients rely on the body, not on the status.
fn versions(request: &Request, _: &mut Tx<'_>) -> Result<Reply, Error> {
    let body = json!({"versions": {"values": [document(request)]}});
    Ok(Reply::json(300, body).header("location", format!("{}/v3/", request.base_url)))
}

fn version(request: &Request, _: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({"version": document(request)})))
}

fn document(request: &Request) -> Json {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/v3/", request.base_url)}],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"},
        ],
    })
}
