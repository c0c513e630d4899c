//! Networks across hosts: who reaches whom, and who does not.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use linux_net::{Netns, PacketSocket, Remote, Traffic};

use crate::support::{NEVER, SOON, World, arrives, group, group_id, host_test};

const ARP: [u8; 2] = [0x08, 0x06];
/// Ethernet, IPv4, UDP and VXLAN headers come before the inner frame; its type follows two MACs.
const INNER_TYPE: std::ops::Range<usize> = 62..64;

#[test]
fn a_network_spans_hosts_and_is_alone() {
    host_test!("a_network_spans_hosts_and_is_alone");
    let mut world = World::new(2);
    let open = group_id();
    let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
    let mut guest = |host, number| world.guest(host, number).in_groups(&[open]);
    let (a1, a2) = (guest(0, 11), guest(1, 12));
    let (b1, b2, b3) = (guest(0, 11), guest(1, 12), guest(1, 13));
    world.network(0x3e9, &[&a1, &a2], &groups);
    world.network(0x3ea, &[&b1, &b2, &b3], &groups);

    let underlay = Netns::open(&world.hosts[0].cloud().underlay_namespace()).unwrap().unwrap();
    let tap = PacketSocket::open(&underlay, "ul").unwrap();
    assert!(a1.reaches(a2.v4), "IPv4 across hosts");
    assert!(a1.reaches(a2.v6), "IPv6 across hosts");
    assert!(a1.pings("fe80::f816:3eff:fe00:c%eth0", "-c1 -W5"), "link-local across hosts");
    assert!(a1.pings("10.0.0.12", "-c1 -W5 -M do -s 1472"), "a full packet");
    let mut carried = 0;
    while let Some(frame) = tap.receive(NEVER).unwrap() {
        carried += 1;
        assert_ne!(frame.get(INNER_TYPE), Some(&ARP[..]), "ARP crossed the underlay");
    }
    assert!(carried >= 4, "nothing crossed the underlay");

    assert!(b1.reaches(b3.v4));
    assert!(a1.misses(b3.v4), "a guest of another network is reached");
    assert!(a1.misses(b3.v6));
    let (heard, unheard) = (a2.udp(7), b2.udp(7));
    a1.udp(0).send_to(b"for a", (crate::support::mapped(a2.v4.into()), 7)).unwrap();
    assert!(arrives(&heard, b"for a", SOON));
    assert!(!arrives(&unheard, b"for a", NEVER), "a packet crossed from one network into another");

    crate::support::tool(&format!("ip -n {} route add default dev eth0", a1.namespace));
    assert!(a1.misses(Ipv4Addr::new(172, 31, 0, 1)), "the underlay is reached from a guest");
    assert!(a1.misses(Ipv4Addr::new(192, 168, 77, 1)));
}
