//! What can be done with ports.

use policy::{Caller, Denied};
use store::{Condition, Select, Stored, Tx};
use types::{MacAddr, NetworkId, PortId, ProjectId, SecurityGroupId};

pub(crate) use super::allocation::{add_auto_addresses, drop_subnet, readdress, replug};
use super::allocation::{allocate, reallocate};
pub use super::binding::{Addressing, addressing, attach, bind, detach, is_released, of_device, unbind};
use super::binding::{bind_by_hand, release};
use super::{Device, KIND, Plug, Port, PortChange, PortDraft, store as rows};
use crate::network::{self, Network};
use crate::resource::{self, Standard, allows, check};
use crate::security_group::{self, store as groups};
use crate::{Error, address, floating_ip, quota, router};

/// How many draws of a free MAC address may fail.
const MAC_DRAWS_MAX: usize = 20;
/// How many address pairs a port can have, as in Neutron.
const ADDRESS_PAIRS_MAX: usize = 10;

/// Creates a port.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: PortDraft) -> Result<Stored<Port>, Error> {
    let network = network::ops::show(caller, tx, draft.network_id)?;
    let project = resource::owner(caller, draft.project_id)?;
    check(caller, "create_port", &project)?;
    if network.external && !network.shared {
        // Outside, only routers and floating IPs have addresses, unless the network's owner wants it otherwise.
        check(caller, "create_port", &network.standard.project_id)?;
    }
    check_attributes(caller, "create_port", &network, &draft.wish)?;
    quota::check(tx, &project, quota::Limited::Port, 1)?;
    insert(tx, &network, project, draft.wish)
}

/// Creates a port whatever quotas and policies say: for routers and floating IPs.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    network: &Network,
    project: ProjectId,
    wish: PortChange,
) -> Result<Stored<Port>, Error> {
    let mac = match wish.mac {
        None => free_mac(tx, network.id)?,
        Some(mac) => unused_mac(tx, network.id, mac)?,
    };
    let device =
        Device { id: wish.device_id.unwrap_or_default(), owner: wish.device_owner.unwrap_or_default() };
    let port_security = wish.port_security.unwrap_or(network.port_security && !device.is_ours());
    let security_groups = match wish.security_groups {
        Some(ids) => ids,
        None if port_security => vec![security_group::ops::ensure_default(tx, &project)?.id],
        None => Vec::new(),
    };
    let mut port = Port {
        id: runtime::new_uuid().into(),
        standard: Standard::new(tx, project, wish.label),
        network_id: network.id,
        mac,
        admin_up: wish.admin_up.unwrap_or(true),
        device,
        fixed_ips: Vec::new(),
        plug: Plug { port_security, security_groups, address_pairs: wish.address_pairs.unwrap_or_default() },
        profile: wish.profile.unwrap_or_default(),
        binding: None,
        deleted: false,
    };
    check_plug(&port.plug)?;
    port.fixed_ips = allocate(tx, &port, wish.fixed_ips.as_deref())?;
    let port = rows::PORTS.insert(tx, port)?;
    for group in &port.plug.security_groups {
        groups::insert_member(tx, *group, port.id)?;
        security_group::ops::members_changed(tx, *group)?;
    }
    bind_by_hand(tx, port, wish.host)
}

/// The port of this id, if the caller may see it: its own project's, or one on its network.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: PortId) -> Result<Stored<Port>, Error> {
    let port = resource::load::<Port>(tx, id)?;
    if may(caller, tx, "get_port", &port)? {
        Ok(port)
    } else {
        Err(Error::PortNotFound { id: id.to_string() })
    }
}

/// Whether a rule allows something to the port's owner or to its network's.
fn may(caller: &Caller, tx: &mut Tx<'_>, rule: &str, port: &Port) -> Result<bool, Error> {
    if allows(caller, rule, &port.standard.project_id) {
        return Ok(true);
    }
    let network = network::ops::lookup(tx, port.network_id)?;
    Ok(network.is_some_and(|network| allows(caller, rule, &network.standard.project_id)))
}

fn check_may(caller: &Caller, tx: &mut Tx<'_>, rule: &str, port: &Port) -> Result<(), Error> {
    if may(caller, tx, rule, port)? { Ok(()) } else { Err(Denied { rule: rule.to_owned() }.into()) }
}

/// Which ports the caller may see.
pub(crate) fn scope(caller: &Caller, tx: &mut Tx<'_>) -> Result<Select, Error> {
    if caller.is_admin() {
        return Ok(rows::live());
    }
    let Some(project) = caller.project_id() else { return Ok(rows::live().with(Condition::Any(Vec::new()))) };
    let own = Condition::Eq("project_id", project.as_str().into());
    let networks = network::store::NETWORKS.query(tx, &network::store::owned_by(project))?;
    let networks = networks.iter().map(|network| network.id.into()).collect();
    Ok(rows::live().with(Condition::Any(vec![own, Condition::In("network_id", networks)])))
}

