//! Reads how the hosts are and chooses.

use ::store::Tx;

use super::{Choice, HostState, Request, choose};
use crate::{Error, provider};

/// How the hosts are: what they have, what of it is given out, and whether they take servers.
pub fn states(tx: &mut Tx<'_>) -> Result<Vec<HostState>, Error> {
    let mut hosts = nodes::hosts::list(tx)?;
    let now = tx.now();
    let mut inventories = provider::store::inventories(tx, None)?;
    let mut used = provider::store::usages(tx, None)?;
    let mut states = Vec::with_capacity(hosts.len());
    for known in provider::store::all(tx)? {
        let Some(at) = hosts.iter().position(|host| host.id.as_str() == known.name) else { continue };
        let host = hosts.swap_remove(at).into_inner();
        states.push(HostState {
            provider_id: known.id,
            up: host.is_up(now),
            enabled: host.enabled,
            inventories: inventories.remove(&known.id).unwrap_or_default(),
            used: used.remove(&known.id).unwrap_or_default(),
            host: host.id,
        });
    }
    Ok(states)
}

/// The hosts that will do for this request, best first, and what each filter removed. Hosts that joined or changed
/// since are taken in first.
pub fn candidates(tx: &mut Tx<'_>, request: &Request) -> Result<Choice, Error> {
    provider::sync_all(tx)?;
    Ok(choose(request, states(tx)?))
}
