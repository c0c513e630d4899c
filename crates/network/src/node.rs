//! What a node should have of this service: its documents, made from the rows alone.

use std::net::IpAddr;

use agent_api::network as document;
use store::{Error, Tx};
use types::{HostId, IpNet, Ipv6Net, SecurityGroupId};

use crate::network::Network;
use crate::port::Port;
use crate::security_group::{self, Remote};
use crate::subnet::{self, Subnet};
use crate::{DNS_DOMAIN, address, router};

/// A network, with what its hosts are told.
pub(crate) fn network(tx: &mut Tx<'_>, network: &Network) -> Result<document::Network, Error> {
    let subnets = subnet::store::of_network(tx, network.id)?;
    Ok(document::Network {
        id: network.id,
        // Only a network that is external has none, and that has another document.
        vni: network.vni().unwrap_or(0),
        mtu: network.mtu,
        subnets: subnets.iter().map(|subnet| told(subnet)).collect(),
        dns_domain: DNS_DOMAIN.to_owned(),
    })
}

fn told(subnet: &Subnet) -> document::Subnet {
    document::Subnet {
        cidr: subnet.cidr,
        gateway: subnet.gateway,
        dhcp: subnet.dhcp,
        ipv6_mode: subnet.ipv6_address_mode,
        dns_servers: subnet.dns_servers.clone(),
        host_routes: subnet.host_routes.iter().map(|route| (route.destination, route.next_hop)).collect(),
    }
}

/// An external network, with the way back to the IPv6 networks behind the routers of this host.
pub(crate) fn external(
    tx: &mut Tx<'_>,
    network: &Network,
    host: &HostId,
) -> Result<document::External, Error> {
    let subnets = subnet::store::of_network(tx, network.id)?;
    let gateways = subnets.iter().filter_map(|subnet| with_prefix(subnet.gateway?, &subnet.cidr));
    Ok(document::External {
        id: network.id,
        gateways: gateways.collect(),
        routes: router::routes_behind(tx, network.id, host)?,
        mtu: network.mtu,
    })
}

/// An address with the length of its subnet's prefix.
pub(crate) fn with_prefix(ip: IpAddr, cidr: &IpNet) -> Option<IpNet> {
    IpNet::new(ip, cidr.prefix_len()).ok()
}

/// A port.
pub(crate) fn port(port: &Port, network: &Network) -> document::Port {
    let hostname = port.binding.as_ref().and_then(|binding| binding.hostname.clone());
    let pairs = port.plug.address_pairs.iter();
    document::Port {
        id: port.id,
        network_id: port.network_id,
        mac: port.mac,
        fixed_ips: port.addresses(),
        allowed_address_pairs: pairs.map(|pair| (pair.prefix, pair.mac.unwrap_or(port.mac))).collect(),
        port_security: port.plug.port_security,
        security_groups: port.plug.security_groups.clone(),
        admin_up: port.admin_up && network.admin_up,
        hostname,
    }
}

/// A security group, with the addresses of the groups that its rules name.
pub(crate) fn security_group(tx: &mut Tx<'_>, id: SecurityGroupId) -> Result<document::SecurityGroup, Error> {
    let mut rules = Vec::new();
    for rule in security_group::store::rules_of(tx, id)? {
        let allows = &rule.allows;
        let family = allows.ethertype.family();
        let (remote_prefix, remote_group) = match allows.remote {
            None => (None, None),
            Some(Remote::Prefix(prefix)) => (Some(prefix.trunc()), None),
            Some(Remote::Group(group)) => (None, Some(group)),
        };
        let members = match remote_group {
            None => Vec::new(),
            Some(group) => address::store::of_group(tx, group)?,
        };
        let of_family = members.into_iter().filter(|ip| types::AddressFamily::of(*ip) == family);
        rules.push(document::SecurityGroupRule {
            ingress: allows.direction == security_group::Direction::Ingress,
            family,
            protocol: allows.protocol.as_ref().map(|protocol| protocol.number_in(family)),
            port_min: allows.port_min,
            port_max: allows.port_max,
            remote_prefix,
            remote_group,
            remote_addresses: of_family.map(IpNet::from).collect(),
        });
    }
    Ok(document::SecurityGroup { id, rules })
}

/// The IPv6 prefix of a subnet, if it is one.
pub(crate) fn ipv6_prefix(subnet: &Subnet) -> Option<Ipv6Net> {
    match subnet.cidr {
        IpNet::V6(prefix) => Some(prefix),
        IpNet::V4(_) => None,
    }
}
