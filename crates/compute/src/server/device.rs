//! The devices of a server: network cards, with what the network service last said of their ports, and volumes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use types::{AttachmentId, IpNet, MacAddr, NetworkId, PortId, VolumeId};

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// Its port.
    pub port_id: PortId,
    /// Whether the port was made for the server, and goes with it.
    pub ours: bool,
    /// The owner's tag.
    pub tag: Option<String>,
    /// The port's network.
    pub network_id: NetworkId,
    /// That network's name.
    pub network_name: String,
    /// The MAC address.
    pub mac: MacAddr,
    /// The MTU.
    pub mtu: u32,
    /// Whether the port's status is ACTIVE.
    pub up: bool,
    /// Addresses and where they are from.
    pub addresses: Vec<Address>,
    /// Names of the port's security groups.
    pub security_groups: Vec<String>,
}

/// A fixed IP of a network card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Floating IPs that lead to it.
    pub floating: Vec<IpAddr>,
    /// The subnet it is from.
    pub subnet: Subnet,
}

/// As much of a subnet as the guest is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id, as the network service spells it.
    pub id: String,
    /// The prefix.
    pub cidr: IpNet,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// Whether DHCP answers.
    pub dhcp: bool,
    /// `slaac`, `dhcpv6-stateless` or `dhcpv6-stateful`.
    pub ipv6_mode: Option<String>,
    /// Resolvers.
    pub dns: Vec<IpAddr>,
    /// Extra routes: destination and next hop.
    pub routes: Vec<(IpNet, IpAddr)>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The volume.
    pub volume_id: VolumeId,
    /// Its attachment at the block-storage service.
    pub attachment_id: AttachmentId,
    /// The attachment's own id here.
    pub mapping_id: String,
    /// `/dev/vdb`.
    pub device: String,
    /// Whether the server boots from it.
    pub boot: bool,
    /// Whether it goes with the server.
    pub delete_on_termination: bool,
    /// The owner's tag.
    pub tag: Option<String>,
    /// Where it is.
    pub state: DiskState,
    /// How large the server knows it to be, once it has it.
    #[serde(default)]
    pub size_gib: Option<u32>,
}

/// Where a volume is on its way into a server and out.
///
/// ```text
/// Attaching ──VM has it──▶ Attached ──asked──▶ Detaching ──VM has it no more──▶ (gone)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskState {
    /// The volume is ours, the VM does not have it yet.
    Attaching,
    /// The VM has it.
    Attached,
    /// The VM is to give it back.
    Detaching,
}
