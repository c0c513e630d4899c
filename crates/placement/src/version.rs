//! The version document at `/`.

use rest::{Reply, Request, Routes};
use serde_json::json;
use store::Tx;

use crate::{Error, microversion};

pub(crate) fn routes() -> Routes {
    Routes::new().open("/", show)
}

#[allow(clippy::unnecessary_wraps)] // The signature of a handler.
fn show(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({"versions": [{
        "id": "v1.0",
        "status": "CURRENT",
        "min_version": microversion::MIN.to_string(),
        "max_version": microversion::MAX.to_string(),
        "links": [{"rel": "self", "href": ""}],
    }]})))
}
