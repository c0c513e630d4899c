//! Hypervisors: what each host has and gives, in Nova's oldest words and its newest.

use ::store::{Stored, Tx};
use nodes::{Host, hosts};
use placement::provider::{DISK_GB, MEMORY_MB, VCPU};
use placement::schedule::HostState;
use policy::Target;
use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};

use super::api::service_id;
use crate::policy::RULES;
use crate::{Error, body, links, microversion, server};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/os-hypervisors", |request, tx| list(request, tx, false))
        .get("/os-hypervisors/detail", |request, tx| list(request, tx, true))
        .get("/os-hypervisors/statistics", statistics)
        .get("/os-hypervisors/{id}", show)
        .get("/os-hypervisors/{id}/uptime", uptime)
        .get("/os-hypervisors/{id}/servers", servers)
        .get("/os-hypervisors/{id}/search", search)
}

fn id_of(host: &Host, version: Microversion) -> Json {
    service_id("hypervisor", host.id.as_str(), version)
}

fn check(request: &Request) -> Result<(), Error> {
    Ok(RULES.check("os_compute_api:os-hypervisors:list", request.caller(), &Target::default())?)
}

fn brief(host: &Host, tx: &Tx<'_>, version: Microversion) -> Json {
    json!({
        "id": id_of(host, version),
        "hypervisor_hostname": host.id,
        "state": if host.is_up(tx.now()) { "up" } else { "down" },
        "status": if host.enabled { "enabled" } else { "disabled" },
    })
}

fn members(tx: &mut Tx<'_>, host: &Host) -> Result<Json, Error> {
    let servers = server::on_host(tx, &host.id)?;
    Ok(servers.iter().map(|s| json!({"name": s.vm_name(), "uuid": s.id.to_string()})).collect())
}

/// What a host has and gives, by placement.
struct Amounts {
    vcpus: (u64, u64),
    ram_mib: (u64, u64),
    disk_gib: (u64, u64),
    running: usize,
}

fn amounts(tx: &mut Tx<'_>, states: &[HostState], host: &Host) -> Result<Amounts, Error> {
    let state = states.iter().find(|state| state.host == host.id);
    let used = |class: &str| state.and_then(|s| s.used.get(class)).copied().unwrap_or(0);
    let facts = &host.facts;
    Ok(Amounts {
        vcpus: (facts.vcpus.into(), used(VCPU)),
        ram_mib: (facts.ram_mib, used(MEMORY_MB)),
        disk_gib: (facts.disk_gib, used(DISK_GB)),
        running: server::on_host(tx, &host.id)?.len(),
    })
}

fn version_number(text: &str) -> u64 {
    let digits = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let parts = digits.unwrap_or("0").split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    parts.chain([0, 0, 0]).take(3).fold(0, |sum, part| sum * 1000 + part)
}

fn full(tx: &mut Tx<'_>, states: &[HostState], host: &Host, request: &Request) -> Result<Json, Error> {
    let version = request.version;
    let mut view = brief(host, tx, version);
    view["hypervisor_type"] = json!(host.facts.hypervisor.split_whitespace().next().unwrap_or("QEMU"));
    view["hypervisor_version"] = json!(version_number(&host.facts.hypervisor));
    view["host_ip"] = json!("127.0.0.1");
    view["service"] = json!({
        "id": service_id("nova-compute", host.id.as_str(), version),
        "host": host.id,
        "disabled_reason": host.disabled_reason,
    });
    if version >= microversion::SERVICE_UUID
        && request.query("with_servers").and_then(body::flag_of) == Some(true)
    {
        let members = members(tx, host)?;
        if members != json!([]) || version >= Microversion(2, 75) {
            view["servers"] = members;
        }
    }
    if version >= microversion::HYPERVISOR_LEAN {
        view["uptime"] = Json::Null;
        return Ok(view);
    }
    let cpu = json!({"arch": host.facts.architecture, "model": host.facts.accelerator, "topology": {"cores": host.facts.vcpus}});
    view["cpu_info"] = match version >= microversion::HYPERVISOR_CPU_INFO {
        true => cpu,
        false => json!(cpu.to_string()),
    };
    figures(&mut view, &amounts(tx, states, host)?);
    view["disk_available_least"] = view["free_disk_gb"].clone();
    Ok(view)
}

