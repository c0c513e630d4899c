//! Agents over HTTP, made of what is known about the hosts.

use nodes::Host;
use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::{Error, availability_zone, list, policies};

pub(crate) fn routes() -> Routes {
    Routes::new().get("/v2.0/agents", list).get("/v2.0/agents/{id}", show)
}

fn all(request: &Request, tx: &mut Tx<'_>) -> Result<Vec<Json>, Error> {
    policies::RULES.check("get_agent", request.caller(), &policy::Target::default())?;
    let now = tx.now();
    Ok(nodes::hosts::list(tx)?.iter().map(|host| view(host, host.is_up(now))).collect())
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut agents = all(request, tx)?;
    for (name, value) in request.query.iter().filter(|(name, _)| name != "fields") {
        agents.retain(|agent| list::matches(agent, name, std::slice::from_ref(value)));
    }
    agents.iter_mut().for_each(|agent| list::keep_fields(request, agent));
    Ok(Reply::ok(json!({"agents": agents})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("id");
    let agent = all(request, tx)?.into_iter().find(|agent| agent["id"] == id);
    let mut agent = agent.ok_or_else(|| Error::AgentNotFound { id: id.to_owned() })?;
    list::keep_fields(request, &mut agent);
    Ok(Reply::ok(json!({"agent": agent})))
}

fn view(host: &Host, alive: bool) -> Json {
    json!({
        "id": id(host.id.as_str()),
        "host": host.id,
        "binary": "cuttle-agent",
        "agent_type": "Cuttle agent",
        "topic": "N/A",
        "alive": alive,
        "admin_state_up": true,
        "availability_zone": availability_zone::NAME,
        "created_at": spelled(host.created_at),
        "started_at": spelled(host.created_at),
        "heartbeat_timestamp": spelled(host.heard_at),
        "description": null,
        "configurations": {"version": host.facts.version},
        "resources_synced": null,
    })
}

/// Agents' times have a blank in the middle and no zone.
fn spelled(time: types::Timestamp) -> String {
    time.iso_z().replace('T', " ").replace('Z', "")
}

/// An id like any other that is always the same for a host, for hosts have only names.
fn id(host: &str) -> String {
    let half = |seed: u64| {
        host.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let digits = format!("{:016x}{:016x}", half(0xcbf2_9ce4_8422_2325), half(0x6c62_272e_07bb_0142));
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    // Version 8 is for ids made in one's own way.
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