/// Changes a port.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut port: Stored<Port>,
    change: PortChange,
) -> Result<Stored<Port>, Error> {
    check_may(caller, tx, "update_port", &port)?;
    let network = resource::load::<Network>(tx, port.network_id)?;
    check_attributes(caller, "update_port", &network, &change)?;
    let before = (*port).clone();
    if let Some(mac) = change.mac.filter(|mac| *mac != port.mac) {
        if let Some(host) = port.host() {
            return Err(Error::PortBound { id: port.id.to_string(), host: host.to_string() });
        }
        port.mac = unused_mac(tx, port.network_id, mac)?;
    }
    if change.fixed_ips.is_some() || port.mac != before.mac {
        port.fixed_ips = reallocate(tx, &port, change.fixed_ips.as_deref())?;
    }
    port.standard.relabel(tx, change.label);
    port.admin_up = change.admin_up.unwrap_or(port.admin_up);
    port.device.id = change.device_id.unwrap_or(std::mem::take(&mut port.device.id));
    port.device.owner = change.device_owner.unwrap_or(std::mem::take(&mut port.device.owner));
    let groups = change.security_groups.as_ref().unwrap_or(&port.plug.security_groups);
    if change.port_security == Some(false) && !groups.is_empty() {
        return Err(Error::PortSecurityPortHasSecurityGroup {});
    }
    port.plug.port_security = change.port_security.unwrap_or(port.plug.port_security);
    port.plug.security_groups =
        change.security_groups.unwrap_or(std::mem::take(&mut port.plug.security_groups));
    port.plug.address_pairs = change.address_pairs.unwrap_or(std::mem::take(&mut port.plug.address_pairs));
    port.profile = change.profile.unwrap_or(std::mem::take(&mut port.profile));
    check_plug(&port.plug)?;
    rows::PORTS.save(tx, &mut port)?;
    regroup(tx, &before, &port)?;
    changed(tx, &port)?;
    bind_by_hand(tx, port, change.host)
}

/// Moves a changed port between groups, and tells those who have its addresses in their rules.
pub(super) fn regroup(tx: &mut Tx<'_>, before: &Port, after: &Port) -> Result<(), Error> {
    let (old, new) = (&before.plug.security_groups, &after.plug.security_groups);
    for group in old.iter().filter(|group| !new.contains(group)) {
        groups::remove_member(tx, *group, after.id)?;
        security_group::ops::members_changed(tx, *group)?;
        tx.kick(security_group::KIND, group)?;
    }
    for group in new.iter().filter(|group| !old.contains(group)) {
        groups::insert_member(tx, *group, after.id)?;
        security_group::ops::members_changed(tx, *group)?;
    }
    if before.fixed_ips != after.fixed_ips {
        new.iter().try_for_each(|group| security_group::ops::members_changed(tx, *group))?;
        floating_ip::ops::addresses_changed(tx, after)?;
    }
    Ok(())
}

/// Has whoever speaks for the port on a host look at it again.
pub(super) fn changed(tx: &mut Tx<'_>, port: &Port) -> Result<(), Error> {
    if port.is_router_leg() {
        return Ok(tx.kick(router::KIND, &port.device.id)?);
    }
    if let Some(binding) = &port.binding {
        tx.kick(KIND, port.id)?;
        if let Some(watcher) = &binding.watcher {
            tx.kick(&watcher.kind, &watcher.id)?;
        }
    }
    Ok(())
}

/// Deletes a port. Its floating IPs lose it; if it is bound, its addresses stay taken until its host has let go.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, port: Stored<Port>) -> Result<(), Error> {
    check_may(caller, tx, "delete_port", &port)?;
    if port.device.is_ours() {
        let reason = format!("has device owner {}", port.device.owner);
        return Err(Error::ServicePortInUse { id: port.id.to_string(), reason });
    }
    remove(tx, port)
}

/// Deletes a port, whoever's it is.
pub(crate) fn remove(tx: &mut Tx<'_>, mut port: Stored<Port>) -> Result<(), Error> {
    floating_ip::ops::port_gone(tx, port.id)?;
    if port.is_router_leg() || port.binding.is_none() {
        return purge(tx, &port);
    }
    port.deleted = true;
    release(&mut port);
    rows::PORTS.save(tx, &mut port)?;
    Ok(tx.kick(KIND, port.id)?)
}

