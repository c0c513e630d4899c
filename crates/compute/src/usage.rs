//! `os-simple-tenant-usage`: what the servers that a project has now have used. A deleted server leaves no record.

use std::collections::BTreeMap;

use policy::Target;
use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Select, Stored, Tx};
use types::{ProjectId, Timestamp};

use crate::policy::RULES;
use crate::server::{SERVERS, Server};
use crate::{Error, body};

/// How far back a usage goes if nobody says: four weeks, as Nova's.
const SPAN_S: u64 = 28 * 86_400;

pub(crate) fn routes() -> Routes {
    Routes::new().get("/os-simple-tenant-usage", list).get("/os-simple-tenant-usage/{project_id}", show)
}

struct Span {
    start: Timestamp,
    stop: Timestamp,
}

fn span(request: &Request, tx: &Tx<'_>) -> Result<Span, Error> {
    let stop = body::time(request, "end")?.unwrap_or(tx.now());
    let start = body::time(request, "start")?;
    let start = start.unwrap_or_else(|| stop.minus(std::time::Duration::from_secs(SPAN_S)));
    if start > stop {
        return Err(Error::Invalid(
            "Invalid start time. The start time cannot occur after the end time.".to_owned(),
        ));
    }
    Ok(Span { start, stop })
}

fn hours(server: &Server, span: &Span, now: Timestamp) -> f64 {
    let from = server.created_at.max(span.start);
    span.stop.min(now).since(from).as_secs_f64() / 3600.0
}

fn view(
    project_id: &ProjectId,
    servers: &[Stored<Server>],
    span: &Span,
    now: Timestamp,
    detail: bool,
) -> Json {
    let in_span = || servers.iter().filter(|server| server.created_at < span.stop);
    let sum =
        |amount: fn(&Server) -> f64| -> f64 { in_span().map(|s| hours(s, span, now) * amount(s)).sum() };
    let mut view = json!({
        "tenant_id": project_id,
        "start": span.start.iso_micros(),
        "stop": span.stop.iso_micros(),
        "total_hours": sum(|_| 1.0),
        "total_vcpus_usage": sum(|s| s.flavor.vcpus.into()),
        "total_memory_mb_usage": sum(|s| s.flavor.ram_mib as f64),
        "total_local_gb_usage": sum(|s| s.flavor.disk_gib as f64),
    });
    if detail {
        let one = |server: &Stored<Server>| {
            json!({
                "instance_id": server.id.to_string(),
                "name": server.name,
                "tenant_id": server.project_id,
                "flavor": server.flavor.name,
                "hours": hours(server, span, now),
                "vcpus": server.flavor.vcpus,
                "memory_mb": server.flavor.ram_mib,
                "local_gb": server.flavor.disk_gib,
                "started_at": server.created_at.iso_micros(),
                "ended_at": null,
                "state": server.vm_state(),
                "uptime": now.since(server.created_at).as_secs(),
            })
        };
        view["server_usages"] = in_span().map(one).collect();
    }
    view
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("os_compute_api:os-simple-tenant-usage:list", request.caller(), &Target::default())?;
    let (span, now) = (span(request, tx)?, tx.now());
    let detailed = request.query("detailed") == Some("1");
    let mut by_project: BTreeMap<ProjectId, Vec<Stored<Server>>> = BTreeMap::new();
    for server in SERVERS.query(tx, &Select::all())? {
        by_project.entry(server.project_id.clone()).or_default().push(server);
    }
    let views = by_project.iter().map(|(id, servers)| view(id, servers, &span, now, detailed));
    Ok(Reply::ok(json!({"tenant_usages": views.collect::<Vec<_>>()})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project_id = ProjectId::from(request.param("project_id"));
    let target = Target::project(&project_id);
    RULES.check("os_compute_api:os-simple-tenant-usage:show", request.caller(), &target)?;
    let (span, now) = (span(request, tx)?, tx.now());
    let servers = SERVERS.query(tx, &Select::all().eq("project_id", &project_id))?;
    // Nova answers an empty object where there is nothing to tell.
    let usage = if servers.is_empty() { json!({}) } else { view(&project_id, &servers, &span, now, true) };
    Ok(Reply::ok(json!({"tenant_usage": usage})))
}
