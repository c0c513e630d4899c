//! Keeps the nodes' documents about networks as the ports want them.

use agent_api::Kind;
use agent_api::network::UpSeen;
use nodes::documents::{self, Owner};
use reconcile::{Next, Reconciler, StepError};
use store::{Select, Tx};
use types::{HostId, NetworkId};

use super::{Network, store as rows};
use crate::{node, port};

/// The kind of its work keys.
pub(crate) const KIND: &str = "network::network";

/// Gives every host that has a port of a network that network's document, and takes it from the others; removes the
/// row of a deleted network once no port and no node has it.
pub struct Networks;

impl Reconciler for Networks {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Some(network) = rows::NETWORKS.load(tx, id)? else { return Ok(Next::Done) };
        let wanted = hosts(tx, &network)?;
        for host in &wanted {
            put_on(tx, host, &network)?;
        }
        let mut left = false;
        for kind in [Kind::External, Kind::Network] {
            for host in documents::hosts_of(tx, kind, id)? {
                if kind != document_kind(&network) || !wanted.contains(&host) {
                    documents::remove(tx, &host, kind, id)?;
                    left |= documents::seen::<UpSeen>(tx, &host, kind, id)?.is_some();
                }
            }
        }
        if network.deleted && wanted.is_empty() && !left && !port::store::any_in(tx, network.id)? {
            rows::NETWORKS.remove(tx, &network)?;
        }
        Ok(Next::Done)
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let mut missed = Vec::new();
        for network in rows::NETWORKS.query(tx, &Select::all())? {
            let present = present_on(tx, &network)?;
            if network.deleted || present != hosts(tx, &network)? {
                missed.push(network.id.to_string());
            }
        }
        Ok(missed)
    }
}

/// The hosts that need the network: all of them for an external one, else those with a port bound in it.
fn hosts(tx: &mut Tx<'_>, network: &Network) -> Result<Vec<HostId>, store::Error> {
    if !network.external {
        return rows::hosts_with_ports(tx, network.id);
    }
    if network.deleted {
        return Ok(Vec::new());
    }
    Ok(nodes::hosts::list(tx)?.iter().map(|host| host.id.clone()).collect())
}

fn present_on(tx: &mut Tx<'_>, network: &Network) -> Result<Vec<HostId>, store::Error> {
    documents::hosts_of(tx, document_kind(network), &network.id.to_string())
}

fn document_kind(network: &Network) -> Kind {
    if network.external { Kind::External } else { Kind::Network }
}

/// Puts the network's document on a host, or brings it up to date there.
pub(crate) fn put_on(tx: &mut Tx<'_>, host: &HostId, network: &Network) -> Result<(), store::Error> {
    let id: NetworkId = network.id;
    let id = id.to_string();
    let owner = Owner { kind: KIND, id: &id };
    if network.external {
        let document = node::external(tx, network, host)?;
        documents::put(tx, host, Kind::External, &id, &document, owner)
    } else {
        let document = node::network(tx, network)?;
        documents::put(tx, host, Kind::Network, &id, &document, owner)
    }
}
