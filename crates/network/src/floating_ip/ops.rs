//! What can be done with floating IPs.

use std::net::{IpAddr, Ipv4Addr};

use policy::{Caller, Target};
use store::{Select, Stored, Tx};
use types::{AddressFamily, FloatingIpId, NetworkId, PortId, ProjectId, RouterId};

use super::{Association, AssociationWish, FloatingIp, FloatingIpChange, FloatingIpDraft, store as rows};
use crate::port::{self, FLOATING_IP, FixedIpWish, Port, PortChange, ROUTER_INTERFACE, Watcher};
use crate::resource::{self, Standard, allows, check};
use crate::{Error, network, policies, quota, router, subnet};

/// Creates a floating IP.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: FloatingIpDraft) -> Result<Stored<FloatingIp>, Error> {
    let project = resource::owner(caller, draft.project_id)?;
    check(caller, "create_floatingip", &project)?;
    if draft.address.is_some() {
        policies::RULES.check("create_floatingip:floating_ip_address", caller, &Target::default())?;
    }
    let network = network::ops::show(caller, tx, draft.network_id)?;
    let refused = |reason: String| Error::BadRequest { resource: "floatingip", reason };
    if !network.external {
        return Err(refused(format!("Network {} is not a valid external network", network.id)));
    }
    let subnets = subnet::store::of_network(tx, network.id)?;
    let mut candidates = subnets.iter().filter(|subnet| subnet.family() == AddressFamily::V4);
    let wish = match draft.subnet_id {
        Some(id) if !subnets.iter().any(|subnet| subnet.id == id) => {
            return Err(Error::SubnetNotFound { id: id.to_string() });
        }
        Some(id) => FixedIpWish { subnet_id: Some(id), ip: draft.address.map(IpAddr::V4) },
        None if draft.address.is_some() => FixedIpWish { subnet_id: None, ip: draft.address.map(IpAddr::V4) },
        None => match candidates.next() {
            Some(subnet) => FixedIpWish { subnet_id: Some(subnet.id), ip: None },
            None => return Err(refused(format!("Network {} does not contain any IPv4 subnet", network.id))),
        },
    };
    quota::check(tx, &project, quota::Limited::Floatingip, 1)?;
    let id: FloatingIpId = runtime::new_uuid().into();
    let holder = hold(tx, &network, id, wish)?;
    let Some(IpAddr::V4(address)) = holder.addresses().first().copied() else {
        return Err(refused("a floating IP is an IPv4 address".to_owned()));
    };
    let standard = Standard::new(tx, project, draft.label);
    let floating = FloatingIp {
        id,
        standard,
        network_id: network.id,
        address,
        holder: holder.id,
        association: None,
        active: false,
    };
    let floating = rows::FLOATING_IPS.insert(tx, floating)?;
    match draft.association {
        Some(wish) => associate(caller, tx, floating, Some(wish)),
        None => Ok(floating),
    }
}

/// A port that does nothing but have the address. It belongs to no project.
fn hold(
    tx: &mut Tx<'_>,
    network: &network::Network,
    id: FloatingIpId,
    wish: FixedIpWish,
) -> Result<Stored<Port>, Error> {
    let wish = PortChange {
        device_id: Some(id.to_string()),
        device_owner: Some(FLOATING_IP.to_owned()),
        port_security: Some(false),
        fixed_ips: Some(vec![wish]),
        ..PortChange::default()
    };
    port::ops::insert(tx, network, ProjectId(String::new()), wish)
}

/// The floating IP of this id, if the caller may see it.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: FloatingIpId) -> Result<Stored<FloatingIp>, Error> {
    let floating = resource::load::<FloatingIp>(tx, id)?;
    if allows(caller, "get_floatingip", &floating.standard.project_id) {
        Ok(floating)
    } else {
        Err(Error::FloatingIPNotFound { id: id.to_string() })
    }
}

/// Which floating IPs the caller may see.
pub(crate) fn scope(caller: &Caller) -> Select {
    match caller.project_id() {
        _ if caller.is_admin() => Select::all(),
        Some(project) => Select::all().eq("project_id", project.as_str()),
        None => Select::all().is_in("project_id", Vec::<String>::new()),
    }
}

/// Changes where a floating IP leads, or its description.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut floating: Stored<FloatingIp>,
    change: FloatingIpChange,
) -> Result<Stored<FloatingIp>, Error> {
    check(caller, "update_floatingip", &floating.standard.project_id)?;
    floating.standard.relabel(tx, change.label);
    match change.association {
        Some(wish) => associate(caller, tx, floating, wish),
        None => {
            rows::FLOATING_IPS.save(tx, &mut floating)?;
            Ok(floating)
        }
    }
}

fn associate(
    caller: &Caller,
    tx: &mut Tx<'_>,
    floating: Stored<FloatingIp>,
    wish: Option<AssociationWish>,
) -> Result<Stored<FloatingIp>, Error> {
    let association = match wish {
        None => None,
        Some(wish) => Some(lead(caller, tx, &floating, wish)?),
    };
    redirect(tx, floating, association)
}

