//! A tenant network on this host: a namespace with one bridge, a VXLAN device to the other hosts, the ports, and the
//! addresses at which every host answers metadata requests itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use types::{IpNet, MacAddr, PortId, SecurityGroupId};

use crate::cloud::Cloud;
use crate::conntrack::{self, Connection, Flow};
use crate::error::{Error, Result};
use crate::filter::{self, Direction, Filter, Fixture, GroupSpec, PortSpec, allows, link_local};
use crate::netlink::{FdbEntry, Link, Neighbour, NewLink, Route, RouteEntry};
use crate::netns::Netns;
use crate::nft::{self, Change, Kernel, Ruleset};
use crate::{port, sysctl};

/// Where metadata is answered, on every host.
pub const SERVICE_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Where metadata is answered over IPv6.
pub const SERVICE_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
/// The MAC of the bridge, the same in all networks and on all hosts; a VM that moves keeps its neighbour entries.
pub const SERVICE_MAC: MacAddr = MacAddr([0x02, 0xa9, 0xfe, 0xa9, 0xfe, 0x01]);
/// The bridge of a network's namespace.
pub const BRIDGE_LINK: &str = "br0";
/// The VXLAN device of a network's namespace.
pub(crate) const VXLAN_LINK: &str = "vx0";
/// How the names of routers' legs in networks begin.
pub(crate) const ROUTER_LEG: &str = "pr-";

/// A network as it should be on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its VXLAN network identifier.
    pub vni: u32,
    /// The MTU of the guests.
    pub mtu: u32,
    /// Whether hosts answer DHCP in this network. If not, the guests' own servers must be heard on all hosts.
    pub dhcp: bool,
    /// The underlay addresses of the other hosts that have ports of this network: what goes to everyone goes there.
    pub peers: BTreeSet<IpAddr>,
    /// The ports on other hosts.
    pub remote_ports: BTreeSet<RemotePort>,
    /// The security groups of the local ports, and those that they name as remote.
    pub groups: BTreeMap<SecurityGroupId, GroupSpec>,
    /// The local ports.
    pub ports: BTreeMap<PortId, PortSpec>,
}

/// A port on another host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemotePort {
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses, without the link-local one.
    pub addresses: BTreeSet<IpAddr>,
    /// The underlay address of its host.
    pub host: IpAddr,
}

impl NetworkSpec {
    /// A network without ports.
    pub fn new(vni: u32, mtu: u32) -> NetworkSpec {
        NetworkSpec {
            vni,
            mtu,
            dhcp: true,
            peers: BTreeSet::new(),
            remote_ports: BTreeSet::new(),
            groups: BTreeMap::new(),
            ports: BTreeMap::new(),
        }
    }
}

/// What is at one port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSeen {
    /// Whether something is at the other end of the link and frames pass.
    pub connected: bool,
    /// Bytes that came from the guest.
    pub from_guest_bytes: u64,
    /// Packets that came from the guest.
    pub from_guest_packets: u64,
    /// Bytes that went to the guest.
    pub to_guest_bytes: u64,
    /// Packets that went to the guest.
    pub to_guest_packets: u64,
}

/// The underlay as a network needs it to make its VXLAN device.
pub(crate) struct Overlay<'a> {
    pub route: &'a mut Route,
    pub local: IpAddr,
    pub udp_port: u16,
}

/// A network's namespace, open, with what was last put in it.
#[derive(Debug)]
pub(crate) struct Network {
    pub netns: Netns,
    pub route: Route,
    kernel: Kernel,
    spec: NetworkSpec,
    filter: Filter,
    /// The ruleset that the namespace is known to hold.
    loaded: Option<Ruleset>,
}

impl Network {
    /// Opens the namespace, making it if there is none.
    pub(crate) fn open(cloud: Cloud, vni: u32) -> Result<Network> {
        let (netns, new) = Netns::ensure_new(&cloud.network_namespace(vni))?;
        let route = Route::open(&netns)?;
        let kernel = Kernel::open(&netns)?;
        let spec = NetworkSpec::new(vni, 0);
        let loaded = new.then(Ruleset::default);
        Ok(Network { netns, route, kernel, spec, filter: Filter::default(), loaded })
    }

