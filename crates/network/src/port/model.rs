//! What a port is.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use types::{HostId, IpNet, MacAddr, NetworkId, PortId, ProjectId, SecurityGroupId, SubnetId};

use crate::Error;
use crate::resource::{Label, Resource, Standard};

/// Who owns a router's port in a project's network.
pub(crate) const ROUTER_INTERFACE: &str = "network:router_interface";
/// Who owns a router's port in an external network.
pub(crate) const ROUTER_GATEWAY: &str = "network:router_gateway";
/// Who owns the port that holds a floating IP's address.
pub(crate) const FLOATING_IP: &str = "network:floatingip";

/// A port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Its id.
    pub id: PortId,
    /// Owner, name, times and the like.
    pub standard: Standard,
    /// The network it is on.
    pub network_id: NetworkId,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Whether it passes traffic.
    pub admin_up: bool,
    /// What is plugged in.
    pub device: Device,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// How it is guarded.
    pub plug: Plug,
    /// What an administrator wrote into `binding:profile`, as it is spelled; nothing acts on it.
    #[serde(default)]
    pub profile: String,
    /// Where it is bound.
    #[serde(default)]
    pub binding: Option<Binding>,
    /// Deleted for its owner; its row goes when its host has let go of it.
    #[serde(default)]
    pub deleted: bool,
}

/// What is plugged into a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The id of a server, a router, or whatever the owner says.
    pub id: String,
    /// Which kind of thing it is: `compute:nova`.
    pub owner: String,
}

/// An address of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// The subnet it is of.
    pub subnet_id: SubnetId,
    /// The address.
    pub ip: IpAddr,
}

/// How a port is guarded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plug {
    /// Whether spoofing is prevented and security groups apply.
    pub port_security: bool,
    /// Its security groups; without any, nothing passes.
    pub security_groups: Vec<SecurityGroupId>,
    /// Further addresses that it may send from.
    pub address_pairs: Vec<AddressPair>,
}

/// A prefix, and the MAC address that may send from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPair {
    /// The prefix.
    pub prefix: IpNet,
    /// The MAC address; the port's own if absent.
    pub mac: Option<MacAddr>,
}

/// A port's place on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The host.
    pub host: HostId,
    /// How far it is.
    pub phase: Phase,
    /// Who wants to know when that changes.
    pub watcher: Option<Watcher>,
    /// The name that DHCP gives the guest.
    pub hostname: Option<String>,
}

/// How far a binding is.
///
/// ```text
/// Building ──host sees its tap──▶ Up ◀──▶ Down
///    └──────────unbind──────────▶ Releasing ──host has let go──▶ (no binding)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The host is to make it.
    Building,
    /// The host has it.
    Up,
    /// The host had it and has it no more.
    Down,
    /// The host is to let go of it.
    Releasing,
}

/// A work key that is kicked when a binding's phase changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watcher {
    /// A reconciler's kind: `compute::server`.
    pub kind: String,
    /// The key.
    pub id: String,
}

/// What clients are told about a port's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its host has it.
    Active,
    /// Its host is making it.
    Build,
    /// It is not bound, not up, or switched off.
    Down,
    /// It only holds an address.
    NotApplicable,
}

impl Port {
    /// The port's state, from all that is known.
    pub fn status(&self) -> Status {
        if self.device.owner == FLOATING_IP {
            return Status::NotApplicable;
        }
        match &self.binding {
            _ if !self.admin_up => Status::Down,
            Some(Binding { phase: Phase::Building, .. }) => Status::Build,
            Some(Binding { phase: Phase::Up, .. }) => Status::Active,
            Some(Binding { phase: Phase::Down | Phase::Releasing, .. }) | None => Status::Down,
        }
    }

    /// Where it is bound, a binding that is being released included.
    pub fn host(&self) -> Option<&HostId> {
        self.binding.as_ref().map(|binding| &binding.host)
    }

    /// Whether it is a router's: then the router's document speaks for it.
    pub fn is_router_leg(&self) -> bool {
        self.device.is_router_leg()
    }

    /// Its addresses alone.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.fixed_ips.iter().map(|fixed| fixed.ip).collect()
    }
}

impl Device {
    /// Whether a router is plugged in.
    pub fn is_router_leg(&self) -> bool {
        self.owner == ROUTER_INTERFACE || self.owner == ROUTER_GATEWAY
    }

    /// Whether the network service itself has plugged it in, and nobody else may.
    pub fn is_ours(&self) -> bool {
        self.is_router_leg() || self.owner == FLOATING_IP
    }
}

impl Resource for Port {
    const SINGULAR: &'static str = "port";
    const PLURAL: &'static str = "ports";

    fn table() -> &'static store::Table<Port> {
        &super::store::PORTS
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn is_deleted(&self) -> bool {
        self.deleted
    }

    fn not_found(id: String) -> Error {
        Error::PortNotFound { id }
    }
}

/// An address that somebody wants: any of a subnet, this one of whichever subnet it fits, or this one of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FixedIpWish {
    /// The subnet.
    pub subnet_id: Option<SubnetId>,
    /// The address.
    pub ip: Option<IpAddr>,
}

/// A port that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDraft {
    /// The owner, if it is not the caller's project.
    pub project_id: Option<ProjectId>,
    /// The network.
    pub network_id: NetworkId,
    /// All else.
    pub wish: PortChange,
}

/// What somebody wants a port to have; what is absent stays as it is, or becomes as usual in a new port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortChange {
    /// Name and description.
    pub label: Label,
    /// Whether it passes traffic; it does.
    pub admin_up: Option<bool>,
    /// Its MAC address; drawn.
    pub mac: Option<MacAddr>,
    /// Its addresses; one of each family.
    pub fixed_ips: Option<Vec<FixedIpWish>>,
    /// The id of what is plugged in.
    pub device_id: Option<String>,
    /// The kind of what is plugged in.
    pub device_owner: Option<String>,
    /// Whether it is guarded; as the network says.
    pub port_security: Option<bool>,
    /// Its groups; the project's default one.
    pub security_groups: Option<Vec<SecurityGroupId>>,
    /// Further addresses.
    pub address_pairs: Option<Vec<AddressPair>>,
    /// Where an administrator wants it bound; an empty name unbinds it.
    pub host: Option<String>,
    /// See [`Port::profile`].
    pub profile: Option<String>,
}

/// Where compute wants a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The host.
    pub host: HostId,
    /// Who wants to know how far it is.
    pub watcher: Option<Watcher>,
    /// The name that DHCP gives the guest.
    pub hostname: Option<String>,
}
