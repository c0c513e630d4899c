//! Frames that a guest must not be able to send, and one that it must.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use linux_net::{AddressPair, PacketSocket, Remote, Traffic};
use types::MacAddr;

use crate::support::{Guest, NEVER, SOON, World, group, group_id, host_test};

const BROADCAST: MacAddr = MacAddr([0xff; 6]);
const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const ICMPV6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;
const FRAGMENT: u8 = 44;
/// Every probe carries this text and its name.
const MARK: &[u8] = b"SPOOFED:";

fn ethernet(from: MacAddr, to: MacAddr, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &kind.to_be_bytes(), payload].concat()
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn udp4(from: Ipv4Addr, to: Ipv4Addr, ports: (u16, u16), text: &[u8]) -> Vec<u8> {
    let len = (8 + text.len()) as u16;
    let mut header = vec![0x45, 0];
    header.extend((20 + len).to_be_bytes());
    header.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    header.extend(ports.0.to_be_bytes());
    header.extend(ports.1.to_be_bytes());
    header.extend(len.to_be_bytes());
    header.extend([0, 0]);
    [&header[..], text].concat()
}

fn ip6(from: Ipv6Addr, to: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 255]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    [&packet[..], payload].concat()
}

fn with_checksum(from: Ipv6Addr, to: Ipv6Addr, next: u8, mut payload: Vec<u8>, at: usize) -> Vec<u8> {
    let mut pseudo = [from.octets(), to.octets()].concat();
    pseudo.extend((payload.len() as u32).to_be_bytes());
    pseudo.extend([0, 0, 0, next]);
    pseudo.extend(&payload);
    let sum = checksum(&pseudo);
    payload[at..at + 2].copy_from_slice(&sum);
    payload
}

fn icmp6(from: Ipv6Addr, to: Ipv6Addr, body: Vec<u8>) -> Vec<u8> {
    with_checksum(from, to, ICMPV6, body, 2)
}

fn udp6(from: Ipv6Addr, to: Ipv6Addr, text: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 9, 0, 9];
    body.extend(((8 + text.len()) as u16).to_be_bytes());
    body.extend([0, 0]);
    body.extend(text);
    ip6(from, to, 17, &with_checksum(from, to, 17, body, 6))
}

fn arp(op: u8, mac: MacAddr, ip: Ipv4Addr, text: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, op];
    body.extend(mac.0);
    body.extend(ip.octets());
    body.extend([0xff; 6]);
    body.extend(ip.octets());
    [&body[..], text].concat()
}

/// A router advertisement without a prefix, followed by the text, which hosts skip.
fn router_advertisement(from: Ipv6Addr, text: &[u8]) -> Vec<u8> {
    let mut body = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    body.extend(text);
    icmp6(from, ALL_NODES, body)
}

fn fragment(next: u8, offset: u16, more: bool, id: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![next, 0];
    header.extend((offset << 3 | u16::from(more)).to_be_bytes());
    header.extend([0, 0, 0, id]);
    [&header[..], payload].concat()
}

