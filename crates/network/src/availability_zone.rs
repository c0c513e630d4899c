//! The availability zone. There is one; hints may name it, and nothing else.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::json;
use store::Tx;

use crate::Error;

/// Its name, which is compute's too.
pub(crate) const NAME: &str = "nova";

pub(crate) fn routes() -> Routes {
    Routes::new().get("/v2.0/availability_zones", list)
}

fn list(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let zones = ["network", "router"]
        .map(|resource| json!({"name": NAME, "resource": resource, "state": "available"}));
    Ok(Reply::ok(json!({"availability_zones": zones})))
}

/// Takes hints; a zone that is not there is refused.
pub(crate) fn take_hints(fields: &mut Fields) -> Result<(), Error> {
    let hints: Result<_, InvalidBody> = fields.texts("availability_zone_hints");
    match hints?.unwrap_or_default().into_iter().find(|name| name != NAME) {
        Some(name) => Err(Error::AvailabilityZoneNotFound { name }),
        None => Ok(()),
    }
}