fn figures(view: &mut Json, amounts: &Amounts) {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    view["vcpus"] = json!(amounts.vcpus.0);
    view["vcpus_used"] = json!(amounts.vcpus.1);
    view["memory_mb"] = json!(amounts.ram_mib.0);
    view["memory_mb_used"] = json!(amounts.ram_mib.1);
    view["free_ram_mb"] = json!(signed(amounts.ram_mib.0) - signed(amounts.ram_mib.1));
    view["local_gb"] = json!(amounts.disk_gib.0);
    view["local_gb_used"] = json!(amounts.disk_gib.1);
    view["free_disk_gb"] = json!(signed(amounts.disk_gib.0) - signed(amounts.disk_gib.1));
    view["running_vms"] = json!(amounts.running);
    view["current_workload"] = json!(0);
}

fn list(request: &Request, tx: &mut Tx<'_>, detail: bool) -> Result<Reply, Error> {
    check(request)?;
    let mut all: Vec<Stored<Host>> = hosts::list(tx)?;
    if let Some(pattern) = request.query("hypervisor_hostname_pattern") {
        all.retain(|host| host.id.as_str().contains(pattern));
        if all.is_empty() {
            return Err(Error::NotFound(format!("No hypervisor matching '{pattern}' could be found.")));
        }
    }
    let paged = request.version >= microversion::HYPERVISOR_PAGES;
    let marked: Vec<(String, Stored<Host>)> =
        all.into_iter().map(|host| (text(&id_of(&host, request.version)), host)).collect();
    let marked = if paged { links::cut(marked, &links::page(request)?, |(id, _)| id)? } else { marked };
    let states = placement::schedule::states(tx)?;
    let mut views = Vec::new();
    for (_, host) in &marked {
        let mut view =
            if detail { full(tx, &states, host, request)? } else { brief(host, tx, request.version) };
        let asked = request.query("with_servers").and_then(body::flag_of) == Some(true);
        if asked && !detail && request.version >= microversion::SERVICE_UUID {
            view["servers"] = members(tx, host)?;
        }
        views.push(view);
    }
    let mut answer = json!({"hypervisors": views});
    let path = if detail { "os-hypervisors/detail" } else { "os-hypervisors" };
    let last = marked.last().map(|(id, _)| id.as_str());
    if let (true, Some(next)) = (paged, links::next(request, path, marked.len(), last)) {
        answer["hypervisors_links"] = next;
    }
    Ok(Reply::ok(answer))
}

fn text(id: &Json) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

fn find(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<Host>, Error> {
    check(request)?;
    let id = request.param("id");
    let found = hosts::list(tx)?.into_iter().find(|host| text(&id_of(host, request.version)) == id);
    found.ok_or_else(|| Error::NotFound(format!("Hypervisor with ID '{id}' could not be found.")))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let host = find(request, tx)?;
    let states = placement::schedule::states(tx)?;
    Ok(Reply::ok(json!({"hypervisor": full(tx, &states, &host, request)?})))
}

fn uptime(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    if request.version >= microversion::HYPERVISOR_LEAN {
        return Err(body::no_such_route());
    }
    find(request, tx)?;
    Err(Error::NotImplemented("A host's uptime is not built.".to_owned()))
}

/// The hosts whose name contains the word, with or without their servers: gone since 2.53.
fn matching(request: &Request, tx: &mut Tx<'_>, with_servers: bool) -> Result<Reply, Error> {
    check(request)?;
    if request.version >= microversion::SERVICE_UUID {
        return Err(body::no_such_route());
    }
    let word = request.param("id");
    let mut views = Vec::new();
    for host in hosts::list(tx)?.iter().filter(|host| host.id.as_str().contains(word)) {
        let mut view = brief(host, tx, request.version);
        if with_servers {
            view["servers"] = members(tx, host)?;
        }
        views.push(view);
    }
    if views.is_empty() {
        return Err(Error::NotFound(format!("No hypervisor matching '{word}' could be found.")));
    }
    Ok(Reply::ok(json!({"hypervisors": views})))
}

fn servers(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    matching(request, tx, true)
}

fn search(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    matching(request, tx, false)
}

fn statistics(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check(request)?;
    if request.version >= microversion::HYPERVISOR_LEAN {
        return Err(body::no_such_route());
    }
    let states = placement::schedule::states(tx)?;
    let all = hosts::list(tx)?;
    let mut sum = Amounts { vcpus: (0, 0), ram_mib: (0, 0), disk_gib: (0, 0), running: 0 };
    for host in &all {
        let one = amounts(tx, &states, host)?;
        let add = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
        sum = Amounts {
            vcpus: add(sum.vcpus, one.vcpus),
            ram_mib: add(sum.ram_mib, one.ram_mib),
            disk_gib: add(sum.disk_gib, one.disk_gib),
            running: sum.running + one.running,
        };
    }
    let mut view = json!({"count": all.len()});
    figures(&mut view, &sum);
    view["disk_available_least"] = view["free_disk_gb"].clone();
    Ok(Reply::ok(json!({"hypervisor_statistics": view})))
}
