//! What a server asks of the network service: ports of its own, other people's ports claimed, and where they are bound.

use std::net::IpAddr;

use ::store::{Stored, Tx};
use agent_api::network::Ipv6Mode;
use network::port::ops as port_ops;
use network::port::{Bind, Device, FixedIpWish, Port, PortChange, PortDraft, Status, Watcher};
use network::security_group::ops as group_ops;
use policy::Caller;
use types::{NetworkId, PortId, SecurityGroupId, ServerId, SubnetId};

use super::device::{Address, Nic, Subnet};
use super::{Networks, RECONCILER, Server, WantedNic};
use crate::Error;

impl From<network::Error> for Error {
    fn from(error: network::Error) -> Error {
        Error::of_neighbour(&error)
    }
}

/// Who owns a server's port.
const OWNER: &str = "compute:nova";

fn device(id: ServerId) -> Device {
    Device { id: id.to_string(), owner: OWNER.to_owned() }
}

/// The cards that a server is to have: what its owner asked for, or one on the only network there is.
pub(crate) fn wanted(caller: &Caller, tx: &mut Tx<'_>, networks: &Networks) -> Result<Vec<WantedNic>, Error> {
    match networks {
        Networks::None => Ok(Vec::new()),
        Networks::These(nics) if !nics.is_empty() => Ok(nics.clone()),
        Networks::These(_) | Networks::Unspecified => {
            let usable = network::network::ops::usable(caller, tx)?;
            match usable.as_slice() {
                [] => Ok(Vec::new()),
                [only] => Ok(vec![WantedNic::on(only.id)]),
                _ => Err(ambiguous()),
            }
        }
        Networks::Auto => {
            let usable = network::network::ops::usable(caller, tx)?;
            match usable.as_slice() {
                [] => Ok(vec![WantedNic::on(network::auto_topology::ops::ensure(caller, tx)?)]),
                [only] => Ok(vec![WantedNic::on(only.id)]),
                _ => Err(ambiguous()),
            }
        }
    }
}

fn ambiguous() -> Error {
    Error::Conflict("Multiple possible networks found, use a Network ID to be more specific.".to_owned())
}

/// Ids of the groups of these names or ids.
pub(crate) fn groups(
    caller: &Caller,
    tx: &mut Tx<'_>,
    names: &[String],
) -> Result<Vec<SecurityGroupId>, Error> {
    names.iter().map(|name| group(caller, tx, name)).collect()
}

fn group(caller: &Caller, tx: &mut Tx<'_>, name: &str) -> Result<SecurityGroupId, Error> {
    let found = group_ops::find(caller, tx, name)?;
    match found.as_slice() {
        [one] => Ok(one.id),
        [] => Err(Error::Invalid(format!("Security group {name} not found."))),
        _ => Err(Error::Conflict(format!(
            "Multiple security groups found matching '{name}'. Use an ID to be more specific."
        ))),
    }
}

/// Makes or claims the port of one card.
pub(crate) fn plug(
    caller: &Caller,
    tx: &mut Tx<'_>,
    server: ServerId,
    wanted: &WantedNic,
    groups: Option<&[SecurityGroupId]>,
) -> Result<Nic, Error> {
    let port = match (wanted.port_id, wanted.network_id) {
        (Some(id), _) => claim(caller, tx, server, id)?,
        (None, Some(network_id)) => make(caller, tx, server, network_id, (wanted.fixed_ip, groups))?,
        (None, None) => return Err(Error::Invalid("Bad networks format: neither port nor uuid".to_owned())),
    };
    Ok(Nic {
        port_id: port.id,
        ours: wanted.port_id.is_none(),
        tag: wanted.tag.clone(),
        network_id: port.network_id,
        network_name: String::new(),
        mac: port.mac,
        mtu: 0,
        up: false,
        addresses: Vec::new(),
        security_groups: Vec::new(),
    })
}

fn claim(caller: &Caller, tx: &mut Tx<'_>, server: ServerId, id: PortId) -> Result<Stored<Port>, Error> {
    let port = port_ops::show(caller, tx, id)?;
    if !port.device.id.is_empty() {
        return Err(Error::Conflict(format!("Port {id} is still in use.")));
    }
    if port.fixed_ips.is_empty() {
        return Err(Error::Invalid(format!("Port {id} requires a FixedIP in order to be used.")));
    }
    Ok(port_ops::attach(caller, tx, id, device(server))?)
}

fn make(
    caller: &Caller,
    tx: &mut Tx<'_>,
    server: ServerId,
    network_id: NetworkId,
    (fixed_ip, groups): (Option<IpAddr>, Option<&[SecurityGroupId]>),
) -> Result<Stored<Port>, Error> {
    let network = network::network::ops::show(caller, tx, network_id)?;
    if network.external && !network.shared && !caller.is_admin() {
        let text = format!("It is not allowed to create an interface on external network {network_id}");
        return Err(Error::Forbidden(text));
    }
    let Device { id, owner } = device(server);
    let wish = PortChange {
        fixed_ips: fixed_ip.map(|ip| vec![FixedIpWish { subnet_id: None, ip: Some(ip) }]),
        device_id: Some(id),
        device_owner: Some(owner),
        security_groups: groups.filter(|_| network.port_security).map(<[_]>::to_vec),
        ..PortChange::default()
    };
    let port = port_ops::create(caller, tx, PortDraft { project_id: None, network_id, wish })?;
    if port.fixed_ips.is_empty() {
        let text = format!("Network {network_id} requires a subnet in order to boot instances on.");
        return Err(Error::Invalid(text));
    }
    Ok(port)
}

