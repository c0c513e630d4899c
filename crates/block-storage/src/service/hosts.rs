//! The service's parts as hosts, in the oldest of the ways to see them.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{Part, VOLUME, ops};
use crate::ZONE;
use crate::api::own;
use crate::error::Error;
use crate::policy::{self, RULES};
use crate::quota::usage::Amount;
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

/// What projects have on a backend: all together first. Numbers are strings here, as Cinder has them.
fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("volume_extension:hosts", request.caller(), &policy::own(request.caller()))?;
    let name = request.param("host");
    let found = ops::backend(tx, name)?.filter(|part| !part.switch.disabled).and_then(|part| part.backend);
    let (host, facts) = found.ok_or_else(|| ops::absent(VOLUME, name))?;
    let projects = usage_by_project(tx, &host, (&facts.name, facts.is_default))?;
    let sum = projects.values().fold(Amount::default(), |sum, more| Amount {
        count: sum.count + more.count,
        gib: sum.gib + more.gib,
    });
    let all = [("(total)".to_owned(), sum)];
    let projects = projects.into_iter().map(|(project, amount)| (project.to_string(), amount));
    let view = |(project, Amount { count, gib }): (String, Amount)| {
        json!({"resource": {
            "host": name,
            "project": project,
            "volume_count": count.to_string(),
            "total_volume_gb": gib.to_string(),
            "snapshot_count": "0",
            "total_snapshot_gb": "0",
        }})
    };
    let host: Vec<Json> = all.into_iter().chain(projects).map(view).collect();
    Ok(Reply::ok(json!({"host": host})))
}
