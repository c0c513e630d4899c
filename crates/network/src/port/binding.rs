//! Ports on hosts: what compute does with the ports of its servers.

use std::net::IpAddr;

use policy::Caller;
use store::{Stored, Tx};
use types::{HostId, MacAddr, NetworkId, PortId};

use super::{Bind, Binding, Device, KIND, Phase, Port, store as rows};
use crate::resource::{self, check};
use crate::{Error, floating_ip, network};

/// Plugs a server into a port that nothing is plugged into.
pub fn attach(caller: &Caller, tx: &mut Tx<'_>, id: PortId, device: Device) -> Result<Stored<Port>, Error> {
    let mut port = super::ops::show(caller, tx, id)?;
    check(caller, "update_port", &port.standard.project_id)?;
    if !port.device.id.is_empty() && port.device.id != device.id {
        return Err(Error::PortInUse {
            id: id.to_string(),
            network: port.network_id.to_string(),
            device: port.device.id.clone(),
        });
    }
    port.device = device;
    port.standard.updated_at = tx.now();
    rows::PORTS.save(tx, &mut port)?;
    Ok(port)
}

/// Pulls out whatever is plugged in; if the port is bound, its host lets go of it.
pub fn detach(tx: &mut Tx<'_>, id: PortId) -> Result<(), Error> {
    let mut port = resource::load::<Port>(tx, id)?;
    port.device = Device::default();
    port.standard.updated_at = tx.now();
    release(&mut port);
    rows::PORTS.save(tx, &mut port)?;
    Ok(tx.kick(KIND, id)?)
}

/// Wants a port on a host. Binding it there again changes whom it tells; it cannot be on two hosts.
pub fn bind(tx: &mut Tx<'_>, id: PortId, bind: Bind) -> Result<(), Error> {
    let mut port = resource::load::<Port>(tx, id)?;
    if let Some(binding) = &port.binding
        && binding.host != bind.host
    {
        return Err(Error::PortBound { id: id.to_string(), host: binding.host.to_string() });
    }
    let phase = match &port.binding {
        Some(Binding { phase: Phase::Up, .. }) => Phase::Up,
        Some(_) | None => Phase::Building,
    };
    port.binding = Some(Binding { host: bind.host, phase, watcher: bind.watcher, hostname: bind.hostname });
    rows::PORTS.save(tx, &mut port)?;
    Ok(tx.kick(KIND, id)?)
}

/// Wants a port on no host. Its watcher is told when the host has let go.
pub fn unbind(tx: &mut Tx<'_>, id: PortId) -> Result<(), Error> {
    let mut port = resource::load::<Port>(tx, id)?;
    release(&mut port);
    rows::PORTS.save(tx, &mut port)?;
    Ok(tx.kick(KIND, id)?)
}

pub(super) fn release(port: &mut Port) {
    if let Some(binding) = &mut port.binding {
        binding.phase = Phase::Releasing;
    }
}

/// Whether no host has the port; true also for one that is gone.
pub fn is_released(tx: &mut Tx<'_>, id: PortId) -> Result<bool, Error> {
    Ok(rows::PORTS.load(tx, id)?.is_none_or(|port| port.binding.is_none()))
}

/// Binds or unbinds as an administrator says in `binding:host_id`; an empty name means no host.
pub(super) fn bind_by_hand(
    tx: &mut Tx<'_>,
    port: Stored<Port>,
    host: Option<String>,
) -> Result<Stored<Port>, Error> {
    let Some(name) = host else { return Ok(port) };
    let id = port.id;
    if name.is_empty() {
        unbind(tx, id)?;
        return resource::load::<Port>(tx, id);
    }
    let host = HostId(name);
    if nodes::hosts::load(tx, &host)?.is_none() {
        return Err(Error::invalid("binding:host_id", format!("there is no host '{host}'")));
    }
    let (watcher, hostname) = port.binding.clone().map_or((None, None), |b| (b.watcher, b.hostname));
    bind(tx, id, Bind { host, watcher, hostname })?;
    resource::load::<Port>(tx, id)
}

/// The ports that a server or router is plugged into, in the order of their ids.
pub fn of_device(tx: &mut Tx<'_>, device: &str) -> Result<Vec<Stored<Port>>, Error> {
    Ok(rows::of_devices(tx, &[device.to_owned()])?)
}

/// What a server's page says about one of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressing {
    /// The server.
    pub device_id: String,
    /// The port.
    pub port_id: PortId,
    /// Its network.
    pub network_id: NetworkId,
    /// Its network's name.
    pub network_name: String,
    /// Its network's MTU.
    pub mtu: u32,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses.
    pub fixed_ips: Vec<IpAddr>,
    /// Floating IPs: the fixed address, and the one outside that leads to it.
    pub floating_ips: Vec<(IpAddr, IpAddr)>,
}

/// The addresses of the ports of these servers, with three queries for any number of them.
pub fn addressing(tx: &mut Tx<'_>, devices: &[String]) -> Result<Vec<Addressing>, Error> {
    let ports = rows::of_devices(tx, devices)?;
    let ids: Vec<PortId> = ports.iter().map(|port| port.id).collect();
    let floating = floating_ip::store::of_ports(tx, &ids)?;
    let networks = network::store::of_ids(tx, ports.iter().map(|port| port.network_id))?;
    let described = ports.iter().map(|port| {
        let network = networks.iter().find(|network| network.id == port.network_id);
        let outside = floating.iter().filter(|floating| floating.port_id() == Some(port.id));
        Addressing {
            device_id: port.device.id.clone(),
            port_id: port.id,
            network_id: port.network_id,
            network_name: network.map(|network| network.standard.name.clone()).unwrap_or_default(),
            mtu: network.map_or(crate::MTU_VXLAN, |network| network.mtu),
            mac: port.mac,
            fixed_ips: port.addresses(),
            floating_ips: outside.filter_map(|f| Some((f.fixed_ip()?, f.address.into()))).collect(),
        }
    });
    Ok(described.collect())
}

/// Notes what the host says about a bound port; true if that is news, of which the watcher is then told.
pub(super) fn observe(tx: &mut Tx<'_>, port: &mut Stored<Port>, up: bool) -> Result<bool, Error> {
    let Some(binding) = &mut port.binding else { return Ok(false) };
    let phase = match (binding.phase, up) {
        (Phase::Releasing, _) => Phase::Releasing,
        (_, true) => Phase::Up,
        (Phase::Building, false) => Phase::Building,
        (Phase::Up | Phase::Down, false) => Phase::Down,
    };
    if binding.phase == phase {
        return Ok(false);
    }
    binding.phase = phase;
    port.standard.updated_at = tx.now();
    rows::PORTS.save(tx, port)?;
    if let Some(watcher) = port.binding.as_ref().and_then(|binding| binding.watcher.clone()) {
        tx.kick(&watcher.kind, &watcher.id)?;
    }
    Ok(true)
}

/// Keeps the binding of a router's leg in step with the router, whose document makes it.
pub(crate) fn follow_router(
    tx: &mut Tx<'_>,
    mut port: Stored<Port>,
    host: Option<&HostId>,
    up: bool,
) -> Result<(), Error> {
    let phase = if up { Phase::Up } else { Phase::Building };
    port.binding = host.map(|host| Binding { host: host.clone(), phase, watcher: None, hostname: None });
    rows::PORTS.save(tx, &mut port)?;
    Ok(())
}
