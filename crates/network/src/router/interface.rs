//! A router's legs in the networks of its project.

use policy::Caller;
use store::{Stored, Tx};
use types::{AddressFamily, RouterId, SubnetId};

use super::ops::{save, subnets_of};
use super::{Interface, Phase, Router, store as rows};
use crate::port::{self, Device, FixedIpWish, Plug, Port, PortChange, ROUTER_INTERFACE};
use crate::resource::{self, check};
use crate::subnet::{self, Subnet, overlap};
use crate::{Error, floating_ip, network};

/// What was added or removed: the port, and the subnet it is about.
pub type Leg = (Stored<Port>, SubnetId);

/// Gives a router a leg: at a subnet's gateway address, or by a port that nothing is plugged into.
pub fn add(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut router: Stored<Router>,
    interface: Interface,
) -> Result<Leg, Error> {
    check(caller, "add_router_interface", &router.standard.project_id)?;
    let leg = match (interface.subnet_id, interface.port_id) {
        (Some(subnet), None) => add_subnet(caller, tx, &router, subnet)?,
        (None, Some(port)) => add_port(caller, tx, &router, port)?,
        (Some(_), Some(_)) => return Err(refused("Cannot specify both subnet-id and port-id")),
        (None, None) => return Err(refused("Either subnet_id or port_id must be specified")),
    };
    if router.phase == Phase::Idle {
        router.phase = Phase::Building;
    }
    save(tx, router)?;
    Ok(leg)
}

fn refused(reason: impl Into<String>) -> Error {
    Error::BadRequest { resource: "router", reason: reason.into() }
}

fn add_subnet(caller: &Caller, tx: &mut Tx<'_>, router: &Router, id: SubnetId) -> Result<Leg, Error> {
    let subnet = subnet::ops::show(caller, tx, id)?;
    let Some(gateway) = subnet.gateway else {
        return Err(refused("Subnet for router interface must have a gateway IP"));
    };
    check_joinable(tx, router, &subnet)?;
    let network = network::ops::show(caller, tx, subnet.network_id)?;
    let wish = FixedIpWish { subnet_id: Some(id), ip: Some(gateway) };
    if subnet.family() == AddressFamily::V6
        && let Some(port) = ipv6_leg(tx, router, &subnet)?
    {
        // All IPv6 subnets of a network are on one leg, which advertises them together.
        let had = port.fixed_ips.iter().map(|f| FixedIpWish { subnet_id: Some(f.subnet_id), ip: Some(f.ip) });
        let wishes: Vec<FixedIpWish> = had.chain([wish]).collect();
        return Ok((port::ops::readdress(tx, port, Some(&wishes))?, id));
    }
    let wish = PortChange {
        device_id: Some(router.id.to_string()),
        device_owner: Some(ROUTER_INTERFACE.to_owned()),
        port_security: Some(false),
        fixed_ips: Some(vec![wish]),
        ..PortChange::default()
    };
    Ok((port::ops::insert(tx, &network, router.standard.project_id.clone(), wish)?, id))
}

/// The leg that has the network's other IPv6 subnets.
fn ipv6_leg(tx: &mut Tx<'_>, router: &Router, subnet: &Subnet) -> Result<Option<Stored<Port>>, Error> {
    let legs = rows::legs(tx, router.id)?.into_iter();
    let mut here = legs.filter(|leg| leg.network_id == subnet.network_id);
    Ok(here.find(|leg| leg.fixed_ips.iter().all(|fixed| fixed.ip.is_ipv6())))
}

fn add_port(caller: &Caller, tx: &mut Tx<'_>, router: &Router, id: types::PortId) -> Result<Leg, Error> {
    let mut port = port::ops::show(caller, tx, id)?;
    if !port.device.id.is_empty() {
        return Err(Error::PortInUse {
            id: id.to_string(),
            network: port.network_id.to_string(),
            device: port.device.id.clone(),
        });
    }
    let subnets = subnets_of(tx, &port)?;
    let Some(first) = subnets.first().map(|subnet| subnet.id) else {
        return Err(refused("Router port must have at least one fixed IP"));
    };
    if subnets.iter().filter(|subnet| subnet.family() == AddressFamily::V4).count() > 1 {
        return Err(refused("Cannot have multiple IPv4 subnets on router port"));
    }
    for subnet in &subnets {
        check_joinable(tx, router, subnet)?;
    }
    let before = (*port).clone();
    port.device = Device { id: router.id.to_string(), owner: ROUTER_INTERFACE.to_owned() };
    port.plug = Plug::default();
    Ok((port::ops::replug(tx, &before, port)?, first))
}

