//! Services and availability zones.

use ::store::{Stored, Tx};
use nodes::{Host, hosts};
use policy::Target;
use rest::{Fields, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use types::Timestamp;

use crate::policy::RULES;
use crate::server::ZONE;
use crate::{Error, key, microversion};

/// The services of the control plane, which are one process: Nova's names and their zone.
const CONTROL: &[&str] = &["nova-scheduler", "nova-conductor"];
/// The host that they are on.
const CONTROL_HOST: &str = "cuttle";
/// The service of a node.
const COMPUTE: &str = "nova-compute";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/os-services", list_services)
        .put("/os-services/{id}", update_service)
        .get("/os-availability-zone", list_zones)
        .get("/os-availability-zone/detail", list_zones_detail)
}

/// A service's id: a UUID since 2.53, a number before; both made of what it is.
pub(super) fn service_id(binary: &str, host: &str, version: Microversion) -> Json {
    let digest = key::joined(&[binary, host]);
    if version >= microversion::SERVICE_UUID {
        let d = &digest;
        json!(format!("{}-{}-4{}-8{}-{}", &d[..8], &d[8..12], &d[13..16], &d[17..20], &d[20..32]))
    } else {
        json!(i64::from_str_radix(&digest[..7], 16).unwrap_or(1))
    }
}

fn compute_view(host: &Host, now: Timestamp, version: Microversion) -> Json {
    let mut view = json!({
        "id": service_id(COMPUTE, host.id.as_str(), version),
        "binary": COMPUTE,
        "host": host.id,
        "zone": ZONE,
        "status": if host.enabled { "enabled" } else { "disabled" },
        "state": if host.is_up(now) { "up" } else { "down" },
        "updated_at": host.heard_at.iso_micros(),
        "disabled_reason": host.disabled_reason,
    });
    if version >= Microversion(2, 11) {
        view["forced_down"] = json!(false);
    }
    view
}

fn list_services(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("os_compute_api:os-services:list", request.caller(), &Target::default())?;
    let (now, version) = (tx.now(), request.version);
    let control = CONTROL.iter().map(|binary| {
        let mut view = json!({
            "id": service_id(binary, CONTROL_HOST, version),
            "binary": binary,
            "host": CONTROL_HOST,
            "zone": "internal",
            "status": "enabled",
            "state": "up",
            "updated_at": now.iso_micros(),
            "disabled_reason": Json::Null,
        });
        if version >= Microversion(2, 11) {
            view["forced_down"] = json!(false);
        }
        view
    });
    let mut views: Vec<Json> = control.collect();
    views.extend(hosts::list(tx)?.iter().map(|host| compute_view(host, now, version)));
    for name in ["binary", "host"] {
        if let Some(wanted) = request.query(name) {
            views.retain(|view| view[name] == wanted);
        }
    }
    Ok(Reply::ok(json!({"services": views})))
}

/// Enables or disables a node: `PUT /os-services/{uuid}`, and the three words of older versions.
fn update_service(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("os_compute_api:os-services:update", request.caller(), &Target::default())?;
    let version = request.version;
    let mut fields = Fields::new("", request.json()?)?;
    let id = request.param("id");
    let modern = version >= microversion::SERVICE_UUID;
    let (mut host, enabled) = if modern {
        let enabled = match fields.text("status")?.as_deref() {
            Some("enabled") => true,
            Some("disabled") => false,
            Some(other) => {
                return Err(Error::Invalid(format!("status is neither enabled nor disabled: {other}")));
            }
            None => {
                return Err(Error::Invalid(
                    "status is required; forcing a host down is not built".to_owned(),
                ));
            }
        };
        let all = hosts::list(tx)?;
        let known = |host: &Stored<Host>| service_id(COMPUTE, host.id.as_str(), version) == json!(id);
        let host = all.into_iter().find(known);
        (host.ok_or_else(|| Error::NotFound(format!("Service {id} could not be found.")))?, enabled)
    } else {
        let enabled = match id {
            "enable" => true,
            "disable" | "disable-log-reason" => false,
            _ => return Err(Error::NotFound("Unknown action".to_owned())),
        };
        let (name, binary) = (fields.required_text("host")?, fields.required_text("binary")?);
        let host = hosts::load(tx, &name.as_str().into())?.filter(|_| binary == COMPUTE);
        let missing = || Error::NotFound(format!("Could not find binary {binary} on host {name}."));
        (host.ok_or_else(missing)?, enabled)
    };
    let reason = fields.text("disabled_reason")?;
    fields.finish()?;
    if enabled && reason.is_some() {
        return Err(Error::Invalid(
            "Specifying disabled_reason when status is enabled is invalid.".to_owned(),
        ));
    }
    host.enabled = enabled;
    host.disabled_reason = reason;
    hosts::save(tx, &mut host)?;
    let view = compute_view(&host, tx.now(), version);
    if modern {
        return Ok(Reply::ok(json!({"service": view})));
    }
    let mut short = json!({"host": host.id, "binary": COMPUTE, "status": view["status"]});
    if id == "disable-log-reason" {
        short["disabled_reason"] = view["disabled_reason"].clone();
    }
    Ok(Reply::ok(json!({"service": short})))
}

fn list_zones(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("os_compute_api:os-availability-zone:list", request.caller(), &Target::default())?;
    let zone = json!({"zoneName": ZONE, "zoneState": {"available": true}, "hosts": null});
    Ok(Reply::ok(json!({"availabilityZoneInfo": [zone]})))
}

fn list_zones_detail(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("os_compute_api:os-availability-zone:detail", request.caller(), &Target::default())?;
    let now = tx.now();
    let service = |available: bool, at: Timestamp| json!({"active": true, "available": available, "updated_at": at.iso_micros()});
    let control: serde_json::Map<String, Json> =
        CONTROL.iter().map(|binary| ((*binary).to_owned(), service(true, now))).collect();
    let nodes: serde_json::Map<String, Json> = hosts::list(tx)?
        .iter()
        .map(|host| (host.id.to_string(), json!({COMPUTE: service(host.is_up(now), host.heard_at)})))
        .collect();
    let zone =
        |name: &str, hosts: Json| json!({"zoneName": name, "zoneState": {"available": true}, "hosts": hosts});
    Ok(Reply::ok(json!({"availabilityZoneInfo": [
        zone("internal", json!({CONTROL_HOST: control})),
        zone(ZONE, json!(nodes)),
    ]})))
}
