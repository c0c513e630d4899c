//! The ruleset of a network's namespace.
//!
//! Two tables work together. `inet state` is reached through br_netfilter; it has connection tracking and writes what
//! that says into two bits of the packet's mark. `bridge sg` runs after it on the same packet and decides by port:
//! where br_netfilter does not work the bits never appear, and replies are refused like any other packet. A link that
//! nobody has told us of is refused too: the chains' policy is drop, and every link has an element in the maps, but for
//! routers' legs, which are known by how their names begin.

use std::collections::BTreeSet;
use std::net::IpAddr;

use types::{AddressFamily, IpNet, SecurityGroupId};

use super::rules::{compile, is_range};
use super::{Direction, Filter, PortSpec};
use crate::network::{SERVICE_MAC, SERVICE_V4, SERVICE_V6, VXLAN_LINK};
use crate::nft::{Data, Family, Ruleset, Set, Table, Value};

/// What a network has besides its ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fixture {
    /// Whether DHCP is answered on each host, so that requests for it need not leave.
    pub dhcp: bool,
}

const LINK_VERDICT: &str = "type ifname : verdict";
const LINK_MAC: &str = "type ifname . ether_addr";
const LINK_MAC_V4: &str = "type ifname . ether_addr . ipv4_addr";
const LINK_MAC_V6: &str = "type ifname . ether_addr . ipv6_addr";
/// nft of Debian 12 has no name for a neighbour advertisement's target.
const LINK_TARGET: &str = "typeof iifname . @th,64,128";

const STATE_FORWARD: &[&str] = &[
    "ct state established,related meta mark set meta mark | 0x40000000 accept",
    "ct state invalid meta mark set meta mark | 0x20000000",
];
const STATE_INPUT: &[&str] = &[
    "iifname \"lo\" accept",
    "ct state established,related accept",
    "udp dport { 67, 547 } accept",
    "icmpv6 type { 133, 135, 136, 128 } accept",
    "icmp type echo-request accept",
    "ip daddr 169.254.169.254 tcp dport 80 accept",
    "ip6 daddr fe80::a9fe:a9fe tcp dport 80 accept",
];
const GUARD: &[&str] =
    &["ether type vmap { ip : goto guard-4, ip6 : goto guard-6, arp : goto guard-arp }", "drop"];
const GUARD_4: &[&str] = &[
    "udp sport 67 counter drop comment \"DHCP server\"",
    "iifname . ether saddr . ip saddr @mac4 accept",
    "ip saddr 0.0.0.0 udp sport 68 udp dport 67 iifname . ether saddr @macs accept",
    "counter drop comment \"foreign source\"",
];
const GUARD_6: &[&str] = &[
    // Must come before every accept: what is put together from fragments later is then known to have been some.
    "exthdr frag exists meta mark set 0x10000000",
    "meta l4proto != { icmpv6, udp } iifname . ether saddr . ip6 saddr @mac6 accept",
    "icmpv6 type { 134, 137 } counter drop comment \"router advertisement or redirect\"",
    "exthdr frag exists icmpv6 type { 133, 135, 136 } counter drop comment \"ND in fragments\"",
    "udp sport 547 counter drop comment \"DHCPv6 server\"",
    "icmpv6 type nd-neighbor-advert goto guard-na",
    "iifname . ether saddr . ip6 saddr @mac6 accept",
    "ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . @th,64,128 @targets iifname . ether saddr @macs accept",
    "ip6 saddr :: icmpv6 type { 130, 131, 132, 143 } iifname . ether saddr @macs accept",
    "counter drop comment \"foreign source\"",
];
const GUARD_ARP: &[&str] = &[
    "iifname . arp saddr ether . arp saddr ip @arp4 iifname . ether saddr @macs accept",
    "counter drop comment \"ARP for others\"",
];
const GUARD_NA: &[&str] = &[
    "iifname . @th,64,128 @targets iifname . ether saddr . ip6 saddr @mac6 accept",
    "counter drop comment \"ND for others\"",
];
const ND: &str = "icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 143 } accept";
const EGRESS: &[&str] = &[
    "meta mark & 0x40000000 != 0 accept",
    "meta mark & 0x20000000 != 0 counter drop comment \"no connection\"",
    "ether type arp accept",
    "meta mark & 0x10000000 != 0 icmpv6 type { 133, 134, 135, 136, 137 } counter drop comment \"ND from fragments\"",
    ND,
    "iifname vmap @out",
    "iifname \"pr-*\" accept",
];
const INGRESS: &[&str] = &[
    "meta mark & 0x40000000 != 0 accept",
    "ether type arp accept",
    ND,
    "oifname vmap @in",
    "oifname \"pr-*\" accept",
];

