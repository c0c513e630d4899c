//! The service's parts as hosts, in the oldest of the ways to see them.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{Part, VOLUME, ops};
use crate::ZONE;
use crate::api::own;
use crate::error::Error;
use crate::policy::{self, RULES};
use crate::volume::store::usage_by_project;

/// The routes of hosts.
pub(super) fn routes() -> Routes {
    Routes::new().get("/os-hosts", own(index)).get("/os-hosts/{host}", own(show))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("volume_extension:hosts", request.caller(), &policy::own(request.caller()))?;
    let zone = request.query("zone").filter(|zone| !zone.is_empty());
    let view = |part: &Part| {
        json!({
            "host_name": part.host,
            "service": part.binary,
            "zone": ZONE,
            "service-status": if part.up { "available" } else { "unavailable" },
            "service-state": "enabled",
            "last-update": part.heard_at.iso_micros(),
        })
    };
    let parts = ops::all(tx)?;
    let in_use = parts.iter().filter(|part| !part.switch.disabled && zone.is_none_or(|zone| zone == ZONE));
    let hosts: Vec<Json> = in_use.map(view).collect();
    Ok(Reply::ok(json!({"hosts": hosts})))
}

/// What projects have on a host: all together first. Numbers are strings here, as Cinder has them.
fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("volume_extension:hosts", request.caller(), &policy::own(request.caller()))?;
    let name = request.param("host");
    let found = ops::backend(tx, name)?.filter(|part| !part.switch.disabled).and_then(|part| part.backend);
    let (host, _) = found.ok_or_else(|| ops::absent(VOLUME, name))?;
    let projects = usage_by_project(tx, &host)?;
    let sum = projects.iter().fold((0, 0), |(count, size), (_, c, s)| (count + c, size + s));
    let all = [("(total)".to_owned(), sum.0, sum.1)];
    let view = |(project, count, size): (String, i64, i64)| {
        json!({"resource": {
            "host": name,
            "project": project,
            "volume_count": count.to_string(),
            "total_volume_gb": size.to_string(),
            "snapshot_count": "0",
            "total_snapshot_gb": "0",
        }})
    };
    let host: Vec<Json> = all.into_iter().chain(projects).map(view).collect();
    Ok(Reply::ok(json!({"host": host})))
}
