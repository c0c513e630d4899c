//! Which addresses are nobody's business: this machine's, the site's, the metadata services'.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is on the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let special = a == 0
        || a >= 240
        || (a, b) == (198, 18)
        || (a, b) == (198, 19)
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99);
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || shared
        || special)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = inner_v4(address) {
        return is_public_v4(inner);
    }
    let first = address.segments()[0];
    // Of the whole space, 2000::/3 is what is given out; the rest is special in some way.
    (0x2000..0x4000).contains(&first) && !is_special_v6(address)
}

/// Documentation and what belongs to protocols: 2001:db8::/32, 3fff::/20, 2001::/23 (Teredo among them).
fn is_special_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    (segments[0], segments[1]) == (0x2001, 0xdb8)
        || (segments[0] == 0x3fff && segments[1] < 0x1000)
        || (segments[0] == 0x2001 && segments[1] < 0x200)
}

/// The IPv4 address that an IPv6 one stands for: mapped, NAT64, 6to4.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let pair = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0x2002, high, low, ..] => Some(pair(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(pair(high, low)),
        _ => address.to_ipv4_mapped(),
    }
}
