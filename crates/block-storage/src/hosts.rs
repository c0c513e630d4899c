//! The service's parts as operators see them: a scheduler, which is the control plane, and a backend on each host.

use nodes::hosts;
use policy::Target;
use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{HostId, Timestamp};

use crate::ZONE;
use crate::api::{backend_of, own};
use crate::error::Error;
use crate::policy::RULES;
use crate::volume::store::usage_by_project;

/// Under which name the control plane chooses hosts for volumes.
const SCHEDULER: &str = "cuttle";

/// The routes of services and hosts.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/os-services", own(services))
        .get("/os-hosts", own(index))
        .get("/os-hosts/{host}", own(show))
}

/// A part of the service.
struct Part {
    binary: &'static str,
    host: String,
    enabled: bool,
    disabled_reason: Option<String>,
    up: bool,
    heard_at: Timestamp,
}

/// The parts that a query asks for.
fn parts(request: &Request, tx: &mut Tx<'_>) -> Result<Vec<Part>, Error> {
    let now = tx.now();
    let scheduler = Part {
        binary: "cinder-scheduler",
        host: SCHEDULER.to_owned(),
        enabled: true,
        disabled_reason: None,
        up: true,
        heard_at: now,
    };
    let backends = hosts::list(tx)?.into_iter().map(|host| Part {
        binary: "cinder-volume",
        host: backend_of(&host.id),
        enabled: host.enabled,
        disabled_reason: host.disabled_reason.clone(),
        up: host.is_up(now),
        heard_at: host.heard_at,
    });
    let (host, binary) = (request.query("host"), request.query("binary").or(request.query("service")));
    let wanted = |part: &Part| {
        host.is_none_or(|host| part.host == host || part.host.split('@').next() == Some(host))
            && binary.is_none_or(|binary| part.binary == binary)
    };
    Ok([scheduler].into_iter().chain(backends).filter(wanted).collect())
}

fn services(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("volume_extension:services:index", request.caller(), &Target::default())?;
    let view = |part: &Part| {
        let state = if part.up { "up" } else { "down" };
        let mut view = json!({
            "binary": part.binary,
            "host": part.host,
            "zone": ZONE,
            "status": if part.enabled { "enabled" } else { "disabled" },
            "state": state,
            "updated_at": part.heard_at.iso_micros(),
            "disabled_reason": part.disabled_reason,
        });
        let backend = part.binary == "cinder-volume";
        if backend {
            view["replication_status"] = "disabled".into();
            view["active_backend_id"] = Json::Null;
            view["frozen"] = false.into();
        }
        if request.version >= Microversion(3, 7) {
            view["cluster"] = Json::Null;
        }
        if backend && request.version >= Microversion(3, 49) {
            view["backend_state"] = state.into();
        }
        view
    };
    let services: Vec<Json> = parts(request, tx)?.iter().map(view).collect();
    Ok(Reply::ok(json!({"services": services})))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("volume_extension:hosts", request.caller(), &Target::default())?;
    let view = |part: &Part| {
        json!({
            "host_name": part.host,
            "service": part.binary,
            "zone": ZONE,
            "service-status": if part.up { "available" } else { "unavailable" },
            "service-state": if part.enabled { "enabled" } else { "disabled" },
            "last-update": part.heard_at.iso_micros(),
        })
    };
    let hosts: Vec<Json> = parts(request, tx)?.iter().map(view).collect();
    Ok(Reply::ok(json!({"hosts": hosts})))
}

/// What projects have on a host's backend: all together first. Numbers are strings here, as Cinder has them.
fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("volume_extension:hosts", request.caller(), &Target::default())?;
    let name = request.param("host");
    let id: HostId = name.split('@').next().unwrap_or_default().into();
    if hosts::load(tx, &id)?.is_none() {
        return Err(Error::NotFound { what: "Host", id: name.to_owned() });
    }
    let projects = usage_by_project(tx, &id)?;
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
