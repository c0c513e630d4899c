//! A router: a namespace with a leg in each of its networks and one in the external network, built from one snapshot.
//!
//! IPv4 is translated: outgoing connections appear with the router's address, or with the guest's floating IP; from
//! outside only floating IPs can be reached, never a fixed address. IPv6 is routed as it is; what comes in is for the
//! security groups to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::time::Duration;

use types::{IpNet, MacAddr, PortId, RouterId};

use crate::cloud::{Cloud, leg_name};
use crate::conntrack;
use crate::error::{Doing, Error, Result};
use crate::external::EXTERNAL_BRIDGE;
use crate::netlink::{Link, NewLink, Route, RouteEntry};
use crate::netns::Netns;
use crate::network::{BRIDGE_LINK, ROUTER_LEG, install};
use crate::nft::{Data, Family, Kernel, Ruleset, Set, Value};
use crate::packet::{Announcer, gratuitous_arp, unsolicited_na};
use crate::sysctl;

/// The leg in the external network.
const GATEWAY_LINK: &str = "qg";
/// How the names of the legs in networks begin, on the router's side.
const INTERFACE: &str = "qr-";
/// How the names of routers' legs begin in the external network's namespace.
const EXTERNAL_LEG: &str = "px-";
/// How long to wait for bridges to forward to new legs. It takes the kernel about a millisecond to notice them; when it
/// takes longer, an announcement is lost and the start is slower.
const CARRIER_MS_MAX: u64 = 200;

/// A router as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterSpec {
    /// Its id.
    pub id: RouterId,
    /// Its legs in networks, by port.
    pub interfaces: BTreeMap<PortId, RouterInterface>,
    /// Its leg in the external network.
    pub gateway: Option<RouterGateway>,
    /// Floating IPs and the fixed addresses that they stand for.
    pub floating_ips: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Extra routes: destinations and next hops.
    pub routes: BTreeMap<IpNet, IpAddr>,
}

/// A router's leg in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterInterface {
    /// The network; it must have been ensured.
    pub vni: u32,
    /// The network's MTU.
    pub mtu: u32,
    /// The leg's MAC address.
    pub mac: MacAddr,
    /// Its addresses with their subnets' prefixes.
    pub addresses: BTreeSet<IpNet>,
}

/// A router's leg in the external network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterGateway {
    /// Its port.
    pub port: PortId,
    /// The external network's MTU.
    pub mtu: u32,
    /// The leg's MAC address.
    pub mac: MacAddr,
    /// Its addresses with their subnets' prefixes.
    pub addresses: BTreeSet<IpNet>,
    /// Where everything else goes: at most one address of each family.
    pub next_hops: BTreeSet<IpAddr>,
    /// Whether IPv4 connections from inside appear with the router's address.
    pub snat: bool,
}

/// What is at a router.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouterSeen {
    /// The ports whose legs carry frames.
    pub connected: BTreeSet<PortId>,
}

/// A router's namespace, open, with what was last put in it.
#[derive(Debug)]
pub(crate) struct Router {
    netns: Netns,
    route: Route,
    kernel: Kernel,
    announcer: Announcer,
    loaded: Option<Ruleset>,
    spec: Option<RouterSpec>,
}

/// One leg, of either kind.
struct Leg<'a> {
    name: String,
    peer: String,
    /// The namespace of the other end, and its bridge.
    namespace: String,
    bridge: &'static str,
    mac: MacAddr,
    mtu: u32,
    addresses: &'a BTreeSet<IpNet>,
}

/// The far end of a leg that was just made: a port of a bridge.
struct FarEnd {
    route: Route,
    link: String,
}

impl Router {
    /// Opens the namespace, making it if there is none.
    pub(crate) fn open(cloud: Cloud, id: RouterId) -> Result<Router> {
        let (netns, new) = Netns::ensure_new(&cloud.router_namespace(id))?;
        let route = Route::open(&netns)?;
        let kernel = Kernel::open(&netns)?;
        let announcer = Announcer::open(&netns)?;
        Ok(Router { netns, route, kernel, announcer, loaded: new.then(Ruleset::default), spec: None })
    }

