//! Giving addresses to ports and taking them back.

use store::{Stored, Tx};
use types::{IpNet, SubnetId, eui64};

use super::fixed_ips::{Choice, For, choices};
use super::ops::{changed, regroup};
use super::{FixedIp, FixedIpWish, Port, ROUTER_GATEWAY, store as rows};
use crate::subnet::{self, Subnet};
use crate::{Error, address};

/// Finds addresses for a port that has none, and takes them.
pub(super) fn allocate(
    tx: &mut Tx<'_>,
    port: &Port,
    wishes: Option<&[FixedIpWish]>,
) -> Result<Vec<FixedIp>, Error> {
    let subnets = subnet::store::of_network(tx, port.network_id)?;
    let subnets: Vec<&Subnet> = subnets.iter().map(|subnet| &**subnet).collect();
    let who = For { mac: port.mac, is_router_leg: port.is_router_leg() };
    let mut fixed_ips = Vec::new();
    for choice in choices(&subnets, wishes, who)? {
        fixed_ips.push(take(tx, port, &subnets, &choice)?);
    }
    Ok(fixed_ips)
}

/// Finds other addresses for a port. Those it has and may keep, it keeps.
pub(super) fn reallocate(
    tx: &mut Tx<'_>,
    port: &Port,
    wishes: Option<&[FixedIpWish]>,
) -> Result<Vec<FixedIp>, Error> {
    let subnets = subnet::store::of_network(tx, port.network_id)?;
    let kept_wishes: Vec<FixedIpWish> = match wishes {
        Some(wishes) => wishes.iter().map(|wish| keep_if_had(port, wish)).collect(),
        // The MAC changed: what it had formed of the old one goes, the rest stays.
        None => {
            let chosen =
                |fixed: &&FixedIp| subnets.iter().any(|s| s.id == fixed.subnet_id && !s.is_auto_address());
            port.fixed_ips.iter().filter(chosen).map(wish_for).collect()
        }
    };
    for had in &port.fixed_ips {
        address::store::remove(tx, had.subnet_id, had.ip)?;
    }
    allocate(tx, port, Some(&kept_wishes))
}

/// Who asks for any address of a subnet, and has one, asks for that one.
fn keep_if_had(port: &Port, wish: &FixedIpWish) -> FixedIpWish {
    let had =
        port.fixed_ips.iter().find(|fixed| wish.ip.is_none() && Some(fixed.subnet_id) == wish.subnet_id);
    had.map_or(*wish, wish_for)
}

fn wish_for(fixed: &FixedIp) -> FixedIpWish {
    FixedIpWish { subnet_id: Some(fixed.subnet_id), ip: Some(fixed.ip) }
}

fn take(tx: &mut Tx<'_>, port: &Port, subnets: &[&Subnet], choice: &Choice) -> Result<FixedIp, Error> {
    let network = || port.network_id.to_string();
    let fixed = match choice {
        Choice::Exactly(subnet_id, ip) => {
            if address::store::is_taken(tx, *subnet_id, *ip)? {
                return Err(Error::IpAddressInUse { network: network(), ip: ip.to_string() });
            }
            FixedIp { subnet_id: *subnet_id, ip: *ip }
        }
        Choice::AnyOf(ids) => {
            let mut found = None;
            for subnet in subnets.iter().filter(|subnet| ids.contains(&subnet.id)) {
                if let Some(ip) = address::free(tx, subnet)? {
                    found = Some(FixedIp { subnet_id: subnet.id, ip });
                    break;
                }
            }
            found.ok_or_else(|| match port.device.owner.as_str() {
                ROUTER_GATEWAY | super::FLOATING_IP => {
                    Error::ExternalIpAddressExhausted { network: network() }
                }
                _ => Error::IpAddressGenerationFailure { network: network() },
            })?
        }
    };
    address::store::insert(tx, fixed.subnet_id, fixed.ip, port.id)?;
    Ok(fixed)
}

/// Gives every port of a new subnet's network the address that its host will form there.
pub(crate) fn add_auto_addresses(tx: &mut Tx<'_>, subnet: &Subnet) -> Result<(), Error> {
    let IpNet::V6(prefix) = subnet.cidr else { return Ok(()) };
    for mut port in rows::of_network(tx, subnet.network_id)? {
        if port.device.is_ours() {
            continue;
        }
        let before = (*port).clone();
        let fixed = FixedIp { subnet_id: subnet.id, ip: eui64(prefix, port.mac).into() };
        address::store::insert(tx, fixed.subnet_id, fixed.ip, port.id)?;
        port.fixed_ips.push(fixed);
        replug(tx, &before, port)?;
    }
    Ok(())
}

/// Takes a port's addresses of a subnet that is being deleted.
pub(crate) fn drop_subnet(tx: &mut Tx<'_>, mut port: Stored<Port>, subnet: SubnetId) -> Result<(), Error> {
    let before = (*port).clone();
    for fixed in port.fixed_ips.iter().filter(|fixed| fixed.subnet_id == subnet) {
        address::store::remove(tx, fixed.subnet_id, fixed.ip)?;
    }
    port.fixed_ips.retain(|fixed| fixed.subnet_id != subnet);
    replug(tx, &before, port).map(drop)
}

/// Gives a port other addresses.
pub(crate) fn readdress(
    tx: &mut Tx<'_>,
    mut port: Stored<Port>,
    wishes: Option<&[FixedIpWish]>,
) -> Result<Stored<Port>, Error> {
    let before = (*port).clone();
    port.fixed_ips = reallocate(tx, &port, wishes)?;
    replug(tx, &before, port)
}

/// Writes back a port whose addresses, device or guards changed, and tells everybody concerned.
pub(crate) fn replug(tx: &mut Tx<'_>, before: &Port, mut port: Stored<Port>) -> Result<Stored<Port>, Error> {
    port.standard.updated_at = tx.now();
    rows::PORTS.save(tx, &mut port)?;
    regroup(tx, before, &port)?;
    changed(tx, &port)?;
    Ok(port)
}
