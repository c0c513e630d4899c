//! Rules become few nft rules that mean the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};
use types::{AddressFamily, MacAddr, PortId, SecurityGroupId};
use uuid::Uuid;

use super::rules::{TrafficSet, compile, merged, pieces};
use super::{
    AddressPair, Attachment, Direction, Filter, Fixture, GroupSpec, PortSpec, Remote, Rule, Traffic, allows,
    protocol_number, ruleset,
};
use crate::conntrack::Flow;
use crate::nft::{Data, Family, Table, Value};

const GROUP: SecurityGroupId = SecurityGroupId(Uuid::from_u128(0xa));
const OTHER: SecurityGroupId = SecurityGroupId(Uuid::from_u128(0xb));

fn rule(family: AddressFamily, traffic: Traffic, remote: &str) -> Rule {
    let remote = match remote {
        "anyone" => Remote::Anyone,
        "group" => Remote::Group(OTHER),
        net => Remote::Prefix(net.parse().unwrap()),
    };
    Rule { direction: Direction::Ingress, family, traffic, remote }
}

fn v4(traffic: Traffic, remote: &str) -> Rule {
    rule(AddressFamily::V4, traffic, remote)
}

fn v6(traffic: Traffic, remote: &str) -> Rule {
    rule(AddressFamily::V6, traffic, remote)
}

fn tcp(first: u16, last: u16) -> Traffic {
    Traffic::Ports { protocol: 6, first, last }
}

fn icmp(kind: u8, code: Option<u8>) -> Traffic {
    Traffic::Icmp { kind, code }
}

/// Compiles ingress rules; a chain that is jumped to is written after the main one, under its name.
fn check<const N: usize>(rules: impl IntoIterator<Item = Rule>, expected: [&str; N]) {
    let groups = BTreeMap::from([(OTHER, GroupSpec::default())]);
    let compiled = compile("i", Direction::Ingress, &rules.into_iter().collect(), &groups);
    let mut lines = compiled.rules;
    for (name, rules) in compiled.chains {
        lines.extend(rules.into_iter().map(|rule| format!("{name}: {rule}")));
    }
    assert_eq!(lines, expected);
}

#[test]
fn a_rule_is_one_line() {
    check([], []);
    check([v4(Traffic::Any, "anyone")], ["ether type ip accept"]);
    check([v6(Traffic::Any, "::/0")], ["ether type ip6 accept"]);
    check([v4(tcp(22, 22), "anyone")], ["ether type ip tcp dport { 22 } accept"]);
    check([v4(Traffic::Protocol(47), "anyone")], ["ether type ip meta l4proto { 47 } accept"]);
    check([v4(icmp(8, None), "anyone")], ["ether type ip icmp type { 8 } accept"]);
    check([v6(icmp(1, Some(4)), "anyone")], ["ether type ip6 icmpv6 type . icmpv6 code { 1 . 4 } accept"]);
    check(
        [v4(tcp(22, 22), "10.0.0.0/8")],
        ["ip saddr vmap { 10.0.0.0-10.255.255.255 : jump i-4-0 }", "i-4-0: tcp dport { 22 } accept"],
    );
    check([v6(Traffic::Any, "fd00::1/128")], ["ip6 saddr vmap { fd00::1 : accept }"]);
    let members = "m4-0000000000000000000000000000000b";
    check([v4(tcp(1, 9), "group")], [&format!("ip saddr @{members} tcp dport {{ 1-9 }} accept")]);
    let unknown = Rule { remote: Remote::Group(GROUP), ..v4(Traffic::Any, "anyone") };
    check([unknown], []);
    check([Rule { direction: Direction::Egress, ..v4(Traffic::Any, "anyone") }], []);
}

#[test]
fn many_rules_are_few_lines() {
    check(
        (0..1000).map(|at| v4(tcp(at * 2, at * 2 + 1), "anyone")),
        ["ether type ip tcp dport { 0-1999 } accept"],
    );
    check(
        [v4(tcp(22, 22), "anyone"), v4(Traffic::Protocol(6), "anyone"), v4(icmp(3, Some(4)), "anyone")],
        ["ether type ip meta l4proto { 6 } accept", "ether type ip icmp type . icmp code { 3 . 4 } accept"],
    );
    check([v4(tcp(22, 22), "anyone"), v4(Traffic::Any, "anyone")], ["ether type ip accept"]);
    check(
        [v4(tcp(22, 22), "10.0.0.0/9"), v4(tcp(22, 22), "10.128.0.0/9"), v4(tcp(80, 80), "10.0.0.1/32")],
        [
            "ip saddr vmap { 10.0.0.0 : jump i-4-0, 10.0.0.1 : jump i-4-1, 10.0.0.2-10.255.255.255 : jump i-4-0 }",
            "i-4-0: tcp dport { 22 } accept",
            "i-4-1: tcp dport { 22, 80 } accept",
        ],
    );
    let prefixes = (0..=255).map(|at| v4(tcp(22, 22), &format!("10.{at}.0.0/17")));
    let groups = BTreeMap::new();
    let compiled = compile("i", Direction::Ingress, &prefixes.collect(), &groups);
    assert_eq!((compiled.rules.len(), compiled.chains.len()), (1, 1));
}