    /// Makes it as `spec` says. The rules are in place before the first leg is.
    pub(crate) fn ensure(&mut self, cloud: Cloud, spec: &RouterSpec) -> Result<()> {
        self.settle()?;
        let ruleset = ruleset(spec);
        let known = self.loaded.take();
        install(&self.netns, &mut self.kernel, known.as_ref(), &ruleset)?;
        self.loaded = Some(ruleset);
        let legs = legs(cloud, spec);
        self.remove_strangers(&legs)?;
        let mut announced: BTreeSet<(String, IpAddr)> = BTreeSet::new();
        let mut made = Vec::new();
        for leg in &legs {
            made.extend(self.ensure_leg(leg)?);
            let wanted = addresses_of(leg, spec);
            let index = self.route.existing_link(&leg.name)?.index;
            let before = self.route.addresses(index)?;
            self.route.set_addresses(index, &wanted)?;
            announced.extend(wanted.difference(&before).map(|net| (leg.name.clone(), net.addr())));
        }
        let routes = self.routes(&legs, spec)?;
        self.route.set_routes(&routes)?;
        self.cut_floating_ips(spec)?;
        self.spec = Some(spec.clone());
        await_forwarding(&mut made)?;
        self.announce(&legs, &announced)
    }

    /// What is at it.
    pub(crate) fn observe(&mut self) -> Result<RouterSeen> {
        let Some(spec) = &self.spec else { return Ok(RouterSeen::default()) };
        let names = spec.interfaces.keys().map(|port| (router_link(*port), *port));
        let gateway = spec.gateway.iter().map(|gateway| (GATEWAY_LINK.to_owned(), gateway.port));
        let ports: BTreeMap<String, PortId> = names.chain(gateway).collect();
        let running = self.route.links()?.into_iter().filter(|link| link.running);
        Ok(RouterSeen { connected: running.filter_map(|link| ports.get(&link.name).copied()).collect() })
    }

    fn settle(&self) -> Result<()> {
        sysctl::set(
            &self.netns,
            &[
                ("ipv4/ip_forward", "1"),
                ("ipv4/conf/all/rp_filter", "0"),
                ("ipv4/conf/default/rp_filter", "0"),
                ("ipv4/conf/all/arp_ignore", "1"),
                ("ipv4/conf/all/arp_announce", "2"),
                ("ipv4/conf/all/send_redirects", "0"),
                ("ipv4/conf/default/send_redirects", "0"),
                ("ipv4/conf/all/accept_redirects", "0"),
                ("ipv6/conf/all/forwarding", "1"),
                ("ipv6/conf/default/forwarding", "1"),
                ("ipv6/conf/default/accept_ra", "0"),
                ("ipv6/conf/default/accept_dad", "0"),
                ("ipv6/conf/all/accept_redirects", "0"),
            ],
        )
    }

    /// Makes a leg, or mends it. One that was made is returned by its far end, which is yet to come alive.
    fn ensure_leg(&mut self, leg: &Leg) -> Result<Option<FarEnd>> {
        let act = || format!("attach {} to {}", self.netns.name(), leg.namespace);
        let other = Netns::open(&leg.namespace)?
            .ok_or_else(|| Error::unfit(act(), "that namespace has not been made yet"))?;
        let mut far = Route::open(&other)?;
        let bridge = far.link(leg.bridge)?.ok_or_else(|| Error::unfit(act(), "it has no bridge"))?.index;
        let near = self.route.link(&leg.name)?;
        let peer = far.link(&leg.peer)?;
        let fits = near.as_ref().is_some_and(|near| near.mac == Some(leg.mac)) && peer.is_some();
        if !fits {
            self.route.remove_link(&leg.name)?;
            far.remove_link(&leg.peer)?;
            self.route.add_link(&NewLink::Veth {
                name: &leg.name,
                mac: Some(leg.mac),
                peer: &leg.peer,
                peer_mac: None,
                into: other.as_fd(),
            })?;
        }
        let settled = |link: &Option<Link>| fits && link.as_ref().is_some_and(|l| l.up && l.mtu == leg.mtu);
        if !settled(&peer) || peer.is_some_and(|peer| peer.master != Some(bridge)) {
            far.configure(&leg.peer, leg.mtu, Some(bridge), true)?;
        }
        if !settled(&near) {
            self.route.configure(&leg.name, leg.mtu, None, true)?;
        }
        Ok((!fits).then(|| FarEnd { route: far, link: leg.peer.clone() }))
    }