    /// Makes everything as `spec` says. The rules are in place before the first link is.
    pub(crate) fn ensure(&mut self, spec: &NetworkSpec, overlay: &mut Overlay) -> Result<()> {
        spec.ports.values().try_for_each(port::check)?;
        self.settle()?;
        self.spec = spec.clone();
        let wanted = Filter { ports: spec.ports.clone(), groups: spec.groups.clone() };
        self.apply(wanted)?;
        let links = self.ensure_bridge()?;
        self.ensure_vxlan(&links, overlay)?;
        self.ensure_remotes(links.bridge)?;
        let seen = self.route.links()?;
        for port in spec.ports.values() {
            port::ensure(&self.netns, &mut self.route, &seen, port, &links)?;
        }
        self.remove_strangers(&seen)
    }

    /// Makes one port, or changes it.
    pub(crate) fn ensure_port(&mut self, spec: &PortSpec) -> Result<()> {
        port::check(spec)?;
        let mut wanted = self.filter.clone();
        let replaced = wanted.ports.insert(spec.id, spec.clone());
        self.apply(wanted)?;
        if let Some(old) = replaced.filter(|old| old.link != spec.link) {
            self.route.remove_link(&old.link)?;
        }
        let seen = self.route.links()?;
        let links = self.segment(&seen)?;
        port::ensure(&self.netns, &mut self.route, &seen, spec, &links)
    }

    /// Removes a port: first its link, then what it was allowed.
    pub(crate) fn remove_port(&mut self, id: PortId) -> Result<()> {
        let mut wanted = self.filter.clone();
        let Some(old) = wanted.ports.remove(&id) else { return Ok(()) };
        self.route.remove_link(&old.link)?;
        self.apply(wanted)
    }

    /// Replaces the security groups. One that is gone takes away what it allowed its ports.
    pub(crate) fn ensure_groups(&mut self, groups: &BTreeMap<SecurityGroupId, GroupSpec>) -> Result<()> {
        self.apply(Filter { groups: groups.clone(), ..self.filter.clone() })
    }

    /// Makes, changes or, without a spec, removes one group.
    pub(crate) fn set_group(&mut self, id: SecurityGroupId, spec: Option<&GroupSpec>) -> Result<()> {
        let mut wanted = self.filter.clone();
        match spec {
            Some(spec) => wanted.groups.insert(id, spec.clone()),
            None => wanted.groups.remove(&id),
        };
        self.apply(wanted)
    }

    /// Replaces what is known of the other hosts.
    pub(crate) fn set_remotes(
        &mut self,
        peers: &BTreeSet<IpAddr>,
        ports: &BTreeSet<RemotePort>,
    ) -> Result<()> {
        self.spec.peers.clone_from(peers);
        self.spec.remote_ports.clone_from(ports);
        let bridge = self.route.existing_link(BRIDGE_LINK)?.index;
        self.ensure_remotes(bridge)
    }

    /// The MTU of the network and the index of its bridge.
    pub(crate) fn segment(&self, seen: &[Link]) -> Result<Segment> {
        let bridge = seen.iter().find(|link| link.name == BRIDGE_LINK).ok_or_else(|| {
            Error::unfit(format!("attach a port in {}", self.netns.name()), "the bridge is gone")
        })?;
        Ok(Segment { bridge: bridge.index, mtu: self.spec.mtu })
    }

    /// What is at each port.
    pub(crate) fn observe(&mut self) -> Result<BTreeMap<PortId, PortSeen>> {
        let links = self.route.links()?;
        let by_name: BTreeMap<&str, &Link> = links.iter().map(|link| (link.name.as_str(), link)).collect();
        let seen = |port: &PortSpec| {
            let link = by_name.get(port.link.as_str())?;
            // What the link receives is what the guest sent.
            Some(PortSeen {
                connected: link.running && link.forwarding,
                from_guest_bytes: link.rx_bytes,
                from_guest_packets: link.rx_packets,
                to_guest_bytes: link.tx_bytes,
                to_guest_packets: link.tx_packets,
            })
        };
        Ok(self.filter.ports.values().filter_map(|port| Some((port.id, seen(port)?))).collect())
    }

    /// The port of this id, if it is known.
    pub(crate) fn port(&self, id: PortId) -> Option<&PortSpec> {
        self.filter.ports.get(&id)
    }

