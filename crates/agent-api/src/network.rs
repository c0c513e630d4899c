//! Documents of the network service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use types::{AddressFamily, IpNet, Ipv4Net, Ipv6Net, MacAddr, NetworkId, PortId, RouterId, SecurityGroupId};

/// A network on a node: a namespace with a bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The network.
    pub id: NetworkId,
    /// Its VXLAN network identifier.
    pub vni: u32,
    /// The MTU of its ports.
    pub mtu: u32,
    /// Its subnets, for DHCP and router advertisements.
    pub subnets: Vec<Subnet>,
    /// What names end in; DHCP's domain option.
    pub dns_domain: String,
}

/// A subnet as the node's responders need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    /// The prefix.
    pub cidr: IpNet,
    /// The gateway's address, if it has one.
    pub gateway: Option<IpAddr>,
    /// Whether DHCP answers here.
    pub dhcp: bool,
    /// How addresses are formed, for IPv6.
    pub ipv6_mode: Option<Ipv6Mode>,
    /// Resolvers to announce.
    pub dns_servers: Vec<IpAddr>,
    /// Extra routes to announce: destination and next hop.
    pub host_routes: Vec<(IpNet, IpAddr)>,
}

/// Neutron's address modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ipv6Mode {
    /// Addresses by SLAAC.
    Slaac,
    /// Addresses by SLAAC, options by DHCPv6.
    Dhcpv6Stateless,
    /// Addresses by DHCPv6.
    Dhcpv6Stateful,
}

/// A port of a VM: a tap on its network's bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// The port.
    pub id: PortId,
    /// Its network, which has a document too.
    pub network_id: NetworkId,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses.
    pub fixed_ips: Vec<IpAddr>,
    /// Further pairs that it may send from.
    pub allowed_address_pairs: Vec<(IpNet, MacAddr)>,
    /// Whether spoofing is prevented and groups are applied.
    pub port_security: bool,
    /// Its groups, which have documents too.
    pub security_groups: Vec<SecurityGroupId>,
    /// Whether it passes traffic at all.
    pub admin_up: bool,
    /// The name that DHCP gives the guest.
    pub hostname: Option<String>,
}

/// What the node sees of a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSeen {
    /// The tap is there with everything that belongs to it.
    pub up: bool,
}

/// A security group with the addresses that its rules' remote groups stand for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// The group.
    pub id: SecurityGroupId,
    /// Its rules.
    pub rules: Vec<SecurityGroupRule>,
}

/// What a rule lets pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// Towards the VM, or from it.
    pub ingress: bool,
    /// IPv4 or IPv6.
    pub family: AddressFamily,
    /// The IP protocol's number; any if absent.
    pub protocol: Option<u8>,
    /// Lowest port, or ICMP type.
    pub port_min: Option<u16>,
    /// Highest port, or ICMP code.
    pub port_max: Option<u16>,
    /// The other side's prefix; any if absent.
    pub remote_prefix: Option<IpNet>,
    /// The group whose members are the other side.
    pub remote_group: Option<SecurityGroupId>,
    /// The addresses of that group's members.
    pub remote_addresses: Vec<IpNet>,
}

/// The external network: a namespace whose bridge has the gateway's addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct External {
    /// The network.
    pub id: NetworkId,
    /// The addresses of the outside's gateway, with their prefixes.
    pub gateways: Vec<IpNet>,
    /// Tenants' IPv6 prefixes and the routers they are behind.
    pub routes: Vec<(Ipv6Net, Ipv6Addr)>,
    /// The MTU.
    pub mtu: u32,
}

/// A router: a namespace between networks and the external one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Router {
    /// The router.
    pub id: RouterId,
    /// Whether it forwards at all.
    pub admin_up: bool,
    /// Its legs in tenants' networks.
    pub interfaces: Vec<RouterInterface>,
    /// Its leg in the external network.
    pub gateway: Option<RouterGateway>,
    /// Floating IPs that it translates.
    pub floating_ips: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Extra routes: destination and next hop.
    pub routes: Vec<(IpNet, IpAddr)>,
}

/// A router's leg in a tenant's network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterInterface {
    /// The port.
    pub port_id: PortId,
    /// The network, which has a document too.
    pub network_id: NetworkId,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses with the prefixes of their subnets.
    pub addresses: Vec<IpNet>,
    /// IPv6 prefixes to advertise on this leg.
    pub advertise: Vec<Advertised>,
}

/// A prefix in router advertisements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advertised {
    /// The prefix.
    pub prefix: Ipv6Net,
    /// How hosts form addresses.
    pub mode: Ipv6Mode,
    /// Resolvers.
    pub dns_servers: Vec<Ipv6Addr>,
}

/// A router's leg in the external network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterGateway {
    /// The port.
    pub port_id: PortId,
    /// The external network, which has a document too.
    pub network_id: NetworkId,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses with the prefixes of their subnets.
    pub addresses: Vec<IpNet>,
    /// The next hops to everywhere.
    pub gateways: Vec<IpAddr>,
    /// Whether IPv4 from tenants' networks without a floating IP leaves from the router's own address.
    pub snat: bool,
    /// Tenants' IPv4 prefixes behind this router.
    pub internal: Vec<Ipv4Net>,
}

/// What the node sees of a router or a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpSeen {
    /// It is as its document says; a router that is administratively down is up in this sense once it is gone.
    pub up: bool,
}
