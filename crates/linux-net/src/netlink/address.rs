//! Addresses and routes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use types::IpNet;

use super::Route as Kernel;
use crate::error::{Doing, Result};

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub to: IpNet,
    /// The next hop; without one the destination is on the link itself.
    pub via: Option<IpAddr>,
    /// The link, by index.
    pub link: u32,
}

impl Kernel {
    /// The addresses of a link, without the link-local one that the kernel made itself.
    pub(crate) fn addresses(&mut self, link: u32) -> Result<BTreeSet<IpNet>> {
        let found =
            self.list(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), |item| match item {
                RouteNetlinkMessage::NewAddress(message) if message.header.index == link => {
                    address_of(&message)
                }
                _ => None,
            });
        Ok(found.doing(|| format!("list addresses in {}", self.place))?.into_iter().collect())
    }

    /// Gives a link exactly these addresses; what is there already stays untouched.
    pub(crate) fn set_addresses(&mut self, link: u32, wanted: &BTreeSet<IpNet>) -> Result<()> {
        let seen = self.addresses(link)?;
        let kernels_own = |net: &IpNet| matches!(net, IpNet::V6(n) if n.addr().is_unicast_link_local());
        for net in seen.difference(wanted).filter(|net| !kernels_own(net)) {
            let message = RouteNetlinkMessage::DelAddress(address_message(link, *net));
            match self.call(&message, 0) {
                // Removing an address takes its secondaries along.
                Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {}
                other => other.doing(|| format!("remove address {net} in {}", self.place))?,
            }
        }
        for net in wanted.difference(&seen) {
            let message = RouteNetlinkMessage::NewAddress(address_message(link, *net));
            let done = self.call(&message, NLM_F_CREATE | NLM_F_REPLACE);
            done.doing(|| format!("add address {net} in {}", self.place))?;
        }
        Ok(())
    }

    /// The routes that we made: all of protocol `static` in the main table.
    pub(crate) fn routes(&mut self) -> Result<BTreeSet<Route>> {
        let mut routes = BTreeSet::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            let found = self.list(&RouteNetlinkMessage::GetRoute(message), |item| match item {
                RouteNetlinkMessage::NewRoute(message) => route_of(&message),
                _ => None,
            });
            routes.extend(found.doing(|| format!("list routes in {}", self.place))?);
        }
        Ok(routes)
    }

    /// Makes the routes of protocol `static` exactly these.
    pub(crate) fn set_routes(&mut self, wanted: &BTreeSet<Route>) -> Result<()> {
        let seen = self.routes()?;
        for route in seen.difference(wanted) {
            match self.call(&RouteNetlinkMessage::DelRoute(route_message(route)), 0) {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                other => other.doing(|| format!("remove route {} in {}", route.to, self.place))?,
            }
        }
        for route in wanted.difference(&seen) {
            let message = RouteNetlinkMessage::NewRoute(route_message(route));
            let done = self.call(&message, NLM_F_CREATE | NLM_F_REPLACE);
            done.doing(|| format!("add route {} in {}", route.to, self.place))?;
        }
        Ok(())
    }
}

fn family_of(net: &IpNet) -> AddressFamily {
    match net {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    }
}

fn address_message(link: u32, net: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family_of(&net);
    message.header.prefix_len = net.prefix_len();
    message.header.index = link;
    message.attributes.push(AddressAttribute::Local(net.addr()));
    message.attributes.push(AddressAttribute::Address(net.addr()));
    if let IpNet::V6(net) = net {
        // The control plane gives out addresses and knows that they are unique; waiting for duplicates would only
        // keep a fresh router mute for a second.
        message.header.flags = AddressHeaderFlags::Nodad;
        if net.addr().is_unicast_link_local() {
            message.header.scope = AddressScope::Link;
        }
    }
    message
}

fn address_of(message: &AddressMessage) -> Option<IpNet> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let any = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    IpNet::new(local.or(any)?, message.header.prefix_len).ok()
}

fn route_message(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family_of(&route.to);
    message.header.destination_prefix_length = route.to.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    let on_link = route.via.is_none() && route.to.addr().is_ipv4();
    message.header.scope = if on_link { RouteScope::Link } else { RouteScope::Universe };
    if route.to.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(route_address(route.to.network())));
    }
    message.attributes.extend(route.via.map(|via| RouteAttribute::Gateway(route_address(via))));
    message.attributes.push(RouteAttribute::Oif(route.link));
    message
}

fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(v4) => RouteAddress::Inet(v4),
        IpAddr::V6(v6) => RouteAddress::Inet6(v6),
    }
}

fn route_of(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    if header.protocol != RouteProtocol::Static || header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    let mut to = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let (mut via, mut link) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => to = ip_of(address)?,
            RouteAttribute::Gateway(address) => via = ip_of(address),
            RouteAttribute::Oif(index) => link = Some(*index),
            _ => {}
        }
    }
    Some(Route { to: IpNet::new(to, header.destination_prefix_length).ok()?, via, link: link? })
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}