    /// The kernel's settings, and the modules' that must be per namespace.
    fn settle(&mut self) -> Result<()> {
        sysctl::set(
            &self.netns,
            &[
                ("bridge/bridge-nf-call-iptables", "1"),
                ("bridge/bridge-nf-call-ip6tables", "1"),
                ("bridge/bridge-nf-call-arptables", "0"),
                ("ipv4/ip_forward", "0"),
                ("ipv4/conf/all/rp_filter", "0"),
                ("ipv4/conf/default/rp_filter", "0"),
                ("ipv4/conf/all/arp_ignore", "1"),
                ("ipv4/conf/all/accept_redirects", "0"),
                ("ipv4/conf/default/accept_redirects", "0"),
                // The ports of the bridge have no business of their own; the bridge is switched on when it is made.
                ("ipv6/conf/default/disable_ipv6", "1"),
                ("ipv6/conf/default/accept_ra", "0"),
                ("ipv6/conf/default/addr_gen_mode", "1"),
            ],
        )
    }

    fn ensure_bridge(&mut self) -> Result<Segment> {
        let mtu = self.spec.mtu;
        if self.route.link(BRIDGE_LINK)?.is_none() {
            self.route.add_link(&NewLink::Bridge { name: BRIDGE_LINK, mac: Some(SERVICE_MAC), mtu })?;
        }
        sysctl::set(
            &self.netns,
            &[
                ("ipv6/conf/br0/disable_ipv6", "0"),
                ("ipv6/conf/br0/accept_ra", "0"),
                ("ipv4/conf/br0/rp_filter", "0"),
                // Known once the rules are loaded. A connection that was cut must not be picked up from the middle.
                ("netfilter/nf_conntrack_tcp_loose", "0"),
            ],
        )?;
        self.route.configure(BRIDGE_LINK, mtu, None, true)?;
        let bridge = self.route.existing_link(BRIDGE_LINK)?.index;
        let addresses = [IpNet::new_assert(SERVICE_V4.into(), 32), IpNet::new_assert(SERVICE_V6.into(), 64)];
        self.route.set_addresses(bridge, &addresses.into())?;
        // Whatever addresses the guests have, they are on this link.
        let everywhere = IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0);
        self.route.set_routes(&[RouteEntry { to: everywhere, via: None, link: bridge }].into())?;
        Ok(Segment { bridge, mtu })
    }

    fn ensure_vxlan(&mut self, segment: &Segment, overlay: &mut Overlay) -> Result<()> {
        let name = VXLAN_LINK;
        let seen = self.route.link(name)?;
        let fits = seen.as_ref().is_some_and(|link| link.vni == Some(self.spec.vni));
        if !fits {
            if seen.is_some() {
                self.route.remove_link(name)?;
            }
            use std::os::fd::AsFd;
            let (vni, local, udp_port) = (self.spec.vni, overlay.local, overlay.udp_port);
            overlay.route.add_link(&NewLink::Vxlan {
                name,
                vni,
                local,
                udp_port,
                into: self.netns.as_fd(),
            })?;
        }
        self.route.configure(name, segment.mtu, Some(segment.bridge), true)?;
        self.route.still_port(name)
    }

    fn ensure_remotes(&mut self, bridge: u32) -> Result<()> {
        let everyone = self.spec.peers.iter().map(|host| FdbEntry { mac: MacAddr([0; 6]), host: *host });
        let one = self.spec.remote_ports.iter().map(|port| FdbEntry { mac: port.mac, host: port.host });
        let vxlan = self.route.existing_link(VXLAN_LINK)?.index;
        self.route.set_fdb(vxlan, &everyone.chain(one).collect())?;
        let neighbours = self.spec.remote_ports.iter().flat_map(|port| {
            let own = IpAddr::V6(link_local(port.mac));
            port.addresses.iter().copied().chain([own]).map(|address| Neighbour { address, mac: port.mac })
        });
        self.route.set_neighbours(bridge, &neighbours.collect())
    }

    /// Removes the links of ports that nobody wants any more.
    fn remove_strangers(&mut self, seen: &[Link]) -> Result<()> {
        let wanted: BTreeSet<&str> = self.filter.ports.values().map(|port| port.link.as_str()).collect();
        let fixed = ["lo", BRIDGE_LINK, VXLAN_LINK];
        for link in seen {
            let name = link.name.as_str();
            if !fixed.contains(&name) && !name.starts_with(ROUTER_LEG) && !wanted.contains(name) {
                self.route.remove_link(name)?;
            }
        }
        Ok(())
    }

    /// Makes the rules those of `wanted`, then cuts the connections that they no longer allow.
    fn apply(&mut self, wanted: Filter) -> Result<()> {
        let ruleset = filter::ruleset(&wanted, &Fixture { dhcp: self.spec.dhcp });
        let known = self.loaded.take();
        let fresh = known.is_none();
        install(&self.netns, &mut self.kernel, known.as_ref(), &ruleset)?;
        self.loaded = Some(ruleset);
        let before = std::mem::replace(&mut self.filter, wanted);
        if fresh {
            // What held before is not known, so every port is looked at.
            return cut_refused(&mut self.kernel, &Filter::default(), &self.filter, true);
        }
        cut_refused(&mut self.kernel, &before, &self.filter, false)
    }
}

