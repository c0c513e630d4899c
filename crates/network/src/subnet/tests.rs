//! Which subnets make sense.

use std::net::IpAddr;

use agent_api::network::Ipv6Mode;
use types::{IpNet, IpRange, Timestamp};

use super::Subnet;
use super::model::{default_pools, first_host};
use crate::resource::Standard;

/// A subnet of this prefix with its usual gateway and pools, for tests of any resource.
pub(crate) fn subnet(cidr: &str) -> Subnet {
    let cidr: IpNet = cidr.parse().unwrap();
    let gateway = Some(first_host(cidr));
    Subnet {
        id: runtime::new_uuid().into(),
        standard: Standard {
            project_id: "alpha".into(),
            name: String::new(),
            description: String::new(),
            tags: Default::default(),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        },
        network_id: runtime::new_uuid().into(),
        cidr,
        gateway,
        allocation_pools: default_pools(cidr, gateway),
        dns_servers: Vec::new(),
        host_routes: Vec::new(),
        dhcp: true,
        ipv6_ra_mode: None,
        ipv6_address_mode: None,
        subnet_pool_id: None,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn range(start: &str, end: &str) -> IpRange {
    IpRange { start: ip(start), end: ip(end) }
}

#[test]
fn pools_leave_out_the_gateway() {
    let check = |cidr: &str, gateway: Option<&str>, expected: &[(&str, &str)]| {
        let pools = default_pools(cidr.parse().unwrap(), gateway.map(ip));
        let expected: Vec<IpRange> = expected.iter().map(|(start, end)| range(start, end)).collect();
        assert_eq!(pools, expected, "{cidr} {gateway:?}");
    };
    check("10.0.0.0/24", Some("10.0.0.1"), &[("10.0.0.2", "10.0.0.254")]);
    check("10.0.0.0/24", Some("10.0.0.254"), &[("10.0.0.1", "10.0.0.253")]);
    check("10.0.0.0/24", Some("10.0.0.9"), &[("10.0.0.1", "10.0.0.8"), ("10.0.0.10", "10.0.0.254")]);
    check("10.0.0.0/24", None, &[("10.0.0.1", "10.0.0.254")]);
    check("10.0.0.0/30", Some("10.0.0.1"), &[("10.0.0.2", "10.0.0.2")]);
    check("10.0.0.0/31", None, &[("10.0.0.0", "10.0.0.1")]);
    check("10.0.0.7/32", None, &[("10.0.0.7", "10.0.0.7")]);
    check("2001:db8::/64", Some("2001:db8::1"), &[("2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff")]);
    check("2001:db8::/64", Some("fe80::1"), &[("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")]);
}

#[test]
fn senseless_subnets_are_refused() {
    let check = |cidr: &str, change: &dyn Fn(&mut Subnet), expected: Option<&str>| {
        let mut subnet = subnet(cidr);
        change(&mut subnet);
        let said = subnet.validate().err().map(|error| error.to_string());
        assert_eq!(said.is_some(), expected.is_some(), "{cidr}: {said:?}");
        assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()), "{cidr} {expected:?}");
    };
    check("10.0.0.0/24", &|_| {}, None);
    check("0.0.0.0/0", &|_| {}, Some("0 is not allowed"));
    check("224.0.0.0/24", &|_| {}, Some("Multicast"));
    check("127.0.0.0/24", &|_| {}, Some("Loopback"));
    check("10.0.0.0/31", &|_| {}, Some("incompatible with DHCP"));
    check("10.0.0.0/24", &|s| s.gateway = Some(ip("10.0.1.1")), Some("Gateway is not valid"));
    check("10.0.0.0/24", &|s| s.gateway = Some(ip("10.0.0.255")), Some("Gateway is not valid"));
    check("10.0.0.0/24", &|s| s.gateway = Some(ip("10.0.0.9")), Some("conflicts with allocation pool"));
    check("10.0.0.0/24", &|s| s.gateway = Some(ip("2001:db8::1")), Some("does not match the ip_version"));
    check("10.0.0.0/24", &|s| s.dns_servers = vec![ip("::1")], Some("does not match the ip_version"));
    let pools = |list: Vec<IpRange>| move |s: &mut Subnet| s.allocation_pools = list.clone();
    check("10.0.0.0/24", &pools(vec![range("10.0.0.9", "10.0.0.5")]), Some("is not valid"));
    check("10.0.0.0/24", &pools(vec![range("10.0.0.9", "10.0.1.5")]), Some("beyond the subnet cidr"));
    let twice = vec![range("10.0.0.9", "10.0.0.20"), range("10.0.0.20", "10.0.0.30")];
    check("10.0.0.0/24", &pools(twice), Some("overlapping allocation pools"));
    let slaac = |s: &mut Subnet| {
        (s.ipv6_ra_mode, s.ipv6_address_mode) = (Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Slaac))
    };
    check("2001:db8::/64", &slaac, None);
    check("2001:db8::/72", &slaac, Some("requires the prefix to be /64"));
    check("10.0.0.0/24", &slaac, Some("when ip_version is not 6"));
    let mixed = |s: &mut Subnet| {
        (s.ipv6_ra_mode, s.ipv6_address_mode) = (Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Dhcpv6Stateful));
    };
    check("2001:db8::/64", &mixed, Some("must be the same value"));
    let off = |s: &mut Subnet| (s.dhcp, s.ipv6_ra_mode) = (false, Some(Ipv6Mode::Slaac));
    check("2001:db8::/64", &off, Some("enable_dhcp is set to False"));
    check("2001:db8::/64", &|s| s.gateway = Some(ip("fe80::1")), None);
}