#[test]
fn protocols_have_names() {
    let check = |name: &str, v4: Option<u8>, v6: Option<u8>| {
        assert_eq!(protocol_number(name, AddressFamily::V4), v4, "{name}");
        assert_eq!(protocol_number(name, AddressFamily::V6), v6, "{name}");
    };
    check("tcp", Some(6), Some(6));
    check("icmp", Some(1), Some(58));
    check("ipv6-icmp", Some(58), Some(58));
    check("132", Some(132), Some(132));
    check("256", None, None);
    check("any", None, None);
}

fn port(link: &str, number: u8, groups: &[SecurityGroupId]) -> PortSpec {
    PortSpec {
        id: PortId(Uuid::from_u128(number.into())),
        link: link.into(),
        attachment: Attachment::Tap,
        mac: MacAddr::openstack(number.into()),
        addresses: [Ipv4Addr::new(10, 0, 0, number).into()].into(),
        address_pairs: BTreeSet::new(),
        port_security: true,
        groups: groups.iter().copied().collect(),
        admin_up: true,
    }
}

fn guard_table(ports: &[PortSpec], groups: &[SecurityGroupId]) -> Table {
    let filter = Filter {
        ports: ports.iter().map(|port| (port.id, port.clone())).collect(),
        groups: groups.iter().map(|id| (*id, GroupSpec::default())).collect(),
    };
    let mut ruleset = ruleset(&filter, &Fixture { dhcp: true });
    ruleset.tables.remove(&(Family::Bridge, "sg".into())).unwrap()
}

fn verdict(table: &Table, map: &str, link: &str) -> Option<Data> {
    table.sets[map].elements.get(&vec![Value::Link(link.into())]).cloned().flatten()
}

#[test]
fn every_link_has_its_verdicts() {
    let mut free = port("free", 3, &[GROUP]);
    free.port_security = false;
    let mute = port("mute", 4, &[]);
    let lost = port("lost", 5, &[SecurityGroupId(Uuid::from_u128(0xdead))]);
    let ports = [port("one", 1, &[GROUP]), port("two", 2, &[GROUP, OTHER]), free, mute, lost];
    let table = guard_table(&ports, &[GROUP, OTHER]);
    let goto = |chain: &str| Some(Data::Goto(chain.to_owned()));
    assert_eq!(verdict(&table, "spoof", "one"), goto("guard"));
    assert_eq!(verdict(&table, "out", "one"), goto("e-0000000000000000000000000000000a"));
    assert_eq!(verdict(&table, "in", "one"), goto("i-0000000000000000000000000000000a"));
    let Some(Data::Goto(several)) = verdict(&table, "in", "two") else { panic!("no chain for two groups") };
    let jumps = ["jump i-0000000000000000000000000000000a", "jump i-0000000000000000000000000000000b"];
    assert_eq!(table.chains[&several].rules, jumps);
    for map in ["spoof", "out", "in"] {
        assert_eq!(verdict(&table, map, "free"), Some(Data::Accept));
        assert_eq!(verdict(&table, map, "vx0"), Some(Data::Accept));
        assert_eq!(verdict(&table, map, "stranger"), None);
    }
    for link in ["mute", "lost"] {
        assert_eq!(verdict(&table, "spoof", link), goto("guard"));
        assert_eq!(verdict(&table, "out", link), Some(Data::Drop));
        assert_eq!(verdict(&table, "in", link), Some(Data::Drop));
    }
    for chain in ["prerouting", "egress", "ingress"] {
        assert!(table.chains[chain].hook.is_some_and(|hook| hook.ends_with("policy drop;")), "{chain}");
    }
    assert!(
        !table.sets["macs"]
            .elements
            .contains_key(&vec![Value::Link("free".into()), Value::Mac(MacAddr::openstack(3)),])
    );
}

#[test]
fn a_port_more_is_elements_only() {
    let one = port("one", 1, &[GROUP]);
    let before = guard_table(std::slice::from_ref(&one), &[GROUP]);
    let after = guard_table(&[one, port("two", 2, &[GROUP])], &[GROUP]);
    assert_eq!(before.chains, after.chains);
    assert_ne!(before.sets, after.sets);
}