    fn remove_strangers(&mut self, legs: &[Leg]) -> Result<()> {
        let wanted: BTreeSet<&str> = legs.iter().map(|leg| leg.name.as_str()).collect();
        for link in self.route.links()? {
            let ours = link.name == GATEWAY_LINK || link.name.starts_with(INTERFACE);
            if ours && !wanted.contains(link.name.as_str()) {
                self.route.remove_link(&link.name)?;
            }
        }
        Ok(())
    }

    /// The routes that do not follow from the addresses.
    fn routes(&mut self, legs: &[Leg], spec: &RouterSpec) -> Result<BTreeSet<RouteEntry>> {
        let indexes: BTreeMap<String, u32> =
            self.route.links()?.into_iter().map(|link| (link.name, link.index)).collect();
        let via = |hop: IpAddr| {
            let leg = legs.iter().find(|leg| leg.addresses.iter().any(|net| net.contains(&hop)))?;
            indexes.get(&leg.name).copied()
        };
        let defaults = spec.gateway.iter().flat_map(|gateway| &gateway.next_hops).map(|hop| {
            let everywhere = match hop {
                IpAddr::V4(_) => IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
                IpAddr::V6(_) => IpNet::new_assert(std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
            };
            (everywhere, *hop)
        });
        // An extra route to everywhere is the tenant's wish and replaces the gateway's.
        let mut wanted: BTreeMap<IpNet, IpAddr> = defaults.collect();
        wanted.extend(spec.routes.iter().map(|(to, hop)| (to.trunc(), *hop)));
        // A next hop that is in none of the subnets cannot be reached; the API has refused it, or its interface is
        // just being removed.
        let reachable = wanted.into_iter().filter_map(|(to, hop)| Some((to, hop, via(hop)?)));
        Ok(reachable.map(|(to, hop, link)| RouteEntry { to, via: Some(hop), link }).collect())
    }

    /// Cuts the connections through floating IPs that are gone or have moved: from outside to them, and from inside
    /// that appear with them.
    fn cut_floating_ips(&mut self, spec: &RouterSpec) -> Result<()> {
        let Some(before) = &self.spec else { return Ok(()) };
        let moved = |(ip, fixed): &(&Ipv4Addr, &Ipv4Addr)| spec.floating_ips.get(*ip) != Some(*fixed);
        let gone: BTreeSet<IpAddr> =
            before.floating_ips.iter().filter(moved).map(|(ip, _)| IpAddr::V4(*ip)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let through = |c: &conntrack::Connection| gone.contains(&c.original.to) || gone.contains(&c.reply.to);
        conntrack::cut(&mut self.kernel, through).map(|_| ())
    }

    /// Tells the neighbours of each leg about its new addresses.
    fn announce(&mut self, legs: &[Leg], addresses: &BTreeSet<(String, IpAddr)>) -> Result<()> {
        if addresses.is_empty() {
            return Ok(());
        }
        let links = self.route.links()?;
        let indexes: BTreeMap<&str, u32> =
            links.iter().map(|link| (link.name.as_str(), link.index)).collect();
        for (name, address) in addresses {
            let leg = legs.iter().find(|leg| leg.name == *name);
            let (Some(leg), Some(index)) = (leg, indexes.get(name.as_str())) else { continue };
            let frame = match address {
                IpAddr::V4(v4) => gratuitous_arp(leg.mac, *v4),
                IpAddr::V6(v6) => unsolicited_na(leg.mac, *v6),
            };
            let sent = self.announcer.send(*index, &frame);
            sent.doing(|| format!("announce {address} in {}", self.netns.name()))?;
        }
        Ok(())
    }
}

/// Waits until the bridges forward to new legs, so that the first packet and the announcements are not lost.
fn await_forwarding(ends: &mut Vec<FarEnd>) -> Result<()> {
    for _ in 0..CARRIER_MS_MAX {
        let mut waiting = Vec::new();
        for mut end in ends.drain(..) {
            if !end.route.link(&end.link)?.is_some_and(|link| link.running && link.forwarding) {
                waiting.push(end);
            }
        }
        if waiting.is_empty() {
            break;
        }
        *ends = waiting;
        runtime::sleep_blocking(Duration::from_millis(1));
    }
    Ok(())
}

/// The name of a router's leg in its own namespace, by the port it is of.
pub fn router_link(port: PortId) -> String {
    leg_name(INTERFACE, port)
}

fn legs(cloud: Cloud, spec: &RouterSpec) -> Vec<Leg<'_>> {
    let inner = spec.interfaces.iter().map(|(port, interface)| Leg {
        name: router_link(*port),
        peer: leg_name(ROUTER_LEG, *port),
        namespace: cloud.network_namespace(interface.vni),
        bridge: BRIDGE_LINK,
        mac: interface.mac,
        mtu: interface.mtu,
        addresses: &interface.addresses,
    });
    let outer = spec.gateway.iter().map(|gateway| Leg {
        name: GATEWAY_LINK.to_owned(),
        peer: leg_name(EXTERNAL_LEG, gateway.port),
        namespace: cloud.external_namespace(),
        bridge: EXTERNAL_BRIDGE,
        mac: gateway.mac,
        mtu: gateway.mtu,
        addresses: &gateway.addresses,
    });
    inner.chain(outer).collect()
}

/// A leg's own addresses, and on the outer one the floating IPs, so that ARP is answered for them.
fn addresses_of(leg: &Leg, spec: &RouterSpec) -> BTreeSet<IpNet> {
    let mut addresses = leg.addresses.clone();
    if leg.name == GATEWAY_LINK {
        addresses.extend(spec.floating_ips.keys().map(|ip| IpNet::from(IpAddr::V4(*ip))));
    }
    addresses
}

/// The ruleset of a router's namespace.
pub(crate) fn ruleset(spec: &RouterSpec) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let firewall = ruleset.table(Family::Inet, "fw");
    firewall.base_chain("forward", "type filter hook forward priority filter; policy accept;", &[
        // Before everything else, for answers are part of a connection too.
        "tcp flags syn tcp option maxseg size set rt mtu",
        "ct state established,related accept",
        "meta nfproto ipv4 ct state invalid counter drop comment \"no connection\"",
        "iifname \"qg\" ct status dnat accept",
        "iifname \"qg\" meta nfproto ipv4 counter drop comment \"fixed addresses are not reached from outside\"",
    ]);
    firewall.base_chain(
        "input",
        "type filter hook input priority filter; policy drop;",
        &[
            "iifname \"lo\" accept",
            "ct state established,related accept",
            "meta l4proto { icmp, ipv6-icmp } accept",
        ],
    );
    let nat = ruleset.table(Family::Ip, "nat");
    let mut floating = Set::new("type ipv4_addr : ipv4_addr");
    let mut fixed = Set::new("type ipv4_addr : ipv4_addr");
    for (ip, inner) in &spec.floating_ips {
        floating.map([Value::V4(*ip)], Data::V4(*inner));
        // A guest with several floating IPs appears with the first.
        fixed.elements.entry(vec![Value::V4(*inner)]).or_insert(Some(Data::V4(*ip)));
    }
    nat.sets.insert("floating".into(), floating);
    nat.sets.insert("fixed".into(), fixed);
    let to_fixed = ["dnat to ip daddr map @floating"];
    nat.base_chain("prerouting", "type nat hook prerouting priority dstnat; policy accept;", &to_fixed);
    nat.base_chain("output", "type nat hook output priority -100; policy accept;", &to_fixed);
    let outer = spec.gateway.iter().flat_map(|gateway| &gateway.addresses).find_map(|net| match net.addr() {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    let snat = spec.gateway.as_ref().is_some_and(|gateway| gateway.snat);
    let mut rules = vec!["oifname \"qg\" snat to ip saddr map @fixed".to_owned()];
    rules.extend(outer.filter(|_| snat).map(|own| format!("oifname \"qg\" snat to {own}")));
    // From inside to a floating IP of the inside: the answer must come back through here.
    rules.push("iifname != \"qg\" ct status dnat snat to ip saddr map @fixed".to_owned());
    rules.extend(outer.map(|own| format!("iifname != \"qg\" ct status dnat snat to {own}")));
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    nat.base_chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", &rules);
    ruleset
}