/// Finds out how a floating IP gets to a port.
fn lead(
    caller: &Caller,
    tx: &mut Tx<'_>,
    floating: &FloatingIp,
    wish: AssociationWish,
) -> Result<Association, Error> {
    let port = port::ops::show(caller, tx, wish.port_id)?;
    let refused = |reason: String| Error::BadRequest { resource: "floatingip", reason };
    let inside = port.fixed_ips.iter().filter_map(|fixed| match fixed.ip {
        IpAddr::V4(v4) => Some((fixed.subnet_id, v4)),
        IpAddr::V6(_) => None,
    });
    let inside: Vec<_> = inside.collect();
    let (subnet, fixed_ip) = match wish.fixed_ip {
        Some(ip) => inside
            .iter()
            .find(|(_, v4)| IpAddr::V4(*v4) == ip)
            .copied()
            .ok_or_else(|| refused(format!("Port {} does not have fixed ip {ip}", port.id)))?,
        None => match inside.as_slice() {
            [one] => *one,
            [] => return Err(refused(format!("Port {} does not have an IPv4 address", port.id))),
            _ => {
                let reason = format!(
                    "Port {} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP",
                    port.id
                );
                return Err(refused(reason));
            }
        },
    };
    let twin = rows::of_ports(tx, &[port.id])?.into_iter();
    if let Some(twin) =
        twin.into_iter().find(|f| f.id != floating.id && f.fixed_ip() == Some(fixed_ip.into()))
    {
        return Err(Error::FloatingIPPortAlreadyAssociated {
            address: floating.address.to_string(),
            id: floating.id.to_string(),
            port: port.id.to_string(),
            fixed: fixed_ip.to_string(),
            network: twin.network_id.to_string(),
        });
    }
    let router_id = router_between(tx, floating.network_id, subnet, &port)?;
    Ok(Association { port_id: port.id, fixed_ip, router_id })
}

/// The router that has a leg in the subnet and a gateway to the external network. Of several, the one that is the
/// subnet's gateway.
fn router_between(
    tx: &mut Tx<'_>,
    outside: NetworkId,
    subnet: types::SubnetId,
    port: &Port,
) -> Result<RouterId, Error> {
    let gateway = resource::load::<subnet::Subnet>(tx, subnet)?.gateway;
    let mut found: Option<(bool, RouterId)> = None;
    for leg in port::store::of_network(tx, port.network_id)? {
        let here = leg.fixed_ips.iter().find(|fixed| fixed.subnet_id == subnet);
        let (Some(fixed), Ok(id)) = (here, leg.device.id.parse::<RouterId>()) else { continue };
        if leg.device.owner != ROUTER_INTERFACE {
            continue;
        }
        let router = router::store::ROUTERS.load(tx, id)?;
        let leads = router.and_then(|r| r.gateway.clone()).is_some_and(|way| way.network_id == outside);
        let is_gateway = gateway == Some(fixed.ip);
        if leads && found.is_none_or(|(better, _)| is_gateway && !better) {
            found = Some((is_gateway, id));
        }
    }
    found.map(|(_, id)| id).ok_or_else(|| Error::ExternalGatewayForFloatingIPNotFound {
        network: outside.to_string(),
        subnet: subnet.to_string(),
        port: port.id.to_string(),
    })
}

/// Lets a floating IP lead elsewhere; the routers and the ports on both ends hear of it.
fn redirect(
    tx: &mut Tx<'_>,
    mut floating: Stored<FloatingIp>,
    association: Option<Association>,
) -> Result<Stored<FloatingIp>, Error> {
    let before = std::mem::replace(&mut floating.association, association);
    if before != floating.association {
        floating.active = false;
    }
    floating.standard.updated_at = tx.now();
    rows::FLOATING_IPS.save(tx, &mut floating)?;
    for end in [before, floating.association.clone()].into_iter().flatten() {
        tx.kick(router::KIND, end.router_id)?;
        tell_server(tx, end.port_id)?;
    }
    Ok(floating)
}

/// A server shows its floating IPs, so whoever watches its port must look again.
fn tell_server(tx: &mut Tx<'_>, port: PortId) -> Result<(), Error> {
    let port = port::store::PORTS.load(tx, port)?;
    let watcher: Option<Watcher> = port.and_then(|port| port.binding.clone()?.watcher);
    match watcher {
        Some(watcher) => Ok(tx.kick(&watcher.kind, &watcher.id)?),
        None => Ok(()),
    }
}

/// Deletes a floating IP.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, floating: Stored<FloatingIp>) -> Result<(), Error> {
    check(caller, "delete_floatingip", &floating.standard.project_id)?;
    let floating = redirect(tx, floating, None)?;
    if let Some(holder) = port::store::PORTS.load(tx, floating.holder)? {
        port::ops::remove(tx, holder)?;
    }
    Ok(rows::FLOATING_IPS.remove(tx, &floating)?)
}

/// Lets no floating IP lead to a port that is going.
pub(crate) fn port_gone(tx: &mut Tx<'_>, port: PortId) -> Result<(), Error> {
    for floating in rows::of_ports(tx, &[port])? {
        redirect(tx, floating, None)?;
    }
    Ok(())
}

/// Lets no floating IP lead to an address that its port has lost.
pub(crate) fn addresses_changed(tx: &mut Tx<'_>, port: &Port) -> Result<(), Error> {
    let has = |ip: Ipv4Addr| port.fixed_ips.iter().any(|fixed| fixed.ip == IpAddr::V4(ip));
    for floating in rows::of_ports(tx, &[port.id])? {
        if floating.association.as_ref().is_some_and(|association| !has(association.fixed_ip)) {
            redirect(tx, floating, None)?;
        }
    }
    Ok(())
}

/// Notes on a router's floating IPs whether it translates them. While it takes in a change, which is `None`, those it
/// had already stay as they are.
pub(crate) fn follow_router(
    tx: &mut Tx<'_>,
    router: RouterId,
    active: Option<bool>,
) -> Result<(), store::Error> {
    for mut floating in rows::of_router(tx, router)? {
        if active.is_some_and(|active| active != floating.active) {
            floating.active = !floating.active;
            floating.standard.updated_at = tx.now();
            rows::FLOATING_IPS.save(tx, &mut floating)?;
        }
    }
    Ok(())
}