/// Removes the row and all that hangs on it.
pub(super) fn purge(tx: &mut Tx<'_>, port: &Stored<Port>) -> Result<(), Error> {
    address::store::remove_all(tx, port.id)?;
    for group in &port.plug.security_groups {
        groups::remove_member(tx, *group, port.id)?;
        security_group::ops::members_changed(tx, *group)?;
        tx.kick(security_group::KIND, group)?;
    }
    rows::PORTS.remove(tx, port)?;
    Ok(tx.kick(network::KIND, port.network_id)?)
}

/// Asks for each attribute that not everybody may set. Most are the network's owner's to decide.
fn check_attributes(caller: &Caller, rule: &str, network: &Network, wish: &PortChange) -> Result<(), Error> {
    let asked = [
        ("device_owner", wish.device_owner.as_deref().is_some_and(|owner| owner.starts_with("network:"))),
        ("mac_address", wish.mac.is_some()),
        ("fixed_ips:ip_address", wish.fixed_ips.iter().flatten().any(|fixed| fixed.ip.is_some())),
        ("port_security_enabled", wish.port_security.is_some()),
        ("allowed_address_pairs", wish.address_pairs.is_some()),
        ("binding:host_id", wish.host.is_some()),
        ("binding:profile", wish.profile.is_some()),
    ];
    for (attribute, _) in asked.iter().filter(|(_, is_asked)| *is_asked) {
        check(caller, &format!("{rule}:{attribute}"), &network.standard.project_id)?;
    }
    let device = Device { id: String::new(), owner: wish.device_owner.clone().unwrap_or_default() };
    // A port that says it is a router's is believed elsewhere, so only routers make such.
    if device.is_ours() { Err(Denied { rule: format!("{rule}:device_owner") }.into()) } else { Ok(()) }
}

/// Whether the groups that a client named are there for it to use.
pub(crate) fn check_groups(caller: &Caller, tx: &mut Tx<'_>, ids: &[SecurityGroupId]) -> Result<(), Error> {
    ids.iter().try_for_each(|id| security_group::ops::show(caller, tx, *id).map(drop))
}

fn check_plug(plug: &Plug) -> Result<(), Error> {
    let (groups, pairs) = (&plug.security_groups, &plug.address_pairs);
    if !plug.port_security && !groups.is_empty() {
        return Err(Error::PortSecurityAndIPRequiredForSecurityGroups {});
    }
    if !plug.port_security && !pairs.is_empty() {
        return Err(Error::AddressPairAndPortSecurityRequired {});
    }
    if pairs.len() > ADDRESS_PAIRS_MAX {
        return Err(Error::AllowedAddressPairExhausted { max: ADDRESS_PAIRS_MAX });
    }
    let twin = pairs.iter().enumerate().find(|(n, pair)| pairs[..*n].contains(pair));
    twin.map_or(Ok(()), |(_, pair)| {
        let mac = pair.mac.map_or_else(|| "None".to_owned(), |mac| mac.to_string());
        Err(Error::DuplicateAddressPairInRequest { mac, ip: pair.prefix.to_string() })
    })
}

fn free_mac(tx: &mut Tx<'_>, network: NetworkId) -> Result<MacAddr, Error> {
    for _ in 0..MAC_DRAWS_MAX {
        let drawn = MacAddr::openstack((runtime::random_u64() & 0xff_ffff) as u32);
        if !rows::has_mac(tx, network, drawn)? {
            return Ok(drawn);
        }
    }
    Err(Error::NetworkMacAddressGenerationFailure { network: network.to_string() })
}

fn unused_mac(tx: &mut Tx<'_>, network: NetworkId, mac: MacAddr) -> Result<MacAddr, Error> {
    if mac.is_multicast() || mac == MacAddr([0; 6]) {
        return Err(Error::invalid("mac_address", format!("'{mac}' is not a valid MAC address")));
    }
    if rows::has_mac(tx, network, mac)? {
        return Err(Error::MacAddressInUse { network: network.to_string(), mac: mac.to_string() });
    }
    Ok(mac)
}

/// Has every port of a network looked at again.
pub(crate) fn kick_all_in(tx: &mut Tx<'_>, network: NetworkId) -> Result<(), Error> {
    rows::of_network(tx, network)?.iter().try_for_each(|port| changed(tx, port))
}

/// Has every router with a leg in a network looked at again.
pub(crate) fn kick_routers_in(tx: &mut Tx<'_>, network: NetworkId) -> Result<(), Error> {
    let ports = rows::of_network(tx, network)?;
    ports.iter().filter(|port| port.is_router_leg()).try_for_each(|port| changed(tx, port))
}
