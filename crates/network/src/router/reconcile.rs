//! Places routers on hosts and has the hosts make them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use agent_api::Kind;
use agent_api::network::{self as document, UpSeen};
use nodes::documents::{self, Owner};
use reconcile::{Next, Reconciler, StepError};
use store::{Error, Stored, Tx};
use types::{AddressFamily, HostId, IpNet, Ipv6Net, NetworkId};

use super::ops::subnets_of;
use super::{Phase, Router, store as rows};
use crate::node::{ipv6_prefix, with_prefix};
use crate::port::{self, Port, ROUTER_GATEWAY};
use crate::subnet::{self, Subnet, overlap};
use crate::{floating_ip, network};

/// The kind of its work keys.
pub(crate) const KIND: &str = "network::router";
/// How often a router without a host looks for one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Places a router with legs on a host, gives the host its document after those of its networks, and notes how far it
/// is on its ports and floating IPs; takes it from the host when it has no legs, and removes a deleted one's row once
/// the host has let go.
pub struct Routers;

impl Reconciler for Routers {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Some(mut router) = rows::ROUTERS.load(tx, id)? else { return Ok(Next::Done) };
        let legs = rows::legs(tx, router.id)?;
        if router.deleted || legs.is_empty() {
            return release(tx, router);
        }
        let Some(host) = place(tx, &router)? else {
            // A new host kicks the routers that wait for one; a host that was only silent does not.
            return Ok(Next::Again(LOOK_EVERY));
        };
        let placed = router.host.as_ref() != Some(&host);
        router.host = Some(host.clone());
        for leg in &legs {
            if let Some(network) = network::store::NETWORKS.load(tx, leg.network_id)? {
                network::put_on(tx, &host, &network)?;
            }
        }
        let described = describe(tx, &router, &legs)?;
        documents::put(tx, &host, Kind::Router, id, &described, Owner { kind: KIND, id })?;
        let seen = documents::seen::<UpSeen>(tx, &host, Kind::Router, id)?;
        let up = seen.as_ref().and_then(|seen| seen.seen.as_ref()).is_some_and(|seen| seen.up);
        let current = up && seen.is_some_and(|seen| seen.current);
        observe(tx, router, up)?;
        for leg in legs {
            let known = leg.binding.as_ref().is_some_and(|binding| binding.phase == port::Phase::Up);
            port::follow_router(tx, leg, Some(&host), current || (up && known))?;
        }
        floating_ip::ops::follow_router(
            tx,
            described.id,
            if up { current.then_some(true) } else { Some(false) },
        )?;
        if let (Some(gateway), true) = (described.gateway, placed || !current) {
            tx.kick(network::KIND, gateway.network_id)?;
        }
        Ok(Next::Done)
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let mut missed = Vec::new();
        for router in rows::ROUTERS.query(tx, &store::Select::all())? {
            let id = router.id.to_string();
            let present = documents::hosts_of(tx, Kind::Router, &id)?;
            let waiting = router.deleted || router.phase == Phase::Building && router.host.is_none();
            if waiting || present.as_slice() != router.host.as_slice() {
                missed.push(id);
            }
        }
        Ok(missed)
    }
}

/// The host of a router: where it is, or the host that is up with the fewest of them.
fn place(tx: &mut Tx<'_>, router: &Router) -> Result<Option<HostId>, Error> {
    if let Some(host) = &router.host {
        return Ok(Some(host.clone()));
    }
    let now = tx.now();
    let mut best: Option<(i64, HostId)> = None;
    for host in nodes::hosts::list(tx)?.iter().filter(|host| host.is_up(now)) {
        let count = rows::count_on(tx, &host.id)?;
        if best.as_ref().is_none_or(|(fewest, _)| count < *fewest) {
            best = Some((count, host.id.clone()));
        }
    }
    Ok(best.map(|(_, host)| host))
}

fn observe(tx: &mut Tx<'_>, mut router: Stored<Router>, up: bool) -> Result<(), Error> {
    let phase = match (router.phase, up) {
        (_, true) => Phase::Up,
        (Phase::Idle | Phase::Building, false) => Phase::Building,
        (Phase::Up | Phase::Down, false) => Phase::Down,
    };
    if phase != router.phase {
        router.phase = phase;
        router.standard.updated_at = tx.now();
    }
    rows::ROUTERS.save(tx, &mut router)
}

/// Takes the document from the host; once the host has let go, the router is on none.
fn release(tx: &mut Tx<'_>, mut router: Stored<Router>) -> Result<Next, StepError> {
    let id = router.id.to_string();
    if let Some(host) = router.host.clone() {
        documents::remove(tx, &host, Kind::Router, &id)?;
        if documents::seen::<UpSeen>(tx, &host, Kind::Router, &id)?.is_some() {
            return Ok(Next::Done);
        }
    }
    if router.deleted {
        rows::ROUTERS.remove(tx, &router)?;
    } else {
        (router.host, router.phase) = (None, Phase::Idle);
        rows::ROUTERS.save(tx, &mut router)?;
    }
    Ok(Next::Done)
}