/// What a port is attached to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    /// The bridge's index.
    pub bridge: u32,
    pub mtu: u32,
}

/// Removes every link of a namespace but its loopback.
pub(crate) fn remove_links(route: &mut Route) -> Result<()> {
    for link in route.links()?.into_iter().filter(|link| link.name != "lo") {
        route.remove_link(&link.name)?;
    }
    Ok(())
}

/// Brings the namespace from the ruleset it is known to hold to another. When the short way fails, for somebody else
/// has changed the tables, everything is loaded anew.
pub(crate) fn install(
    netns: &Netns,
    kernel: &mut Kernel,
    known: Option<&Ruleset>,
    wanted: &Ruleset,
) -> Result<()> {
    let Some(known) = known else { return nft::load(netns, &wanted.commands()) };
    let short = match known.change_to(wanted) {
        Change::Nothing => Ok(true),
        Change::Elements(changes) => kernel.change_elements(&changes),
        Change::Commands(commands) => nft::load(netns, &commands).map(|()| true),
    };
    match short {
        Ok(true) => Ok(()),
        Ok(false) => nft::load(netns, &wanted.commands()),
        Err(error) => {
            tracing::warn!(netns = netns.name(), %error, "rules differ from what was loaded; loading all of them");
            nft::load(netns, &wanted.commands())
        }
    }
}

/// Cuts the connections of ports that are gone, or that their groups do not allow any more.
fn cut_refused(kernel: &mut Kernel, before: &Filter, now: &Filter, all: bool) -> Result<()> {
    let groups_changed = before.groups != now.groups;
    let mut checked: Vec<&PortSpec> = Vec::new();
    for port in now.ports.values() {
        let old = before.ports.get(&port.id);
        if all || (old.is_some() && (groups_changed || old != Some(port))) {
            checked.push(port);
        }
    }
    let mut gone: BTreeSet<IpAddr> = BTreeSet::new();
    for old in before.ports.values() {
        let kept = now.ports.get(&old.id).map(|port| &port.addresses);
        gone.extend(old.addresses.iter().filter(|a| kept.is_none_or(|kept| !kept.contains(a))));
    }
    if checked.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let owns = |port: &PortSpec, address: IpAddr| {
        port.own_addresses().any(|own| own == address)
            || port.address_pairs.iter().any(|pair| pair.net.contains(&address))
    };
    let refused = |port: &PortSpec, flow: &Flow| {
        let served = flow.to == IpAddr::V4(SERVICE_V4) || flow.to == IpAddr::V6(SERVICE_V6);
        let sends = owns(port, flow.from) && !served && !allows(now, port, Direction::Egress, flow);
        sends || (owns(port, flow.to) && !allows(now, port, Direction::Ingress, flow))
    };
    let unwanted = |connection: &Connection| {
        let flow = &connection.original;
        gone.contains(&flow.from) || gone.contains(&flow.to) || checked.iter().any(|port| refused(port, flow))
    };
    let count = conntrack::cut(kernel, unwanted)?;
    if count > 0 {
        tracing::debug!(netns = kernel.place(), count, "cut connections that are no longer allowed");
    }
    Ok(())
}
