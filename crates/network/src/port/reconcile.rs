//! Has hosts make and drop ports as their bindings say.

use agent_api::Kind;
use agent_api::network::PortSeen;
use nodes::documents::{self, Owner};
use reconcile::{Next, Reconciler, StepError};
use store::{Condition, Select, Stored, Tx};
use types::HostId;

use super::{Binding, Phase, Port, binding, ops, store as rows};
use crate::{network, node, security_group};

/// The kind of its work keys.
pub(crate) const KIND: &str = "network::port";

/// Gives a bound port's host the port's document, after those of its network and groups, and notes whether the host
/// has it; takes it from the host when it is unbound, and removes a deleted port's row once the host has let go.
pub struct Ports;

impl Reconciler for Ports {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Some(mut port) = rows::PORTS.load(tx, id)?.filter(|port| !port.is_router_leg()) else {
            return Ok(Next::Done);
        };
        match port.binding.clone() {
            Some(Binding { phase: Phase::Releasing, host, .. }) => release(tx, port, &host)?,
            Some(Binding { host, .. }) => {
                put(tx, &port, &host)?;
                let seen = documents::seen::<PortSeen>(tx, &host, Kind::Port, id)?;
                let up = seen.and_then(|seen| seen.seen).is_some_and(|seen| seen.up);
                binding::observe(tx, &mut port, up)?;
            }
            None if port.deleted => ops::purge(tx, &port)?,
            None => {}
        }
        Ok(Next::Done)
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let mut missed = Vec::new();
        // NULL is beyond no name, so that this is every port that has a host.
        let bound = Select::all().with(Condition::Gt("host", "".into()));
        for port in rows::PORTS.query(tx, &bound)? {
            let Some(binding) = port.binding.as_ref().filter(|_| !port.is_router_leg()) else { continue };
            let seen = documents::seen::<PortSeen>(tx, &binding.host, Kind::Port, &port.id.to_string())?;
            let as_noted = match (binding.phase, seen) {
                (Phase::Releasing, seen) => seen.is_some_and(|seen| seen.removing),
                (_, None) => false,
                (phase, Some(seen)) => (phase == Phase::Up) == seen.seen.is_some_and(|seen| seen.up),
            };
            if !as_noted {
                missed.push(port.id.to_string());
            }
        }
        Ok(missed)
    }
}

fn put(tx: &mut Tx<'_>, port: &Port, host: &HostId) -> Result<(), StepError> {
    let Some(network) = network::store::NETWORKS.load(tx, port.network_id)? else {
        return Err(StepError::Failed(format!("port {} is on no network", port.id)));
    };
    network::put_on(tx, host, &network)?;
    for group in &port.plug.security_groups {
        security_group::ensure_on(tx, host, *group)?;
    }
    let id = port.id.to_string();
    let document = node::port(port, &network);
    Ok(documents::put(tx, host, Kind::Port, &id, &document, Owner { kind: KIND, id: &id })?)
}

/// Takes the document from the host; once the host has let go, the port is bound no more, or is no more.
fn release(tx: &mut Tx<'_>, mut port: Stored<Port>, host: &HostId) -> Result<(), StepError> {
    let id = port.id.to_string();
    documents::remove(tx, host, Kind::Port, &id)?;
    if documents::seen::<PortSeen>(tx, host, Kind::Port, &id)?.is_some() {
        return Ok(());
    }
    let watcher = port.binding.take().and_then(|binding| binding.watcher);
    if port.deleted {
        ops::purge(tx, &port)?;
    } else {
        port.standard.updated_at = tx.now();
        rows::PORTS.save(tx, &mut port)?;
        tx.kick(network::KIND, port.network_id)?;
        port.plug.security_groups.iter().try_for_each(|group| tx.kick(security_group::KIND, group))?;
    }
    if let Some(watcher) = watcher {
        tx.kick(&watcher.kind, &watcher.id)?;
    }
    Ok(())
}