/// Builds the ruleset of a network's namespace.
pub(crate) fn ruleset(filter: &Filter, fixture: &Fixture) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let state = ruleset.table(Family::Inet, "state");
    state.base_chain("forward", "type filter hook forward priority filter; policy accept;", STATE_FORWARD);
    state.base_chain("input", "type filter hook input priority filter; policy drop;", STATE_INPUT);
    let table = ruleset.table(Family::Bridge, "sg");
    fixed_chains(table, fixture);
    verdicts(table, VXLAN_LINK, [Data::Accept, Data::Accept, Data::Accept]);
    for port in filter.ports.values() {
        add_port(table, port, filter);
    }
    add_groups(table, filter);
    ruleset
}

fn fixed_chains(table: &mut Table, fixture: &Fixture) {
    for map in ["spoof", "out", "in"] {
        table.set(map, LINK_VERDICT);
    }
    table.set("macs", LINK_MAC);
    table.set("mac4", LINK_MAC_V4);
    table.set("mac6", LINK_MAC_V6);
    table.set("arp4", LINK_MAC_V4);
    table.set("targets", LINK_TARGET);
    table.base_chain(
        "prerouting",
        "type filter hook prerouting priority -300; policy drop;",
        &["meta mark set 0", "iifname vmap @spoof", "iifname \"pr-*\" accept"],
    );
    // A guest that knows only its gateway sends these to a router. They are the bridge's own all the same, whatever
    // router there is, and on whichever host; the kernel has marked them as another's by then.
    let served = format!("ip daddr {SERVICE_V4} ether daddr set {SERVICE_MAC} meta pkttype set host");
    table.base_chain("service", "type filter hook prerouting priority -200; policy accept;", &[&served]);
    table.base_chain("egress", "type filter hook forward priority 10; policy drop;", EGRESS);
    table.base_chain("ingress", "type filter hook forward priority 11; policy drop;", INGRESS);
    let owned = |rules: &[&str]| rules.iter().map(|&rule| rule.to_owned()).collect();
    for (name, rules) in [
        ("guard", GUARD),
        ("guard-4", GUARD_4),
        ("guard-6", GUARD_6),
        ("guard-arp", GUARD_ARP),
        ("guard-na", GUARD_NA),
    ] {
        table.chain(name, owned(rules));
    }
    let leaving = format!("oifname \"{VXLAN_LINK}\" goto edge");
    table.base_chain("postrouting", "type filter hook postrouting priority 0; policy accept;", &[&leaving]);
    table.chain("edge", edge(fixture));
}

/// Keeps what the host itself answers from asking, or answering, other hosts.
fn edge(fixture: &Fixture) -> Vec<String> {
    let mut rules = vec!["meta mark & 0x40000000 != 0 accept".to_owned()];
    rules.push(format!("ether saddr {SERVICE_MAC} drop"));
    rules.push(format!("ether daddr {SERVICE_MAC} drop"));
    rules.push(format!("arp daddr ip {SERVICE_V4} drop"));
    rules.push(format!("ip daddr {SERVICE_V4} drop"));
    rules.push(format!("ip6 daddr {SERVICE_V6} drop"));
    rules.push(format!("icmpv6 type nd-neighbor-solicit @th,64,128 {:#x} drop", u128::from(SERVICE_V6)));
    if fixture.dhcp {
        rules.push("ether type ip udp sport 68 udp dport 67 counter drop comment \"DHCP\"".to_owned());
        rules.push("ether type ip6 udp dport 547 counter drop comment \"DHCPv6\"".to_owned());
    }
    rules
}

/// What happens to packets from a link, before anything else, when they are forwarded from it and to it.
fn verdicts(table: &mut Table, link: &str, [spoof, out, into]: [Data; 3]) {
    for (map, verdict) in [("spoof", spoof), ("out", out), ("in", into)] {
        table.set(map, LINK_VERDICT).map([Value::Link(link.to_owned())], verdict);
    }
}

fn add_port(table: &mut Table, port: &PortSpec, filter: &Filter) {
    if !port.port_security {
        return verdicts(table, &port.link, [Data::Accept, Data::Accept, Data::Accept]);
    }
    let link = || Value::Link(port.link.clone());
    let singles = port.own_addresses().map(|address| (port.mac, address));
    let pairs = port.address_pairs.iter().filter(|pair| !is_wide(pair.net));
    let singles = singles.chain(pairs.map(|pair| (pair.mac, pair.net.addr())));
    for (mac, address) in singles {
        let mac = Value::Mac(mac);
        table.set("macs", LINK_MAC).add([link(), mac.clone()]);
        match address {
            IpAddr::V4(v4) => {
                table.set("mac4", LINK_MAC_V4).add([link(), mac.clone(), Value::V4(v4)]);
                table.set("arp4", LINK_MAC_V4).add([link(), mac.clone(), Value::V4(v4)]);
                // The sender of an ARP probe has no address yet.
                table.set("arp4", LINK_MAC_V4).add([link(), mac, Value::V4([0; 4].into())]);
            }
            IpAddr::V6(v6) => {
                table.set("mac6", LINK_MAC_V6).add([link(), mac, Value::V6(v6)]);
                table.set("targets", LINK_TARGET).add([link(), Value::Raw(v6)]);
            }
        }
    }
    let wide: Vec<_> = port.address_pairs.iter().filter(|pair| is_wide(pair.net)).collect();
    let guard = if wide.is_empty() { "guard".to_owned() } else { format!("guard-{}", port.link) };
    if !wide.is_empty() {
        let mut rules = Vec::new();
        for pair in wide {
            table.set("macs", LINK_MAC).add([link(), Value::Mac(pair.mac)]);
            rules.extend(pair_rules(pair));
        }
        rules.push("goto guard".to_owned());
        table.chain(guard.clone(), rules);
    }
    let out = add_combination(table, "e", port, filter);
    let into = add_combination(table, "i", port, filter);
    verdicts(table, &port.link, [Data::Goto(guard), out, into]);
}

