//! Which addresses a port gets: decided from the subnets and the client's wishes, before any address is looked up.

use std::net::IpAddr;

use types::{AddressFamily, IpNet, MacAddr, SubnetId, eui64};

use super::FixedIpWish;
use crate::Error;
use crate::subnet::Subnet;

/// One address to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Exactly this.
    Exactly(SubnetId, IpAddr),
    /// Any of the first of these subnets that has one left.
    AnyOf(Vec<SubnetId>),
}

/// What a port is, as far as its addresses depend on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct For {
    pub(super) mac: MacAddr,
    /// A router chooses its address even where hosts form theirs.
    pub(super) is_router_leg: bool,
}

/// The addresses that a port gets on a network with these subnets. Without wishes it gets one of each family; where
/// hosts form their own address it has that one in any case, for the guest will have it.
pub(super) fn choices(
    subnets: &[&Subnet],
    wishes: Option<&[FixedIpWish]>,
    port: For,
) -> Result<Vec<Choice>, Error> {
    let mut choices = match wishes {
        None => usual(subnets),
        Some(wishes) => wishes.iter().map(|wish| wished(subnets, wish, port)).collect::<Result<_, _>>()?,
    };
    if !port.is_router_leg {
        choices.extend(
            subnets.iter().filter(|subnet| subnet.is_auto_address()).filter_map(|s| formed(s, port.mac)),
        );
    }
    let mut kept: Vec<Choice> = Vec::with_capacity(choices.len());
    for choice in choices {
        // Who wishes for an address that is formed anyhow has wished for nothing more.
        if !kept.contains(&choice) || matches!(choice, Choice::AnyOf(_)) {
            kept.push(choice);
        }
    }
    Ok(kept)
}

fn usual(subnets: &[&Subnet]) -> Vec<Choice> {
    let of = |family: AddressFamily| {
        let chosen = subnets.iter().filter(|s| s.family() == family && !s.is_auto_address());
        chosen.map(|s| s.id).collect::<Vec<_>>()
    };
    let families = [of(AddressFamily::V4), of(AddressFamily::V6)];
    families.into_iter().filter(|ids| !ids.is_empty()).map(Choice::AnyOf).collect()
}

fn wished(subnets: &[&Subnet], wish: &FixedIpWish, port: For) -> Result<Choice, Error> {
    match (wish.subnet_id, wish.ip) {
        (Some(id), ip) => {
            let subnet = subnets.iter().find(|subnet| subnet.id == id);
            let foreign = || {
                Error::input(format!("Failed to create port, because fixed_ips included invalid subnet {id}"))
            };
            let subnet = subnet.ok_or_else(foreign)?;
            match ip {
                Some(ip) => exactly(subnet, ip, port),
                None => Ok(any_of(subnet, port)),
            }
        }
        (None, Some(ip)) => {
            let subnet = subnets.iter().find(|subnet| subnet.has_host(ip));
            let subnet = subnet.ok_or_else(|| Error::InvalidIpForNetwork { ip: ip.to_string() })?;
            exactly(subnet, ip, port)
        }
        (None, None) => Err(Error::input("IP allocation requires subnet_id or ip_address")),
    }
}

fn any_of(subnet: &Subnet, port: For) -> Choice {
    let formed =
        if subnet.is_auto_address() && !port.is_router_leg { formed(subnet, port.mac) } else { None };
    formed.unwrap_or_else(|| Choice::AnyOf(vec![subnet.id]))
}

fn exactly(subnet: &Subnet, ip: IpAddr, port: For) -> Result<Choice, Error> {
    if !subnet.has_host(ip) {
        return Err(Error::InvalidIpForSubnet { ip: ip.to_string() });
    }
    let choice = Choice::Exactly(subnet.id, ip);
    if subnet.is_auto_address() && !port.is_router_leg && formed(subnet, port.mac).as_ref() != Some(&choice) {
        let (ip, subnet) = (ip.to_string(), subnet.id.to_string());
        return Err(Error::AllocationOnAutoAddressSubnet { ip, subnet });
    }
    Ok(choice)
}

/// The address that a host with this MAC forms in the subnet.
fn formed(subnet: &Subnet, mac: MacAddr) -> Option<Choice> {
    match subnet.cidr {
        IpNet::V6(prefix) => Some(Choice::Exactly(subnet.id, IpAddr::V6(eui64(prefix, mac)))),
        IpNet::V4(_) => None,
    }
}
