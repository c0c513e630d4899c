//! From a group's rules to nft rules. What can be one lookup is one lookup: ports of a protocol become one set,
//! remote prefixes become one map from ranges of addresses to what is allowed there. So a packet's cost does not grow
//! with the number of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

use types::{AddressFamily, IpNet, SecurityGroupId};

use super::{Direction, GroupSpec, Remote, Rule, Traffic};

const ICMP_V4: u8 = 1;
const ICMP_V6: u8 = 58;

/// Several kinds of traffic, in the shortest form.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TrafficSet {
    any: bool,
    protocols: BTreeSet<u8>,
    /// Ranges of ports that neither overlap nor touch, by protocol.
    ports: BTreeMap<u8, Vec<(u16, u16)>>,
    icmp_types: BTreeSet<u8>,
    icmp_codes: BTreeSet<(u8, u8)>,
}

/// The chains that one group's rules become: the first is the one to go to.
pub(super) struct Compiled {
    pub rules: Vec<String>,
    pub chains: BTreeMap<String, Vec<String>>,
}

/// The number of an IP protocol, from a name that OpenStack takes or a number. ICMP is another protocol in IPv6.
pub fn protocol_number(name: &str, family: AddressFamily) -> Option<u8> {
    Some(match (name, family) {
        ("icmp" | "icmpv6" | "ipv6-icmp", AddressFamily::V6) => ICMP_V6,
        ("icmp", AddressFamily::V4) => ICMP_V4,
        ("ipv6-icmp" | "icmpv6", AddressFamily::V4) => ICMP_V6,
        ("ah", _) => 51,
        ("dccp", _) => 33,
        ("egp", _) => 8,
        ("esp", _) => 50,
        ("gre", _) => 47,
        ("igmp", _) => 2,
        ("ipip", _) => 4,
        ("ipv6-encap", _) => 41,
        ("ipv6-frag", _) => 44,
        ("ipv6-nonxt", _) => 59,
        ("ipv6-opts", _) => 60,
        ("ipv6-route", _) => 43,
        ("ospf", _) => 89,
        ("pgm", _) => 113,
        ("rsvp", _) => 46,
        ("sctp", _) => 132,
        ("tcp", _) => 6,
        ("udp", _) => 17,
        ("udplite", _) => 136,
        ("vrrp", _) => 112,
        (number, _) => return number.parse().ok(),
    })
}

/// Compiles the rules of one direction. `name` begins the names of the chains that are needed besides.
pub(super) fn compile(
    name: &str,
    direction: Direction,
    rules: &BTreeSet<Rule>,
    groups: &BTreeMap<SecurityGroupId, GroupSpec>,
) -> Compiled {
    let mut compiled = Compiled { rules: Vec::new(), chains: BTreeMap::new() };
    for family in [AddressFamily::V4, AddressFamily::V6] {
        let wanted = rules.iter().filter(|rule| rule.direction == direction && rule.family == family);
        let scope = Scope { name, direction, family };
        compile_family(&scope, &wanted.copied().collect::<Vec<_>>(), groups, &mut compiled);
    }
    compiled
}

struct Scope<'a> {
    name: &'a str,
    direction: Direction,
    family: AddressFamily,
}

fn compile_family(
    scope: &Scope,
    rules: &[Rule],
    groups: &BTreeMap<SecurityGroupId, GroupSpec>,
    into: &mut Compiled,
) {
    let mut anyone = Vec::new();
    let mut ranges = Vec::new();
    let mut members: BTreeMap<SecurityGroupId, Vec<Traffic>> = BTreeMap::new();
    for rule in rules {
        match rule.remote {
            Remote::Prefix(net) if net.prefix_len() > 0 => {
                if AddressFamily::of(net.addr()) == scope.family {
                    ranges.push((number(net.network()), number(net.broadcast()), rule.traffic));
                }
            }
            Remote::Anyone | Remote::Prefix(_) => anyone.push(rule.traffic),
            // A group that this host has not been told of has no members here, and no set to look them up in.
            Remote::Group(group) if !groups.contains_key(&group) => {}
            Remote::Group(group) => members.entry(group).or_default().push(rule.traffic),
        }
    }
    let (word, version) = match scope.family {
        AddressFamily::V4 => ("ip", 4),
        AddressFamily::V6 => ("ip6", 6),
    };
    let far = match scope.direction {
        Direction::Egress => "daddr",
        Direction::Ingress => "saddr",
    };
    into.rules.extend(TrafficSet::of(anyone).rules(scope.family, &format!("ether type {word} ")));
    for (group, traffic) in members {
        let traffic = TrafficSet::of(traffic);
        let id = group.0.simple();
        into.rules.extend(traffic.rules(scope.family, &format!("{word} {far} @m{version}-{id} ")));
        let in_ranges =
            groups.get(&group).is_some_and(|g| g.members.iter().any(|net| is_range(net, scope.family)));
        if in_ranges {
            into.rules.extend(traffic.rules(scope.family, &format!("{word} {far} @n{version}-{id} ")));
        }
    }
    let pieces = pieces(ranges);
    if pieces.is_empty() {
        return;
    }
    let classes: BTreeSet<&TrafficSet> = pieces.iter().map(|(_, _, traffic)| traffic).collect();
    let named: BTreeMap<&TrafficSet, String> = classes
        .into_iter()
        .enumerate()
        .map(|(at, t)| (t, format!("{}-{version}-{at}", scope.name)))
        .collect();
    let mut map = format!("{word} {far} vmap {{ ");
    for (at, (first, last, traffic)) in pieces.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let target = match named.get(traffic) {
            Some(chain) if !traffic.any => format!("jump {chain}"),
            _ => "accept".to_owned(),
        };
        let _ = write!(map, "{comma}{} : {target}", range_text(*first, *last, scope.family));
    }
    map.push_str(" }");
    into.rules.push(map);
    for (traffic, chain) in named.into_iter().filter(|(traffic, _)| !traffic.any) {
        into.chains.insert(chain, traffic.rules(scope.family, ""));
    }
}