/// Binds the server's ports to its host.
pub(crate) fn bind(tx: &mut Tx<'_>, server: &Server) -> Result<(), Error> {
    let Some(host) = &server.host else { return Ok(()) };
    for nic in &server.nics {
        let watcher = Some(Watcher { kind: RECONCILER.to_owned(), id: server.id.to_string() });
        let hostname = Some(server.hostname.clone());
        port_ops::bind(tx, nic.port_id, Bind { host: host.clone(), watcher, hostname })?;
    }
    Ok(())
}

/// Reads again what the network service says about the server's ports. A port that is gone takes its card with it.
pub(crate) fn refresh(tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    if server.nics.is_empty() {
        return Ok(());
    }
    let id = server.id.to_string();
    let ports = port_ops::of_device(tx, &id)?;
    let known = port_ops::addressing(tx, std::slice::from_ref(&id))?;
    let mut nics = Vec::with_capacity(server.nics.len());
    for mut nic in std::mem::take(&mut server.nics) {
        let Some(port) = ports.iter().find(|port| port.id == nic.port_id) else { continue };
        let Some(view) = known.iter().find(|view| view.port_id == nic.port_id) else { continue };
        nic.network_name.clone_from(&view.network_name);
        nic.mtu = view.mtu;
        nic.mac = view.mac;
        nic.up = port.status() == Status::Active;
        let names = group_ops::names(tx, &port.plug.security_groups)?;
        nic.security_groups = names.into_iter().map(|(_, name)| name).collect();
        nic.addresses = addresses(tx, port, &nic, &view.floating_ips)?;
        nics.push(nic);
    }
    server.nics = nics;
    Ok(())
}

fn addresses(
    tx: &mut Tx<'_>,
    port: &Port,
    before: &Nic,
    floating: &[(IpAddr, IpAddr)],
) -> Result<Vec<Address>, Error> {
    let mut addresses = Vec::with_capacity(port.fixed_ips.len());
    for fixed in &port.fixed_ips {
        let Some(subnet) = subnet(tx, fixed.subnet_id, before)? else { continue };
        let floating = floating.iter().filter(|(inside, _)| *inside == fixed.ip).map(|(_, outside)| *outside);
        addresses.push(Address { ip: fixed.ip, floating: floating.collect(), subnet });
    }
    Ok(addresses)
}

fn subnet(tx: &mut Tx<'_>, id: SubnetId, before: &Nic) -> Result<Option<Subnet>, Error> {
    let Ok(subnet) = network::subnet::ops::show(&Caller::cloud(), tx, id) else {
        // It is being deleted under a port that keeps its address: what was known stays true for the guest.
        let known = before.addresses.iter().find(|address| address.subnet.id == id.to_string());
        return Ok(known.map(|address| address.subnet.clone()));
    };
    let mode = |mode: Ipv6Mode| match mode {
        Ipv6Mode::Slaac => "slaac",
        Ipv6Mode::Dhcpv6Stateless => "dhcpv6-stateless",
        Ipv6Mode::Dhcpv6Stateful => "dhcpv6-stateful",
    };
    Ok(Some(Subnet {
        id: id.to_string(),
        cidr: subnet.cidr,
        gateway: subnet.gateway,
        dhcp: subnet.dhcp,
        ipv6_mode: subnet.ipv6_address_mode.map(|m| mode(m).to_owned()),
        dns: subnet.dns_servers.clone(),
        routes: subnet.host_routes.iter().map(|route| (route.destination, route.next_hop)).collect(),
    }))
}

/// Gives the server's ports back: those made for it are deleted, the others are free again.
pub(crate) fn release_all(caller: &Caller, tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    let ports = port_ops::of_device(tx, &server.id.to_string())?;
    for port in ports {
        let ours = server.nics.iter().find(|nic| nic.port_id == port.id).is_none_or(|nic| nic.ours);
        if ours {
            port_ops::delete(caller, tx, port)?;
        } else {
            port_ops::detach(tx, port.id)?;
        }
    }
    server.nics.clear();
    Ok(())
}

/// Adds a group to every port of a server, or takes it away.
pub(crate) fn change_group(
    caller: &Caller,
    tx: &mut Tx<'_>,
    server: &Server,
    name: &str,
    add: bool,
) -> Result<(), Error> {
    let missing = |error| match error {
        Error::Invalid(text) => Error::NotFound(text),
        other => other,
    };
    let group = group(caller, tx, name).map_err(missing)?;
    let mut changed = false;
    for port in port_ops::of_device(tx, &server.id.to_string())? {
        let mut groups = port.plug.security_groups.clone();
        let has = groups.contains(&group);
        if !port.plug.port_security || has == add {
            continue;
        }
        if add {
            groups.push(group);
        } else {
            groups.retain(|id| *id != group);
        }
        let change = PortChange { security_groups: Some(groups), ..PortChange::default() };
        port_ops::update(caller, tx, port, change)?;
        changed = true;
    }
    if !changed && !add {
        let text = format!("Security group {name} not associated with the instance {}", server.id);
        return Err(Error::NotFound(text));
    }
    Ok(())
}

/// The groups of a server's ports, each once, for views.
pub(crate) fn groups_of(
    caller: &Caller,
    tx: &mut Tx<'_>,
    server: &Server,
) -> Result<Vec<Stored<network::security_group::SecurityGroup>>, Error> {
    let mut ids: Vec<SecurityGroupId> = Vec::new();
    for port in port_ops::of_device(tx, &server.id.to_string())? {
        ids.extend(
            port.plug.security_groups.iter().filter(|id| !ids.contains(id)).copied().collect::<Vec<_>>(),
        );
    }
    ids.into_iter().map(|id| Ok(group_ops::show(caller, tx, id)?)).collect()
}
