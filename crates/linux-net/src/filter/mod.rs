//! Security groups and anti-spoofing, as data: what ports may send and receive.
//!
//! `rules` turns a group's rules into few nft rules, `render` builds the ruleset of a network's namespace,
//! `verdict` answers the same questions in Rust, to find the flows that a change of rules no longer allows.

mod render;
mod rules;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use types::{AddressFamily, IpNet, MacAddr, PortId, SecurityGroupId};

pub(crate) use render::{Fixture, ruleset};
pub use rules::protocol_number;
pub(crate) use verdict::allows;

/// A port of a network on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// Its id.
    pub id: PortId,
    /// The name of its link in the network's namespace; [`crate::tap_name`] gives the usual one.
    pub link: String,
    /// What is at the other end.
    pub attachment: Attachment,
    /// The guest's MAC address.
    pub mac: MacAddr,
    /// The fixed addresses. The link-local address formed from the MAC is allowed besides.
    pub addresses: BTreeSet<IpAddr>,
    /// What else may be used as a source.
    pub address_pairs: BTreeSet<AddressPair>,
    /// Without port security neither the guard nor the groups apply.
    pub port_security: bool,
    /// A port without groups sends and receives nothing but ARP, ND and DHCP.
    pub groups: BTreeSet<SecurityGroupId>,
    /// Whether the link is up.
    pub admin_up: bool,
}

/// What a port's link is the near end of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// A tap, whose other end is opened by [`crate::DataPlane::open_tap`] for a VM.
    Tap,
    /// A veth pair into another namespace, which must exist.
    Veth {
        /// The namespace of the other end.
        namespace: String,
        /// The name of the other end.
        link: String,
    },
}

/// A MAC and addresses that a port may use besides its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressPair {
    /// The MAC address; often the port's own.
    pub mac: MacAddr,
    /// One address or a range of them.
    pub net: IpNet,
}

/// A security group as far as this host needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSpec {
    /// What its members may do. Nothing else is allowed.
    pub rules: BTreeSet<Rule>,
    /// The addresses of all its members, on whatever host, for rules that name this group as remote.
    pub members: BTreeSet<IpNet>,
}

/// Something a group allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Seen from the port.
    pub direction: Direction,
    /// The family of packets it is about.
    pub family: AddressFamily,
    /// What packets.
    pub traffic: Traffic,
    /// From or to whom.
    pub remote: Remote,
}

/// Seen from the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the port.
    Egress,
    /// To the port.
    Ingress,
}

/// What packets a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traffic {
    /// All.
    Any,
    /// All of an IP protocol, by number.
    Protocol(u8),
    /// Destination ports of a protocol that has ports, both ends included.
    Ports {
        /// The IP protocol's number.
        protocol: u8,
        /// The first port.
        first: u16,
        /// The last port.
        last: u16,
    },
    /// ICMP of the rule's family.
    Icmp {
        /// The type.
        kind: u8,
        /// The code; all of them without one.
        code: Option<u8>,
    },
}

/// The other side of a rule's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remote {
    /// Whoever it is.
    Anyone,
    /// Addresses.
    Prefix(IpNet),
    /// The members of a group.
    Group(SecurityGroupId),
}

/// What the ports of one network on this host may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub ports: BTreeMap<PortId, PortSpec>,
    pub groups: BTreeMap<SecurityGroupId, GroupSpec>,
}

impl PortSpec {
    /// The addresses, single ones, that the port may use with its own MAC.
    pub(crate) fn own_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().copied().chain([IpAddr::V6(link_local(self.mac))])
    }
}

/// The address that a host with this MAC gives itself on every link.
pub(crate) fn link_local(mac: MacAddr) -> Ipv6Addr {
    let prefix = types::Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);
    types::eui64(prefix, mac)
}
