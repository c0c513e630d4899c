//! What the responder knows of a network and of a router: plain data, written by the agent.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use types::{Ipv4Net, Ipv6Net, MacAddr, PortId, eui64};

pub use crate::network::{SERVICE_V4, SERVICE_V6};

/// The link-local prefix; a port's own address in it follows from its MAC.
pub(crate) const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);

/// How long a lease is when nothing else is asked for: a day, as in Neutron.
pub const LEASE_SECONDS_DEFAULT: u32 = 86_400;

/// One network of this node: who is on it and what they are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkTable {
    /// The bridge inside the network's namespace.
    pub device: String,
    /// The bridge's own address, under which answers are sent.
    pub service_mac: MacAddr,
    /// What a VM may send in one frame, told by DHCP and to be told by RA.
    pub mtu: u16,
    /// The DNS domain of hosts on this network; empty for none.
    pub domain: String,
    /// How long a lease lasts; `u32::MAX` is for ever.
    pub lease_seconds: u32,
    /// IPv4 subnets.
    pub subnets_v4: Vec<SubnetV4>,
    /// IPv6 subnets.
    pub subnets_v6: Vec<SubnetV6>,
    /// The ports that are answered, by their MAC address.
    pub ports: BTreeMap<MacAddr, Port>,
}

/// A port that is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its id, by which events and metadata name it.
    pub id: PortId,
    /// Its fixed IPs, in the order in which they are offered.
    pub addresses: Vec<IpAddr>,
    /// The host name told by DHCP; without one it is made from the address.
    pub hostname: Option<String>,
    /// DHCPv4 options that replace or add to the usual ones, by number.
    pub dhcp_options: BTreeMap<u8, Vec<u8>>,
}

/// An IPv4 subnet as DHCP tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetV4 {
    /// The prefix.
    pub cidr: Ipv4Net,
    /// Whether addresses of this subnet are leased.
    pub dhcp: bool,
    /// The default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Host routes: where to, and through whom.
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// The server's address; [`SERVICE_V4`] if none is given.
    pub server: Option<Ipv4Addr>,
}

/// An IPv6 subnet as DHCPv6 tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetV6 {
    /// The prefix.
    pub cidr: Ipv6Net,
    /// How its hosts get their addresses; none: DHCPv6 says nothing.
    pub mode: Option<Ipv6Mode>,
    /// Name servers.
    pub dns_servers: Vec<Ipv6Addr>,
}

/// How hosts of an IPv6 subnet get their addresses (`ipv6_ra_mode`, `ipv6_address_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ipv6Mode {
    /// From the router's prefix.
    Slaac,
    /// From the router's prefix; the rest, such as name servers, by DHCPv6.
    DhcpStateless,
    /// By DHCPv6.
    DhcpStateful,
}

/// One router: the interfaces on which it advertises itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouterTable {
    /// Interfaces by the name of their device in the router's namespace.
    pub interfaces: BTreeMap<String, RouterInterface>,
}

/// A leg of a router as its advertisements describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterInterface {
    /// The leg's MAC address; its link-local address follows from it.
    pub mac: MacAddr,
    /// The MTU of the network behind it.
    pub mtu: Option<u32>,
    /// The prefixes on the link.
    pub prefixes: Vec<Prefix>,
    /// Recursive name servers to announce.
    pub dns_servers: Vec<Ipv6Addr>,
}

/// A prefix on a router's leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The prefix.
    pub cidr: Ipv6Net,
    /// How hosts get addresses in it.
    pub mode: Ipv6Mode,
}

impl NetworkTable {
    /// The IPv4 subnet that holds `address`.
    pub fn subnet_v4(&self, address: Ipv4Addr) -> Option<&SubnetV4> {
        self.subnets_v4.iter().find(|subnet| subnet.cidr.contains(&address))
    }

    /// The IPv6 subnet that holds `address`.
    pub fn subnet_v6(&self, address: Ipv6Addr) -> Option<&SubnetV6> {
        self.subnets_v6.iter().find(|subnet| subnet.cidr.contains(&address))
    }

    /// Who has which source address: fixed IPs and the link-local address that follows from the MAC.
    /// Trustworthy because spoofed sources never pass the port's guard.
    pub fn owners(&self) -> BTreeMap<IpAddr, PortId> {
        let mut owners = BTreeMap::new();
        for (mac, port) in &self.ports {
            owners.insert(IpAddr::V6(eui64(LINK_LOCAL, *mac)), port.id);
            owners.extend(port.addresses.iter().map(|address| (*address, port.id)));
        }
        owners
    }
}

impl Port {
    /// The IPv4 addresses, in order.
    pub fn addresses_v4(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        })
    }

    /// The IPv6 addresses, in order.
    pub fn addresses_v6(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(*v6),
        })
    }
}

impl RouterInterface {
    /// The address that advertisements come from.
    pub fn link_local(&self) -> Ipv6Addr {
        eui64(LINK_LOCAL, self.mac)
    }
}
