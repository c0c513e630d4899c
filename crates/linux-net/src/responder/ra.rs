//! Router advertisements as pure functions: writing one, and knowing a solicitation when it comes (RFC 4861).

use std::net::Ipv6Addr;
use std::time::Duration;

use types::{Ipv6Net, MacAddr};

use super::table::{Ipv6Mode, RouterInterface};

/// Every packet of neighbour discovery has it, so that none can have come through a router.
pub(crate) const HOP_LIMIT: i32 = 255;
/// Longest time between two unsolicited advertisements, as Neutron configures its daemon.
pub(crate) const INTERVAL_MAX: Duration = Duration::from_secs(100);
/// Shortest time between two unsolicited advertisements.
pub(crate) const INTERVAL_MIN: Duration = Duration::from_secs(30);
/// Shortest time between two advertisements to all hosts (MIN_DELAY_BETWEEN_RAS).
pub(crate) const MULTICAST_GAP: Duration = Duration::from_secs(3);
/// The first few advertisements follow each other quickly (MAX_INITIAL_RTR_ADVERT_INTERVAL).
pub(crate) const INITIAL_INTERVAL: Duration = Duration::from_secs(16);
/// How many those are (MAX_INITIAL_RTR_ADVERTISEMENTS).
pub(crate) const INITIAL_COUNT: u32 = 3;

/// All nodes of a link.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers of a link.
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

pub(crate) const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;

const SOURCE_LINK_LAYER: u8 = 1;
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const RDNSS: u8 = 25;

const MANAGED: u8 = 0x80;
const OTHER_CONFIG: u8 = 0x40;
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;

/// Three intervals may be lost before hosts drop the router.
const ROUTER_LIFETIME_SECONDS: u16 = 300;
const VALID_SECONDS: u32 = 86_400;
const PREFERRED_SECONDS: u32 = 14_400;
const RDNSS_LIFETIME_SECONDS: u32 = 1_000;
/// The option's length is one byte of eight-byte units: 127 addresses would fit; resolvers read three.
const RDNSS_COUNT_MAX: usize = 16;

/// What an advertisement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The router is here.
    Present,
    /// The router is leaving this link: hosts forget it as a gateway at once.
    Leaving,
}

/// The ICMPv6 message; the checksum is left for the kernel, which fills it in on a raw socket.
/// Prefixes in `withdrawn` were announced before and are no longer on the link.
pub fn advertisement(leg: &RouterInterface, withdrawn: &[Ipv6Net], purpose: Purpose) -> Vec<u8> {
    let mut flags = 0;
    for prefix in &leg.prefixes {
        flags |= match prefix.mode {
            Ipv6Mode::Slaac => 0,
            Ipv6Mode::DhcpStateless => OTHER_CONFIG,
            Ipv6Mode::DhcpStateful => MANAGED,
        };
    }
    let lifetime = match purpose {
        Purpose::Present => ROUTER_LIFETIME_SECONDS,
        Purpose::Leaving => 0,
    };
    let mut bytes = vec![ADVERTISEMENT, 0, 0, 0, 64, flags];
    bytes.extend(lifetime.to_be_bytes());
    // Reachable time and retransmission timer: not specified by this router.
    bytes.extend([0; 8]);
    source_link_layer(leg.mac, &mut bytes);
    if let Some(mtu) = leg.mtu {
        bytes.extend([MTU, 1, 0, 0]);
        bytes.extend(mtu.to_be_bytes());
    }
    for prefix in &leg.prefixes {
        let autonomous = if prefix.mode == Ipv6Mode::DhcpStateful { 0 } else { AUTONOMOUS };
        prefix_option(prefix.cidr, ON_LINK | autonomous, (VALID_SECONDS, PREFERRED_SECONDS), &mut bytes);
    }
    for cidr in withdrawn {
        prefix_option(*cidr, ON_LINK | AUTONOMOUS, (0, 0), &mut bytes);
    }
    rdnss(&leg.dns_servers, purpose, &mut bytes);
    bytes
}

fn source_link_layer(mac: MacAddr, bytes: &mut Vec<u8>) {
    bytes.extend([SOURCE_LINK_LAYER, 1]);
    bytes.extend(mac.0);
}

/// `lifetimes` are valid and preferred.
fn prefix_option(cidr: Ipv6Net, flags: u8, lifetimes: (u32, u32), bytes: &mut Vec<u8>) {
    bytes.extend([PREFIX, 4, cidr.prefix_len(), flags]);
    bytes.extend(lifetimes.0.to_be_bytes());
    bytes.extend(lifetimes.1.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(cidr.network().octets());
}

fn rdnss(servers: &[Ipv6Addr], purpose: Purpose, bytes: &mut Vec<u8>) {
    let servers = servers.get(..RDNSS_COUNT_MAX).unwrap_or(servers);
    if servers.is_empty() {
        return;
    }
    let lifetime = match purpose {
        Purpose::Present => RDNSS_LIFETIME_SECONDS,
        Purpose::Leaving => 0,
    };
    bytes.extend([RDNSS, 1 + 2 * servers.len() as u8, 0, 0]);
    bytes.extend(lifetime.to_be_bytes());
    servers.iter().for_each(|server| bytes.extend(server.octets()));
}

/// Whether this ICMPv6 message is a solicitation that a router must answer (RFC 4861, 6.1.1).
pub fn is_solicitation(message: &[u8], source: Ipv6Addr, hop_limit: i32) -> bool {
    if hop_limit != HOP_LIMIT || message.len() < 8 || message[..2] != [SOLICITATION, 0] {
        return false;
    }
    let mut options = &message[8..];
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * 8;
        if length == 0 || length > options.len() {
            return false;
        }
        // One who has no address yet cannot be answered at a link-layer address either.
        if kind == SOURCE_LINK_LAYER && source.is_unspecified() {
            return false;
        }
        options = &options[length..];
    }
    options.is_empty()
}