/// The probes by name: the frames to send.
fn probes(a: &Guest, b: &Guest) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let (mac, victim) = (a.port.mac, b.port.mac);
    let own6 = "fe80::f816:3eff:fe00:b".parse::<Ipv6Addr>().unwrap();
    let text = |name: &str| [MARK, name.as_bytes(), b";"].concat();
    let foreign4 = Ipv4Addr::new(10, 0, 0, 99);
    let all6 =
        |payload: &[u8], next| ethernet(mac, ALL_NODES_MAC, IPV6, &ip6(own6, ALL_NODES, next, payload));
    let ra = |name: &str| router_advertisement(own6, &text(name));
    let behind_options = |name: &str| [&[ICMPV6, 0, 1, 4, 0, 0, 0, 0][..], &ra(name)].concat();
    let mut na = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    na.extend("fd00:a::1".parse::<Ipv6Addr>().unwrap().octets());
    na.extend([2, 1]);
    na.extend(mac.0);
    na.extend(text("na"));
    let mut probes = BTreeMap::from([
        ("control", vec![ethernet(mac, victim, IPV4, &udp4(a.v4, b.v4, (9, 9), &text("control")))]),
        ("control6", vec![ethernet(mac, victim, IPV6, &udp6(a.v6, b.v6, &text("control6")))]),
        (
            "mac",
            vec![ethernet(MacAddr::openstack(0x99), victim, IPV4, &udp4(a.v4, b.v4, (9, 9), &text("mac")))],
        ),
        ("ip4", vec![ethernet(mac, victim, IPV4, &udp4(foreign4, b.v4, (9, 9), &text("ip4")))]),
        ("ip6", vec![ethernet(mac, victim, IPV6, &udp6("fd00:a::99".parse().unwrap(), b.v6, &text("ip6")))]),
        ("arp", vec![ethernet(mac, BROADCAST, ARP, &arp(2, mac, Ipv4Addr::new(10, 0, 0, 1), &text("arp")))]),
        (
            "arpmac",
            vec![ethernet(mac, BROADCAST, ARP, &arp(2, MacAddr::openstack(0x77), a.v4, &text("arpmac")))],
        ),
        (
            "na",
            vec![ethernet(
                mac,
                ALL_NODES_MAC,
                IPV6,
                &ip6(a.v6, ALL_NODES, ICMPV6, &icmp6(a.v6, ALL_NODES, na)),
            )],
        ),
        ("ra", vec![all6(&ra("ra"), ICMPV6)]),
        ("ra-options", vec![all6(&behind_options("ra-options"), DESTINATION_OPTIONS)]),
        (
            "dhcps",
            vec![ethernet(mac, BROADCAST, IPV4, &udp4(a.v4, Ipv4Addr::BROADCAST, (67, 68), &text("dhcps")))],
        ),
        (
            "pppoe",
            vec![ethernet(
                mac,
                victim,
                0x8864,
                &[&[0x11, 0, 0, 1, 0, 32, 0, 0x21][..], &text("pppoe")].concat(),
            )],
        ),
        ("llc", vec![ethernet(mac, victim, 60, &[&[0x42, 0x42, 3][..], &text("llc"), &[0; 45]].concat())]),
        (
            "stp",
            vec![ethernet(
                mac,
                MacAddr([0x01, 0x80, 0xc2, 0, 0, 0]),
                60,
                &[&[0x42, 0x42, 3][..], &text("stp"), &[0; 45]].concat(),
            )],
        ),
    ]);
    let tagged = [&[0, 5][..], &IPV4.to_be_bytes(), &udp4(foreign4, b.v4, (9, 9), &text("vlan"))].concat();
    probes.insert("vlan", vec![ethernet(mac, victim, 0x8100, &tagged)]);
    probes.extend(fragmented(mac));
    probes
}

/// Router advertisements that try to hide in fragments.
fn fragmented(mac: MacAddr) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let own = "fe80::f816:3eff:fe00:b".parse::<Ipv6Addr>().unwrap();
    let frame = |payload: &[u8]| ethernet(mac, ALL_NODES_MAC, IPV6, &ip6(own, ALL_NODES, FRAGMENT, payload));
    let ra = |name: &str| router_advertisement(own, &[MARK, name.as_bytes(), b";"].concat());
    // An advertisement in one fragment that claims that more follow.
    let behind_options = [&[ICMPV6, 0, 1, 4, 0, 0, 0, 0][..], &ra("ra-frag")].concat();
    let one = fragment(DESTINATION_OPTIONS, 0, true, 5, &behind_options);
    let mut probes = BTreeMap::from([("ra-frag", vec![frame(&one)])]);
    // The header that says ICMPv6 in the first fragment, the advertisement in the second: with a short first fragment,
    // and with one that is as long as IPv6 demands.
    let short: Vec<u8> = [&[ICMPV6, 4, 1, 36][..], &[0; 36]].concat();
    let mut long = vec![ICMPV6, 153];
    for len in [254, 254, 254, 254, 204] {
        long.extend([1, len]);
        long.resize(long.len() + usize::from(len), 0);
    }
    for (name, id, first) in [("ra-frag2", 7, short), ("ra-frag3", 9, long)] {
        assert_eq!(first.len() % 8, 0);
        let second = fragment(DESTINATION_OPTIONS, (first.len() / 8) as u16, false, id, &ra(name));
        let first = fragment(DESTINATION_OPTIONS, 0, true, id, &first);
        probes.insert(name, vec![frame(&first), frame(&second)]);
    }
    probes
}