fn is_wide(net: IpNet) -> bool {
    net.prefix_len() < net.max_prefix_len()
}

/// Rules for an address pair that is a range; single addresses are set elements.
fn pair_rules(pair: &super::AddressPair) -> Vec<String> {
    let super::AddressPair { mac, net } = pair;
    if net.addr().is_ipv4() {
        return vec![
            format!("ether saddr {mac} ip saddr {net} meta l4proto != udp accept"),
            format!("ether saddr {mac} ip saddr {net} udp sport != 67 accept"),
            format!("ether saddr {mac} arp saddr ether {mac} arp saddr ip {net} accept"),
        ];
    }
    let (first, last) = (bits(net.network()), bits(net.broadcast()));
    vec![
        format!("ether saddr {mac} ip6 saddr {net} exthdr frag exists meta mark set 0x10000000"),
        format!("ether saddr {mac} ip6 saddr {net} meta l4proto != {{ icmpv6, udp }} accept"),
        format!("ether saddr {mac} ip6 saddr {net} udp sport != 547 accept"),
        format!("ether saddr {mac} ip6 saddr {net} icmpv6 type {{ 1-4, 128, 129 }} accept"),
        format!("ether saddr {mac} ip6 saddr {net} icmpv6 type 135 exthdr frag missing accept"),
        format!(
            "ether saddr {mac} ip6 saddr {net} icmpv6 type 136 exthdr frag missing @th,64,128 {first:#x}-{last:#x} accept"
        ),
    ]
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The verdict for a port's groups in one direction: the chain of its only group, or one that tries each group's.
fn add_combination(table: &mut Table, way: &str, port: &PortSpec, filter: &Filter) -> Data {
    let known = port.groups.iter().filter(|group| filter.groups.contains_key(group));
    let chains: Vec<String> = known.map(|group| chain_name(way, *group)).collect();
    match chains.as_slice() {
        [] => Data::Drop,
        [only] => Data::Goto(only.clone()),
        several => {
            let name = format!("{way}-all-{:032x}", fingerprint(&several.concat()));
            table.chain(name.clone(), several.iter().map(|chain| format!("jump {chain}")).collect());
            Data::Goto(name)
        }
    }
}

fn chain_name(way: &str, group: SecurityGroupId) -> String {
    format!("{way}-{}", group.0.simple())
}

fn add_groups(table: &mut Table, filter: &Filter) {
    let used: BTreeSet<SecurityGroupId> =
        filter.ports.values().filter(|p| p.port_security).flat_map(|p| p.groups.iter().copied()).collect();
    for (id, group) in &filter.groups {
        let simple = id.0.simple();
        for (version, family) in [(4, AddressFamily::V4), (6, AddressFamily::V6)] {
            let kind = format!("type ipv{version}_addr");
            let own = group.members.iter().filter(|net| AddressFamily::of(net.addr()) == family);
            let (wide, single): (Vec<IpNet>, Vec<IpNet>) =
                own.copied().partition(|net| is_range(net, family));
            let set = table.set(&format!("m{version}-{simple}"), &kind);
            for net in single {
                set.add([match net.addr() {
                    IpAddr::V4(v4) => Value::V4(v4),
                    IpAddr::V6(v6) => Value::V6(v6),
                }]);
            }
            let mut ranges = Set::ranges(&kind);
            for net in IpNet::aggregate(&wide) {
                ranges.add([Value::Net(net)]);
            }
            table.sets.insert(format!("n{version}-{simple}"), ranges);
        }
        if !used.contains(id) {
            continue;
        }
        for (way, direction) in [("e", Direction::Egress), ("i", Direction::Ingress)] {
            let name = chain_name(way, *id);
            let compiled = compile(&name, direction, &group.rules, &filter.groups);
            table.chain(name, compiled.rules);
            for (name, rules) in compiled.chains {
                table.chain(name, rules);
            }
        }
    }
}

/// Names a combination of groups by its members (FNV-1a of 128 bits), so that the name does not depend on order of
/// appearance.
fn fingerprint(text: &str) -> u128 {
    let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    text.bytes().fold(start, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}