/// Whether a member is more than one address, and so needs a set of ranges.
pub(super) fn is_range(net: &IpNet, family: AddressFamily) -> bool {
    AddressFamily::of(net.addr()) == family && net.prefix_len() < net.max_prefix_len()
}

impl TrafficSet {
    pub(super) fn of(traffic: impl IntoIterator<Item = Traffic>) -> TrafficSet {
        let mut set = TrafficSet::default();
        let mut ports: BTreeMap<u8, Vec<(u16, u16)>> = BTreeMap::new();
        for one in traffic {
            match one {
                Traffic::Any => set.any = true,
                Traffic::Protocol(protocol) => {
                    set.protocols.insert(protocol);
                }
                Traffic::Ports { protocol, first, last } => {
                    ports.entry(protocol).or_default().push((first, last));
                }
                Traffic::Icmp { kind, code: None } => {
                    set.icmp_types.insert(kind);
                }
                Traffic::Icmp { kind, code: Some(code) } => {
                    set.icmp_codes.insert((kind, code));
                }
            }
        }
        if set.any {
            return TrafficSet { any: true, ..TrafficSet::default() };
        }
        let whole = std::mem::take(&mut set.protocols);
        ports.retain(|protocol, _| !whole.contains(protocol));
        set.ports = ports.into_iter().map(|(protocol, ranges)| (protocol, merged(ranges))).collect();
        let icmp_types = std::mem::take(&mut set.icmp_types);
        set.icmp_codes.retain(|(kind, _)| !icmp_types.contains(kind));
        TrafficSet { protocols: whole, icmp_types, ..set }
    }

    /// One rule per kind of match, each accepting, each beginning with `head`.
    fn rules(&self, family: AddressFamily, head: &str) -> Vec<String> {
        if self.any {
            return vec![format!("{head}accept")];
        }
        let mut rules = Vec::new();
        let mut add = |matching: String| rules.push(format!("{head}{matching} accept"));
        if !self.protocols.is_empty() {
            add(format!("meta l4proto {}", set_text(&self.protocols)));
        }
        for (protocol, ranges) in &self.ports {
            let ranges =
                ranges.iter().map(
                    |&(first, last)| {
                        if first == last { first.to_string() } else { format!("{first}-{last}") }
                    },
                );
            let ranges = set_text(ranges);
            add(match port_protocol(*protocol) {
                Some(name) => format!("{name} dport {ranges}"),
                None => format!("meta l4proto {protocol} th dport {ranges}"),
            });
        }
        let icmp = match family {
            AddressFamily::V4 => "icmp",
            AddressFamily::V6 => "icmpv6",
        };
        if !self.icmp_types.is_empty() {
            add(format!("{icmp} type {}", set_text(&self.icmp_types)));
        }
        if !self.icmp_codes.is_empty() {
            let codes = self.icmp_codes.iter().map(|(kind, code)| format!("{kind} . {code}"));
            add(format!("{icmp} type . {icmp} code {}", set_text(codes)));
        }
        rules
    }
}

fn port_protocol(protocol: u8) -> Option<&'static str> {
    match protocol {
        6 => Some("tcp"),
        17 => Some("udp"),
        33 => Some("dccp"),
        132 => Some("sctp"),
        136 => Some("udplite"),
        _ => None,
    }
}

fn set_text<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("{{ {} }}", items.join(", "))
}

/// The same numbers in ranges that neither overlap nor touch, in order.
pub(super) fn merged(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut done: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges.into_iter().filter(|(first, last)| first <= last) {
        match done.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => done.push((first, last)),
        }
    }
    done
}

/// Cuts overlapping ranges of addresses into pieces that do not overlap, each with all that is allowed in it.
pub(super) fn pieces(ranges: Vec<(u128, u128, Traffic)>) -> Vec<(u128, u128, TrafficSet)> {
    // What begins at a number and what has ended before it.
    let mut events: BTreeMap<u128, (Vec<Traffic>, Vec<Traffic>)> = BTreeMap::new();
    for (first, last, traffic) in ranges {
        events.entry(first).or_default().0.push(traffic);
        if let Some(after) = last.checked_add(1) {
            events.entry(after).or_default().1.push(traffic);
        }
    }
    let mut pieces: Vec<(u128, u128, TrafficSet)> = Vec::new();
    let mut open: BTreeMap<Traffic, usize> = BTreeMap::new();
    let mut events = events.into_iter().peekable();
    while let Some((first, (begins, ends))) = events.next() {
        for traffic in ends {
            if let Some(count) = open.get_mut(&traffic) {
                *count -= 1;
            }
        }
        for traffic in begins {
            *open.entry(traffic).or_default() += 1;
        }
        open.retain(|_, count| *count > 0);
        if open.is_empty() {
            continue;
        }
        let last = events.peek().map_or(u128::MAX, |(next, _)| next - 1);
        let allowed = TrafficSet::of(open.keys().copied());
        match pieces.last_mut() {
            Some((_, end, before)) if end.checked_add(1) == Some(first) && *before == allowed => *end = last,
            _ => pieces.push((first, last, allowed)),
        }
    }
    pieces
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn range_text(first: u128, last: u128, family: AddressFamily) -> String {
    let address = |number: u128| match family {
        AddressFamily::V4 => IpAddr::V4((number.min(u32::MAX.into()) as u32).into()),
        AddressFamily::V6 => IpAddr::V6(number.into()),
    };
    let (first, last) = (address(first), address(last));
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}