#[test]
fn wide_address_pairs_have_a_chain_of_their_own() {
    let mut wide = port("wide", 1, &[GROUP]);
    let mac = wide.mac;
    wide.address_pairs =
        ["10.9.0.0/16", "10.8.0.1/32"].map(|net| AddressPair { mac, net: net.parse().unwrap() }).into();
    let table = guard_table(&[wide], &[GROUP]);
    assert_eq!(verdict(&table, "spoof", "wide"), Some(Data::Goto("guard-wide".into())));
    assert_eq!(table.chains["guard-wide"].rules.last().unwrap(), "goto guard");
    let single = vec![Value::Link("wide".into()), Value::Mac(mac), Value::V4(Ipv4Addr::new(10, 8, 0, 1))];
    assert!(table.sets["mac4"].elements.contains_key(&single));
}

#[test]
fn the_model_judges_flows() {
    let port = port("one", 1, &[GROUP]);
    let mut group = GroupSpec::default();
    group.rules.insert(v4(tcp(20, 30), "192.0.2.0/24"));
    group.rules.insert(v4(icmp(8, None), "group"));
    let other = GroupSpec { members: ["10.0.0.7/32".parse().unwrap()].into(), ..GroupSpec::default() };
    let mut filter =
        Filter { ports: [(port.id, port.clone())].into(), groups: [(GROUP, group), (OTHER, other)].into() };
    let flow = |from: &str, to_port, icmp: Option<(u8, u8)>| Flow {
        from: from.parse().unwrap(),
        to: IpAddr::from([10, 0, 0, 1]),
        protocol: if icmp.is_none() { 6 } else { 1 },
        to_port,
        icmp,
    };
    let allowed = |filter: &Filter, flow: &Flow| allows(filter, &port, Direction::Ingress, flow);
    assert!(allowed(&filter, &flow("192.0.2.9", Some(30), None)));
    assert!(!allowed(&filter, &flow("192.0.2.9", Some(31), None)));
    assert!(!allowed(&filter, &flow("192.0.3.9", Some(22), None)));
    assert!(allowed(&filter, &flow("10.0.0.7", None, Some((8, 0)))));
    assert!(!allowed(&filter, &flow("10.0.0.8", None, Some((8, 0)))));
    assert!(!allows(&filter, &port, Direction::Egress, &flow("192.0.2.9", Some(22), None)));
    filter.groups.clear();
    assert!(!allowed(&filter, &flow("192.0.2.9", Some(30), None)));
}

fn traffic() -> impl Strategy<Value = Traffic> {
    prop::sample::select(vec![
        Traffic::Any,
        Traffic::Protocol(6),
        tcp(1, 5),
        tcp(4, 9),
        Traffic::Ports { protocol: 17, first: 1, last: 1 },
        icmp(8, None),
        icmp(8, Some(0)),
    ])
}

proptest! {
    #[test]
    fn merged_ranges_hold_the_same_numbers(ranges in prop::collection::vec((0_u16..40, 0_u16..40), 0..8)) {
        let after = merged(ranges.clone());
        for number in 0..41 {
            let within = |ranges: &[(u16, u16)]| ranges.iter().any(|(a, b)| (*a..=*b).contains(&number));
            prop_assert_eq!(within(&ranges), within(&after));
        }
        let apart = after.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0);
        prop_assert_eq!(apart, true);
    }

    #[test]
    fn pieces_allow_what_their_ranges_allow(
        ranges in prop::collection::vec((0_u128..30, 0_u128..10, traffic()), 0..8),
        to_the_end in any::<bool>(),
    ) {
        let mut ranges: Vec<_> = ranges.into_iter().map(|(at, len, t)| (at, at + len, t)).collect();
        if to_the_end {
            ranges.push((20, u128::MAX, tcp(1, 1)));
        }
        let cut = pieces(ranges.clone());
        for number in (0..45).chain([u128::MAX]) {
            let holding = ranges.iter().filter(|(a, b, _)| (*a..=*b).contains(&number)).map(|(_, _, t)| *t);
            let here: Vec<&TrafficSet> =
                cut.iter().filter(|(a, b, _)| (*a..=*b).contains(&number)).map(|(_, _, t)| t).collect();
            let wanted = TrafficSet::of(holding);
            if wanted == TrafficSet::default() {
                prop_assert_eq!(here.len(), 0);
            } else {
                prop_assert_eq!(here, vec![&wanted]);
            }
        }
    }
}
