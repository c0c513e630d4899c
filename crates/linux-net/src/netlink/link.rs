//! Links: bridges, VXLAN devices, veth pairs, and what they are attached to.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BridgePortState, BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData,
    InfoPortKind, InfoVeth, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State,
};
use types::MacAddr;

use super::Route;
use crate::cloud::LINK_NAME_LEN_MAX;
use crate::error::{Doing, Error, Result};

/// A link as the kernel shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub index: u32,
    pub name: String,
    pub mac: Option<MacAddr>,
    pub mtu: u32,
    /// Wanted up.
    pub up: bool,
    /// Up in fact: something is at the other end, and the kernel has noticed and lets packets through. It does so some time after the carrier is there.
    pub running: bool,
    /// It is a port of a bridge that forwards to it and from it.
    pub forwarding: bool,
    /// The bridge it is a port of, by index.
    pub master: Option<u32>,
    pub vni: Option<u32>,
    pub kind: String,
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
}

/// A link to be made.
#[derive(Debug)]
pub(crate) enum NewLink<'a> {
    /// A bridge that neither snoops nor speaks the spanning tree protocol.
    Bridge { name: &'a str, mac: Option<MacAddr>, mtu: u32 },
    /// A VXLAN device whose UDP socket stays here while the device appears in another namespace.
    Vxlan { name: &'a str, vni: u32, local: IpAddr, udp_port: u16, into: BorrowedFd<'a> },
    /// A pair: one end here, the other in another namespace.
    Veth {
        name: &'a str,
        mac: Option<MacAddr>,
        peer: &'a str,
        peer_mac: Option<MacAddr>,
        into: BorrowedFd<'a>,
    },
}

impl NewLink<'_> {
    fn names(&self) -> (&str, Option<&str>) {
        match self {
            NewLink::Bridge { name, .. } | NewLink::Vxlan { name, .. } => (name, None),
            NewLink::Veth { name, peer, .. } => (name, Some(peer)),
        }
    }

    fn message(&self) -> LinkMessage {
        let mut message = named(self.names().0);
        match self {
            NewLink::Bridge { mac, mtu, .. } => {
                message.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
                message.attributes.push(LinkAttribute::Mtu(*mtu));
                let data = vec![
                    InfoBridge::ForwardDelay(0),
                    InfoBridge::StpState(BridgeStpState::Disabled),
                    InfoBridge::MulticastSnooping(false),
                ];
                message.attributes.push(info(InfoKind::Bridge, InfoData::Bridge(data)));
            }
            NewLink::Vxlan { vni, local, udp_port, into, .. } => {
                message.attributes.push(LinkAttribute::NetNsFd(into.as_raw_fd()));
                let local = match local {
                    IpAddr::V4(local) => InfoVxlan::Local(*local),
                    IpAddr::V6(local) => InfoVxlan::Local6(*local),
                };
                let data = vec![
                    InfoVxlan::Id(*vni),
                    local,
                    InfoVxlan::Port(*udp_port),
                    InfoVxlan::Learning(false),
                    InfoVxlan::Ttl(64),
                ];
                message.attributes.push(info(InfoKind::Vxlan, InfoData::Vxlan(data)));
            }
            NewLink::Veth { mac, peer, peer_mac, into, .. } => {
                message.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
                let mut other = named(peer);
                other.attributes.extend(peer_mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
                other.attributes.push(LinkAttribute::NetNsFd(into.as_raw_fd()));
                message.attributes.push(info(InfoKind::Veth, InfoData::Veth(InfoVeth::Peer(other))));
            }
        }
        message
    }
}

impl Route {
    /// Makes a link. One of that name that exists already is an error.
    pub(crate) fn add_link(&mut self, new: &NewLink) -> Result<()> {
        let (name, peer) = new.names();
        let act = || format!("create link {name} in {}", self.place);
        for name in [Some(name), peer].into_iter().flatten() {
            if name.is_empty() || name.len() > LINK_NAME_LEN_MAX {
                return Err(Error::unfit(
                    act(),
                    format!("a link's name has 1 to {LINK_NAME_LEN_MAX} characters"),
                ));
            }
        }
        let message = RouteNetlinkMessage::NewLink(new.message());
        let done = self.call(&message, NLM_F_CREATE | NLM_F_EXCL);
        done.doing(|| format!("create link {name} in {}", self.place))
    }

