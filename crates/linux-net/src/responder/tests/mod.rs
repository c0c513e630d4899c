//! Table tests of what is answered, and what happens to nonsense.

mod dhcp4;
mod dhcp6;
mod http;
mod metadata;
mod ra;

use std::collections::BTreeMap;

use super::{Ipv6Mode, LEASE_SECONDS_DEFAULT, NetworkTable, Port, SubnetV4, SubnetV6};
use types::MacAddr;

pub(super) const VM: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
pub(super) const SERVICE: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0xa9, 0xfe]);

/// A network with one port on a leased IPv4 subnet and a stateful IPv6 one.
pub(super) fn network() -> NetworkTable {
    let port = Port {
        id: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
        addresses: vec!["10.0.0.11".parse().unwrap(), "2001:db8:100::11".parse().unwrap()],
        hostname: Some("web".into()),
        dhcp_options: BTreeMap::new(),
    };
    NetworkTable {
        device: "br0".into(),
        service_mac: SERVICE,
        mtu: 1450,
        domain: "example.org".into(),
        lease_seconds: LEASE_SECONDS_DEFAULT,
        subnets_v4: vec![SubnetV4 {
            cidr: "10.0.0.0/24".parse().unwrap(),
            dhcp: true,
            gateway: Some("10.0.0.1".parse().unwrap()),
            dns_servers: vec!["9.9.9.9".parse().unwrap()],
            routes: vec![("192.168.7.0/24".parse().unwrap(), "10.0.0.7".parse().unwrap())],
            server: None,
        }],
        subnets_v6: vec![SubnetV6 {
            cidr: "2001:db8:100::/64".parse().unwrap(),
            mode: Some(Ipv6Mode::DhcpStateful),
            dns_servers: vec!["2001:db8::53".parse().unwrap()],
        }],
        ports: BTreeMap::from([(VM, port)]),
    }
}