fn describe(tx: &mut Tx<'_>, router: &Router, legs: &[Stored<Port>]) -> Result<document::Router, Error> {
    let (mut interfaces, mut internal, mut gateway) = (Vec::new(), Vec::new(), None);
    for leg in legs {
        let subnets = subnets_of(tx, leg).map_err(only_store)?;
        if leg.device.owner == ROUTER_GATEWAY {
            gateway = router.gateway.as_ref().map(|way| outside(leg, &subnets, way.snat));
            continue;
        }
        interfaces.push(inside(leg, &subnets));
        internal.extend(subnets.iter().filter_map(|subnet| match subnet.cidr {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => None,
        }));
    }
    if let Some(gateway) = &mut gateway {
        gateway.internal = internal;
    }
    let floating = floating_ip::store::of_router(tx, router.id)?;
    let pairs = floating.iter().filter_map(|f| Some((f.address, f.association.as_ref()?.fixed_ip)));
    let floating_ips: Vec<(Ipv4Addr, Ipv4Addr)> = pairs.collect();
    Ok(document::Router {
        id: router.id,
        admin_up: router.admin_up,
        interfaces,
        gateway,
        floating_ips,
        routes: router.routes.iter().map(|route| (route.destination, route.next_hop)).collect(),
    })
}

fn only_store(error: crate::Error) -> Error {
    match error {
        crate::Error::Store(error) => error,
        other => Error::Internal(other.to_string()),
    }
}

fn inside(leg: &Port, subnets: &[Stored<Subnet>]) -> document::RouterInterface {
    let advertised = subnets.iter().filter_map(|subnet| {
        let servers = subnet.dns_servers.iter().filter_map(|server| match server {
            IpAddr::V6(v6) => Some(*v6),
            IpAddr::V4(_) => None,
        });
        Some(document::Advertised {
            prefix: ipv6_prefix(subnet)?,
            mode: subnet.ipv6_ra_mode?,
            dns_servers: servers.collect(),
        })
    });
    document::RouterInterface {
        port_id: leg.id,
        network_id: leg.network_id,
        mac: leg.mac,
        addresses: addresses(leg, subnets),
        advertise: advertised.collect(),
    }
}

fn outside(leg: &Port, subnets: &[Stored<Subnet>], snat: bool) -> document::RouterGateway {
    document::RouterGateway {
        port_id: leg.id,
        network_id: leg.network_id,
        mac: leg.mac,
        addresses: addresses(leg, subnets),
        gateways: subnets.iter().filter_map(|subnet| subnet.gateway).collect(),
        snat,
        internal: Vec::new(),
    }
}

fn addresses(leg: &Port, subnets: &[Stored<Subnet>]) -> Vec<IpNet> {
    let of = |fixed: &port::FixedIp| subnets.iter().find(|subnet| subnet.id == fixed.subnet_id);
    leg.fixed_ips.iter().filter_map(|fixed| with_prefix(fixed.ip, &of(fixed)?.cidr)).collect()
}

/// The IPv6 prefixes that are reached through the routers of a host, and the routers' addresses outside. A prefix
/// that somebody made up is routed only if it is nobody else's: not of the outside, and not of an older network.
pub(crate) fn routes_behind(
    tx: &mut Tx<'_>,
    outside: NetworkId,
    host: &HostId,
) -> Result<Vec<(Ipv6Net, Ipv6Addr)>, Error> {
    let mut candidates = Vec::new();
    for router in rows::outside_on(tx, outside)? {
        let legs = rows::legs(tx, router.id)?;
        let own = legs.iter().find(|leg| leg.device.owner == ROUTER_GATEWAY);
        let own = own.and_then(|leg| leg.addresses().into_iter().find_map(ipv6));
        let (Some(next_hop), true) = (own, router.host.as_ref() == Some(host)) else { continue };
        for leg in legs.iter().filter(|leg| leg.device.owner != ROUTER_GATEWAY) {
            let subnets = subnets_of(tx, leg).map_err(only_store)?;
            let ours = subnets.into_iter().filter(|subnet| subnet.family() == AddressFamily::V6);
            candidates.extend(ours.map(|subnet| (subnet, next_hop)));
        }
    }
    // What comes from a pool cannot clash with others of the pool; what was made up yields to it.
    candidates.sort_by_key(|(s, _)| (s.subnet_pool_id.is_none(), s.standard.created_at, s.id));
    let mut taken: Vec<IpNet> = subnet::store::of_network(tx, outside)?.iter().map(|s| s.cidr).collect();
    let mut routes = Vec::new();
    for (subnet, next_hop) in candidates {
        if let (Some(prefix), false) = (ipv6_prefix(&subnet), taken.iter().any(|t| overlap(t, &subnet.cidr)))
        {
            taken.push(subnet.cidr);
            routes.push((prefix, next_hop));
        }
    }
    Ok(routes)
}

fn ipv6(ip: IpAddr) -> Option<Ipv6Addr> {
    match ip {
        IpAddr::V6(v6) => Some(v6),
        IpAddr::V4(_) => None,
    }
}