/// A router cannot have the same addresses on two legs.
fn check_joinable(tx: &mut Tx<'_>, router: &Router, subnet: &Subnet) -> Result<(), Error> {
    for leg in rows::legs(tx, router.id)? {
        let subnets = subnets_of(tx, &leg)?;
        if subnets.iter().any(|known| known.id == subnet.id) {
            return Err(refused(format!("Router already has a port on subnet {}", subnet.id)));
        }
        check_overlap(&subnets, subnet)?;
    }
    Ok(())
}

pub(super) fn check_overlap(known: &[Stored<Subnet>], new: &Subnet) -> Result<(), Error> {
    let other = known.iter().find(|known| overlap(&known.cidr, &new.cidr));
    other.map_or(Ok(()), |other| {
        Err(refused(format!(
            "Cidr {} of subnet {} overlaps with cidr {} of subnet {}",
            new.cidr, new.id, other.cidr, other.id
        )))
    })
}

/// Takes a leg away, or one subnet from a leg that has several.
pub fn remove(
    caller: &Caller,
    tx: &mut Tx<'_>,
    router: Stored<Router>,
    interface: Interface,
) -> Result<Leg, Error> {
    check(caller, "remove_router_interface", &router.standard.project_id)?;
    let (port, leaving) = meant(tx, router.id, interface)?;
    let Some(first) = leaving.first().copied() else {
        return Err(refused(format!("Port {} has no fixed IP", port.id)));
    };
    for id in &leaving {
        check_unused(tx, &router, *id)?;
    }
    let left: Vec<FixedIpWish> = port
        .fixed_ips
        .iter()
        .filter(|fixed| !leaving.contains(&fixed.subnet_id))
        .map(|fixed| FixedIpWish { subnet_id: Some(fixed.subnet_id), ip: Some(fixed.ip) })
        .collect();
    let shown = port.clone();
    if left.is_empty() {
        port::ops::remove(tx, port)?;
    } else {
        port::ops::readdress(tx, port, Some(&left))?;
    }
    tx.kick(network::KIND, shown.network_id)?;
    save(tx, router)?;
    Ok((shown, first))
}

/// The leg that a client means, and the subnets that it wants to have off it.
fn meant(
    tx: &mut Tx<'_>,
    router: RouterId,
    interface: Interface,
) -> Result<(Stored<Port>, Vec<SubnetId>), Error> {
    let mut legs = rows::legs(tx, router)?.into_iter().filter(|leg| leg.device.owner == ROUTER_INTERFACE);
    let has = |leg: &Port, id: SubnetId| leg.fixed_ips.iter().any(|fixed| fixed.subnet_id == id);
    match (interface.port_id, interface.subnet_id) {
        (Some(port), subnet) => {
            let absent =
                || Error::RouterInterfaceNotFound { router: router.to_string(), port: port.to_string() };
            let leg = legs.find(|leg| leg.id == port).ok_or_else(absent)?;
            match subnet {
                Some(subnet) if !has(&leg, subnet) => {
                    Err(Error::SubnetMismatchForPort { port: port.to_string(), subnet: subnet.to_string() })
                }
                _ => {
                    let all = leg.fixed_ips.iter().map(|fixed| fixed.subnet_id).collect();
                    Ok((leg, all))
                }
            }
        }
        (None, Some(subnet)) => {
            let absent = || Error::RouterInterfaceNotFoundForSubnet {
                router: router.to_string(),
                subnet: subnet.to_string(),
            };
            // Tells a subnet that is not there from one that the router is not in.
            resource::load::<Subnet>(tx, subnet)?;
            let leg = legs.find(|leg| has(leg, subnet)).ok_or_else(absent)?;
            Ok((leg, vec![subnet]))
        }
        (None, None) => Err(refused("Either subnet_id or port_id must be specified")),
    }
}

fn check_unused(tx: &mut Tx<'_>, router: &Router, id: SubnetId) -> Result<(), Error> {
    let subnet = resource::load::<Subnet>(tx, id)?;
    let (router_text, subnet_text) = (router.id.to_string(), id.to_string());
    let floating = floating_ip::store::of_router(tx, router.id)?;
    if floating.iter().any(|floating| floating.fixed_ip().is_some_and(|ip| subnet.cidr.contains(&ip))) {
        return Err(Error::RouterInterfaceInUseByFloatingIP { router: router_text, subnet: subnet_text });
    }
    if router.routes.iter().any(|route| subnet.cidr.contains(&route.next_hop)) {
        return Err(Error::RouterInterfaceInUseByRoute { router: router_text, subnet: subnet_text });
    }
    Ok(())
}
