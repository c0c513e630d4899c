//! The service's parts over HTTP, and the zone they are in.

use std::sync::Arc;

use rest::{Fields, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{LogLevels, Part, hosts, log, ops, workers};
use crate::ZONE;
use crate::api::{own, required_in, text_in};
use crate::error::Error;

/// The first microversion that tells the cluster of a part.
const CLUSTERS: Microversion = Microversion(3, 7);
/// The first microversion that names a cluster in place of a host.
const OF_CLUSTERS: Microversion = Microversion(3, 26);
/// The first microversion that tells how a backend is.
const BACKEND_STATE: Microversion = Microversion(3, 49);

/// The routes of the service's parts. `log` is this process's.
pub(crate) fn routes(log: Arc<dyn LogLevels>) -> Routes {
    Routes::new()
        .get("/os-services", own(index))
        .put("/os-services/enable", own(|request, tx| turn(request, tx, Turn::On)))
        .put("/os-services/disable", own(|request, tx| turn(request, tx, Turn::Off)))
        .put("/os-services/disable-log-reason", own(|request, tx| turn(request, tx, Turn::OffBecause)))
        .put("/os-services/freeze", own(|request, tx| freeze(request, tx, true)))
        .put("/os-services/thaw", own(|request, tx| freeze(request, tx, false)))
        .get("/os-availability-zone", own(zones))
        .and(log::routes(log))
        .and(workers::routes())
        .and(hosts::routes())
}

/// What a client wants of a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    On,
    Off,
    OffBecause,
}

fn view(request: &Request, part: &Part) -> Json {
    let state = if part.up { "up" } else { "down" };
    let mut view = json!({
        "binary": part.binary,
        "host": part.host,
        "zone": ZONE,
        "status": if part.switch.disabled { "disabled" } else { "enabled" },
        "state": state,
        "updated_at": part.heard_at.iso_micros(),
        "disabled_reason": part.switch.reason,
    });
    let backend = part.backend.is_some();
    if backend {
        view["replication_status"] = "disabled".into();
        view["active_backend_id"] = Json::Null;
        view["frozen"] = part.switch.frozen.into();
    }
    if request.version >= CLUSTERS {
        view["cluster"] = Json::Null;
    }
    if backend && request.version >= BACKEND_STATE {
        view["backend_state"] = state.into();
    }
    view
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (host, binary) = (request.query("host"), request.query("binary"));
    let wanted = |part: &&Part| {
        host.is_none_or(|host| part.host == host || part.host.split('@').next() == Some(host))
            && binary.is_none_or(|binary| part.binary == binary)
    };
    let parts = ops::list(request.caller(), tx)?;
    let views: Vec<Json> = parts.iter().filter(wanted).map(|part| view(request, part)).collect();
    Ok(Reply::ok(json!({"services": views})))
}

/// The host that a body names. Its letters are those of hosts, backends and pools.
fn host_in(fields: &mut Fields) -> Result<Option<String>, Error> {
    let host = text_in(fields, "host")?.flatten();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._#@:/+[]".contains(c);
    if host.as_ref().is_some_and(|host| host.is_empty() || !host.chars().all(plain)) {
        return Err(fields.error("host", "is not a host").into());
    }
    Ok(host)
}

fn turn(request: &Request, tx: &mut Tx<'_>, turn: Turn) -> Result<Reply, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let host = host_in(&mut fields)?;
    let [binary, service] = ["binary", "service"].map(|name| named_text(&mut fields, name));
    let (binary, service) = (binary?, service?);
    // A cluster can be named everywhere and counts nowhere here.
    text_in(&mut fields, "cluster")?;
    let reason = match turn {
        Turn::OffBecause => named_text(&mut fields, "disabled_reason")?,
        Turn::On | Turn::Off => None,
    };
    if reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(fields.error("disabled_reason", "is too short").into());
    }
    let wanted = binary.clone().or_else(|| service.clone());
    let wanted = wanted.ok_or_else(|| fields.error("binary", "is required"))?;
    fields.finish()?;
    let missing = || Error::Invalid("Invalid input received: Host field is missing.".to_owned());
    let host = host.ok_or_else(missing)?;
    ops::turn(request.caller(), tx, (&wanted, &host), turn == Turn::On, reason.clone())?;
    let mut answer = json!({
        "host": host,
        "service": service.unwrap_or_default(),
        "binary": binary.unwrap_or_default(),
        "status": if turn == Turn::On { "enabled" } else { "disabled" },
        "disabled": turn != Turn::On,
    });
    if turn == Turn::OffBecause {
        answer["disabled_reason"] = json!(reason);
    }
    Ok(Reply::ok(answer))
}

/// A text that may be left out, but not be null.
fn named_text(fields: &mut Fields, name: &str) -> Result<Option<String>, Error> {
    match fields.left().iter().any(|left| left == name) {
        true => Ok(Some(required_in(fields, name)?)),
        false => Ok(None),
    }
}

fn freeze(request: &Request, tx: &mut Tx<'_>, frozen: bool) -> Result<Reply, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let host = host_in(&mut fields)?;
    let cluster = text_in(&mut fields, "cluster")?.flatten();
    let cluster = cluster.filter(|name| !name.is_empty() && request.version >= OF_CLUSTERS);
    fields.finish()?;
    let invalid = |text: String| Error::Invalid(format!("Invalid input received: {text}"));
    let host = match (host, cluster) {
        (Some(host), None) => host,
        (None, Some(name)) => return Err(invalid(format!("Cluster {name} could not be found."))),
        _ if request.version >= OF_CLUSTERS => {
            return Err(invalid("One and only one of cluster and host must be set.".to_owned()));
        }
        _ => return Err(invalid("Host field is missing.".to_owned())),
    };
    ops::freeze(request.caller(), tx, &host, frozen)?;
    Ok(Reply::empty(200))
}

/// The one zone is there as long as a backend in it is in use.
fn zones(_request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let in_use = ops::all(tx)?.iter().any(|part| part.backend.is_some() && !part.switch.disabled);
    let zone = json!({"zoneName": ZONE, "zoneState": {"available": in_use}});
    Ok(Reply::ok(json!({"availabilityZoneInfo": [zone]})))
}