/// Which of the probes are seen on a guest's link until the control frame that is sent last.
fn seen(socket: &PacketSocket) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(frame) = socket.receive(if found.is_empty() { SOON } else { NEVER }).unwrap() {
        let at = frame.windows(MARK.len()).position(|window| window == MARK);
        if let Some(at) = at {
            let rest = &frame[at + MARK.len()..];
            let name = rest.split(|byte| *byte == b';').next().unwrap();
            found.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn sixteen_kinds_of_forged_frames_go_nowhere() {
    host_test!("sixteen_kinds_of_forged_frames_go_nowhere");
    let mut world = World::new(2);
    let open = group_id();
    let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
    let mut guest = |host, number| world.guest(host, number).in_groups(&[open]);
    let (a, b, c) = (guest(0, 11), guest(0, 13), guest(1, 12));
    world.network(0x200, &[&a, &b, &c], &groups);
    assert!(a.reaches(b.v4) && a.reaches(c.v4), "the network works");

    let sender = PacketSocket::open(&a.netns, "eth0").unwrap();
    let near = PacketSocket::open(&b.netns, "eth0").unwrap();
    let far = PacketSocket::open(&c.netns, "eth0").unwrap();
    let probes_near = probes(&a, &b);
    assert_eq!(probes_near.len(), 16 + 2);
    // What is refused is sent first, so that the controls arrive after it.
    for name in probes_near.keys().filter(|name| !name.starts_with("control")) {
        probes_near[name].iter().for_each(|frame| sender.send(frame).unwrap());
    }
    let to_far = probes(&a, &c);
    for probes in [&probes_near, &to_far] {
        for name in ["control", "control6"] {
            probes[name].iter().for_each(|frame| sender.send(frame).unwrap());
        }
    }
    assert_eq!(seen(&near), ["control", "control6"], "beside the sender");
    for frames in to_far.iter().filter(|(name, _)| !name.starts_with("control")) {
        frames.1.iter().for_each(|frame| sender.send(frame).unwrap());
    }
    assert_eq!(seen(&far), ["control", "control6"], "on the other host");
}

/// The probes prove nothing if the frames are broken: without port security the same frames arrive.
#[test]
fn the_same_frames_pass_without_port_security() {
    host_test!("the_same_frames_pass_without_port_security");
    let mut world = World::new(1);
    let (mut a, mut b) = (world.guest(0, 11), world.guest(0, 13));
    (a.port.port_security, b.port.port_security) = (false, false);
    world.network(0x201, &[&a, &b], &BTreeMap::new());
    assert!(a.reaches(b.v4), "the network works");
    let sender = PacketSocket::open(&a.netns, "eth0").unwrap();
    let near = PacketSocket::open(&b.netns, "eth0").unwrap();
    for frames in probes(&a, &b).values() {
        frames.iter().for_each(|frame| sender.send(frame).unwrap());
    }
    let found = seen(&near);
    // Connection tracking keeps fragments that never become whole; the bridge keeps the spanning tree's own frames.
    for name in
        ["mac", "ip4", "ip6", "arp", "arpmac", "na", "ra", "ra-options", "dhcps", "vlan", "pppoe", "llc"]
    {
        assert!(found.iter().any(|seen| seen == name), "{name} did not arrive: {found:?}");
    }
}

#[test]
fn address_pairs_widen_what_may_be_sent() {
    host_test!("address_pairs_widen_what_may_be_sent");
    let mut world = World::new(1);
    let open = group_id();
    let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
    let mut a = world.guest(0, 11).in_groups(&[open]);
    let b = world.guest(0, 13).in_groups(&[open]);
    let pair = |net: &str| AddressPair { mac: a.port.mac, net: net.parse().unwrap() };
    a.port.address_pairs = ["10.0.0.99/32", "192.168.5.0/24", "fd00:a::9:0/112"].map(pair).into();
    world.network(0x202, &[&a, &b], &groups);
    assert!(a.reaches(b.v4), "the network works");
    let sender = PacketSocket::open(&a.netns, "eth0").unwrap();
    let near = PacketSocket::open(&b.netns, "eth0").unwrap();
    let text = |name: &str| [MARK, name.as_bytes(), b";"].concat();
    let send4 = |from: [u8; 4], name: &str| {
        let packet = udp4(from.into(), b.v4, (9, 9), &text(name));
        sender.send(&ethernet(a.port.mac, b.port.mac, IPV4, &packet)).unwrap();
    };
    let send6 = |from: &str, name: &str| {
        let packet = udp6(from.parse().unwrap(), b.v6, &text(name));
        sender.send(&ethernet(a.port.mac, b.port.mac, IPV6, &packet)).unwrap();
    };
    send4([10, 0, 0, 98], "refused");
    send4([192, 168, 6, 7], "refused");
    send6("fd00:a::8:1", "refused");
    send4([10, 0, 0, 99], "single");
    send4([192, 168, 5, 7], "range");
    send6("fd00:a::9:1", "range6");
    assert_eq!(seen(&near), ["range", "range6", "single"]);
}
