//! What can be done with subnets.

use policy::Caller;
use store::{Condition, Select, Stored, Tx};
use types::{IpNet, NetworkId, SubnetId, SubnetPoolId};

use super::model::{default_pools, first_host, overlap};
use super::{GatewayWish, Origin, Subnet, SubnetChange, SubnetDraft, store as rows};
use crate::network::{self, Network};
use crate::resource::{self, Standard, allows, check};
use crate::{Error, address, port, quota, subnet_pool};

/// Creates a subnet. Where hosts form their own IPv6 addresses, the ports that are there get theirs at once.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: SubnetDraft) -> Result<Stored<Subnet>, Error> {
    let network = network::ops::show(caller, tx, draft.network_id)?;
    let project = resource::owner(caller, draft.project_id.clone())?;
    // Only who owns the network decides about its addresses.
    check(caller, "create_subnet", &network.standard.project_id)?;
    quota::check(tx, &project, quota::Limited::Subnet, 1)?;
    let (cidr, subnet_pool_id) = prefix(caller, tx, &draft.origin)?;
    let gateway = match draft.gateway {
        GatewayWish::Usual => Some(first_host(cidr)),
        GatewayWish::None => None,
        GatewayWish::At(ip) => Some(ip),
    };
    let subnet = Subnet {
        id: runtime::new_uuid().into(),
        standard: Standard::new(tx, project, draft.label),
        network_id: network.id,
        cidr,
        gateway,
        allocation_pools: draft.allocation_pools.unwrap_or_else(|| default_pools(cidr, gateway)),
        dns_servers: draft.dns_servers,
        host_routes: draft.host_routes,
        dhcp: draft.dhcp,
        ipv6_ra_mode: draft.ipv6_ra_mode,
        ipv6_address_mode: draft.ipv6_address_mode,
        subnet_pool_id,
    };
    subnet.validate()?;
    check_overlap(tx, &network, &subnet)?;
    let subnet = rows::SUBNETS.insert(tx, subnet)?;
    if subnet.is_auto_address() {
        port::ops::add_auto_addresses(tx, &subnet)?;
    }
    tx.kick(network::KIND, network.id)?;
    Ok(subnet)
}

fn prefix(caller: &Caller, tx: &mut Tx<'_>, origin: &Origin) -> Result<(IpNet, Option<SubnetPoolId>), Error> {
    let (pool, cidr, length) = match origin {
        Origin::Given(cidr) => return Ok((*cidr, None)),
        Origin::Pool { pool, cidr, length } => (subnet_pool::ops::show(caller, tx, *pool)?, *cidr, *length),
        Origin::DefaultPool { family, length } => (subnet_pool::ops::default_of(tx, *family)?, None, *length),
    };
    let id = pool.id;
    let cidr = subnet_pool::ops::allocate(caller, tx, pool, cidr, length)?;
    Ok((cidr, Some(id)))
}

fn check_overlap(tx: &mut Tx<'_>, network: &Network, subnet: &Subnet) -> Result<(), Error> {
    for other in rows::of_network(tx, network.id)? {
        if overlap(&other.cidr, &subnet.cidr) {
            return Err(Error::input(format!(
                "Requested subnet with cidr: {} for network: {} overlaps with another subnet",
                subnet.cidr, network.id
            )));
        }
    }
    Ok(())
}

/// The subnet of this id, if the caller may see it: its own project's, or one of a shared network.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: SubnetId) -> Result<Stored<Subnet>, Error> {
    let subnet = resource::load::<Subnet>(tx, id)?;
    if allows(caller, "get_subnet", &subnet.standard.project_id) {
        return Ok(subnet);
    }
    let network = network::ops::lookup(tx, subnet.network_id)?;
    let visible = network
        .is_some_and(|network| network.shared || allows(caller, "get_subnet", &network.standard.project_id));
    if visible { Ok(subnet) } else { Err(Error::SubnetNotFound { id: id.to_string() }) }
}

/// The subnets of a network, for what a server's guest is told.
pub fn of_network(tx: &mut Tx<'_>, network: NetworkId) -> Result<Vec<Stored<Subnet>>, Error> {
    Ok(rows::of_network(tx, network)?)
}

/// Which subnets the caller may see.
pub(crate) fn scope(caller: &Caller, tx: &mut Tx<'_>) -> Result<Select, Error> {
    if caller.is_admin() {
        return Ok(Select::all());
    }
    let networks = network::store::NETWORKS.query(tx, &network::store::usable_by(caller.project_id()))?;
    let networks = networks.iter().map(|network| network.id.into()).collect();
    let mut ways = vec![Condition::In("network_id", networks)];
    ways.extend(caller.project_id().map(|id| Condition::Eq("project_id", id.as_str().into())));
    Ok(Select::all().with(Condition::Any(ways)))
}

/// Changes a subnet.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut subnet: Stored<Subnet>,
    change: SubnetChange,
) -> Result<Stored<Subnet>, Error> {
    check(caller, "update_subnet", &subnet.standard.project_id)?;
    let gateway = match change.gateway {
        GatewayWish::Usual => subnet.gateway,
        GatewayWish::None => None,
        GatewayWish::At(ip) => Some(ip),
    };
    if gateway != subnet.gateway {
        check_gateway_unused(tx, &subnet)?;
        subnet.gateway = gateway;
    }
    subnet.standard.relabel(tx, change.label);
    subnet.allocation_pools = change.allocation_pools.unwrap_or(std::mem::take(&mut subnet.allocation_pools));
    subnet.dns_servers = change.dns_servers.unwrap_or(std::mem::take(&mut subnet.dns_servers));
    subnet.host_routes = change.host_routes.unwrap_or(std::mem::take(&mut subnet.host_routes));
    subnet.dhcp = change.dhcp.unwrap_or(subnet.dhcp);
    subnet.validate()?;
    rows::SUBNETS.save(tx, &mut subnet)?;
    tx.kick(network::KIND, subnet.network_id)?;
    port::ops::kick_routers_in(tx, subnet.network_id)?;
    Ok(subnet)
}

/// A gateway address that a router has cannot be taken from it.
fn check_gateway_unused(tx: &mut Tx<'_>, subnet: &Subnet) -> Result<(), Error> {
    let Some(gateway) = subnet.gateway else { return Ok(()) };
    match address::store::holder(tx, subnet.id, gateway)? {
        Some(port) => Err(Error::GatewayIpInUse { ip: gateway.to_string(), port: port.to_string() }),
        None => Ok(()),
    }
}

/// Deletes a subnet. Ports that only formed their own addresses lose them; any other address keeps the subnet.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, subnet: &Stored<Subnet>) -> Result<(), Error> {
    check(caller, "delete_subnet", &subnet.standard.project_id)?;
    let mut leaving = Vec::new();
    for id in address::store::ports_in(tx, subnet.id)? {
        let Some(port) = port::store::PORTS.load(tx, id)?.filter(|port| !port.deleted) else { continue };
        if port.is_router_leg() || !subnet.is_auto_address() {
            let reason = "One or more ports have an IP allocation from this subnet".to_owned();
            return Err(Error::SubnetInUse { id: subnet.id.to_string(), reason });
        }
        leaving.push(port);
    }
    for port in leaving {
        port::ops::drop_subnet(tx, port, subnet.id)?;
    }
    rows::SUBNETS.remove(tx, subnet)?;
    tx.kick(network::KIND, subnet.network_id)?;
    Ok(())
}