    /// All links.
    pub(crate) fn links(&mut self) -> Result<Vec<Link>> {
        let found = self.list(&RouteNetlinkMessage::GetLink(LinkMessage::default()), |item| match item {
            RouteNetlinkMessage::NewLink(message) => Some(read(message)),
            _ => None,
        });
        found.doing(|| format!("list links in {}", self.place))
    }

    /// The link of this name, if there is one.
    pub(crate) fn link(&mut self, name: &str) -> Result<Option<Link>> {
        Ok(self.links()?.into_iter().find(|link| link.name == name))
    }

    /// The link of this name, which must exist.
    pub(crate) fn existing_link(&mut self, name: &str) -> Result<Link> {
        let place = self.place.clone();
        self.link(name)?.ok_or_else(|| Error::unfit(format!("use link {name} in {place}"), "there is none"))
    }

    /// Sets a link up by name.
    pub(crate) fn set_up(&mut self, name: &str) -> Result<()> {
        let mut message = named(name);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.set_link(message, || format!("set {name} up"))
    }

    /// Sets what can change on a link: its MTU, its bridge and whether it is up.
    pub(crate) fn configure(&mut self, name: &str, mtu: u32, master: Option<u32>, up: bool) -> Result<()> {
        let mut message = named(name);
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        message.header.change_mask = LinkFlags::Up;
        message.attributes.push(LinkAttribute::Mtu(mtu));
        message.attributes.extend(master.map(LinkAttribute::Controller));
        self.set_link(message, || format!("configure {name}"))
    }

    /// Gives a link another MAC address.
    pub(crate) fn set_mac(&mut self, name: &str, mac: MacAddr) -> Result<()> {
        let mut message = named(name);
        message.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        self.set_link(message, || format!("give {name} the address {mac}"))
    }

    /// Turns off learning and turns on answering ARP and ND from known neighbours, on a port of a bridge.
    pub(crate) fn still_port(&mut self, name: &str) -> Result<()> {
        let mut message = named(name);
        let data = vec![InfoBridgePort::Learning(false), InfoBridgePort::NeighSupress(true)];
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(data)),
        ]));
        // A port's own settings are taken from a "new link" message for a link that exists; "set link" ignores them.
        let done = self.call(&RouteNetlinkMessage::NewLink(message), 0);
        done.doing(|| format!("still port {name} in {}", self.place))
    }

    /// Removes a link; one that is not there is fine.
    pub(crate) fn remove_link(&mut self, name: &str) -> Result<()> {
        match self.call(&RouteNetlinkMessage::DelLink(named(name)), 0) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other.doing(|| format!("remove link {name} in {}", self.place)),
        }
    }

    fn set_link(&mut self, message: LinkMessage, act: impl FnOnce() -> String) -> Result<()> {
        let done = self.call(&RouteNetlinkMessage::SetLink(message), 0);
        done.doing(|| format!("{} in {}", act(), self.place))
    }
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn info(kind: InfoKind, data: InfoData) -> LinkAttribute {
    LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)])
}

fn read(message: LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        up: message.header.flags.contains(LinkFlags::Up),
        ..Link::default()
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(bytes) => link.mac = bytes.try_into().ok().map(MacAddr),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            // The flag "running" is there also for links whose state is not known yet.
            LinkAttribute::OperState(state) => link.running = state == State::Up,
            LinkAttribute::Controller(index) => link.master = Some(index),
            LinkAttribute::Stats64(stats) => {
                link.rx_bytes = stats.rx_bytes;
                link.rx_packets = stats.rx_packets;
                link.tx_bytes = stats.tx_bytes;
                link.tx_packets = stats.tx_packets;
            }
            LinkAttribute::LinkInfo(infos) => infos.into_iter().for_each(|info| match info {
                LinkInfo::Kind(kind) => link.kind = kind.to_string(),
                LinkInfo::Data(InfoData::Vxlan(data)) => {
                    link.vni = data.iter().find_map(|item| match item {
                        InfoVxlan::Id(vni) => Some(*vni),
                        _ => None,
                    });
                }
                LinkInfo::PortData(InfoPortData::BridgePort(data)) => {
                    link.forwarding = data.contains(&InfoBridgePort::State(BridgePortState::Forwarding));
                }
                _ => {}
            }),
            _ => {}
        }
    }
    link
}
