//! A router's way outside.

use policy::Caller;
use store::{Stored, Tx};
use types::{NetworkId, ProjectId};

use super::ops::save;
use super::{Gateway, GatewayWish, Phase, Router, store as rows};
use crate::port::{self, FixedIpWish, Port, PortChange, ROUTER_GATEWAY};
use crate::{Error, floating_ip, network, resource, subnet};

/// Gives a router the gateway that is wished for, in place of the one it has.
pub(super) fn set(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut router: Stored<Router>,
    wish: GatewayWish,
) -> Result<Stored<Router>, Error> {
    let Some(network_id) = wish.network_id else { return clear(tx, router) };
    let network = network::ops::show(caller, tx, network_id)?;
    if !network.external {
        return Err(Error::BadRequest {
            resource: "router",
            reason: format!("Network {network_id} is not an external network"),
        });
    }
    let kept = router.gateway.clone().filter(|gateway| gateway.network_id == network_id);
    let Some(mut gateway) = kept else {
        router = clear(tx, router)?;
        check_apart(tx, &router, network_id)?;
        let port = leg(tx, &network, &router, wish.fixed_ips)?;
        router.gateway = Some(Gateway { network_id, port_id: port.id, snat: wish.snat.unwrap_or(true) });
        if router.phase == Phase::Idle {
            router.phase = Phase::Building;
        }
        return save(tx, router);
    };
    gateway.snat = wish.snat.unwrap_or(true);
    if wish.fixed_ips.is_some() {
        let port = resource::load::<Port>(tx, gateway.port_id)?;
        port::ops::readdress(tx, port, wish.fixed_ips.as_deref())?;
    }
    router.gateway = Some(gateway);
    save(tx, router)
}

/// Takes a router's gateway away; floating IPs that need it keep it.
pub(super) fn clear(tx: &mut Tx<'_>, mut router: Stored<Router>) -> Result<Stored<Router>, Error> {
    let Some(gateway) = router.gateway.clone() else { return Ok(router) };
    if !floating_ip::store::of_router(tx, router.id)?.is_empty() {
        return Err(Error::RouterExternalGatewayInUseByFloatingIp {
            router: router.id.to_string(),
            network: gateway.network_id.to_string(),
        });
    }
    let port = resource::load::<Port>(tx, gateway.port_id)?;
    port::ops::remove(tx, port)?;
    tx.kick(network::KIND, gateway.network_id)?;
    router.gateway = None;
    save(tx, router)
}

/// The router's port outside. It belongs to no project, so that nobody sees it or pays for it.
fn leg(
    tx: &mut Tx<'_>,
    network: &network::Network,
    router: &Router,
    fixed_ips: Option<Vec<FixedIpWish>>,
) -> Result<Stored<Port>, Error> {
    if subnet::store::of_network(tx, network.id)?.is_empty() {
        return Err(Error::BadRequest {
            resource: "router",
            reason: format!("No subnets on external network {}", network.id),
        });
    }
    let wish = PortChange {
        device_id: Some(router.id.to_string()),
        device_owner: Some(ROUTER_GATEWAY.to_owned()),
        port_security: Some(false),
        fixed_ips,
        ..PortChange::default()
    };
    port::ops::insert(tx, network, ProjectId(String::new()), wish)
}

/// What is inside must not be outside too.
fn check_apart(tx: &mut Tx<'_>, router: &Router, outside: NetworkId) -> Result<(), Error> {
    for theirs in subnet::store::of_network(tx, outside)? {
        for leg in rows::legs(tx, router.id)? {
            super::interface::check_overlap(&super::ops::subnets_of(tx, &leg)?, &theirs)?;
        }
    }
    Ok(())
}
