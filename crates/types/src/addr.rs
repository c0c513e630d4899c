//! IP address arithmetic that the standard library and `ipnet` do not have.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::MacAddr;

/// IPv4 or IPv6, serialised as the number 4 or 6 in APIs and as a word in documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    /// The family of an address.
    pub fn of(address: IpAddr) -> AddressFamily {
        if address.is_ipv4() { AddressFamily::V4 } else { AddressFamily::V6 }
    }

    /// 4 or 6, as `ip_version` says it.
    pub fn version(self) -> u8 {
        match self {
            AddressFamily::V4 => 4,
            AddressFamily::V6 => 6,
        }
    }
}

/// Addresses from `start` to `end`, both included and of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IpRange {
    /// The first address.
    pub start: IpAddr,
    /// The last address.
    pub end: IpAddr,
}

impl IpRange {
    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.start <= address && address <= self.end && self.start.is_ipv4() == address.is_ipv4()
    }

    /// Whether the two ranges share an address.
    pub fn overlaps(&self, other: &IpRange) -> bool {
        self.contains(other.start) || other.contains(self.start)
    }

    /// How many addresses there are, saturating.
    pub fn count(&self) -> u128 {
        number(self.end).saturating_sub(number(self.start)).saturating_add(1)
    }

    /// The address `offset` places after the first, if it lies in the range.
    pub fn nth(&self, offset: u128) -> Option<IpAddr> {
        let wanted = number(self.start).checked_add(offset)?;
        (wanted <= number(self.end)).then(|| match self.start {
            IpAddr::V4(_) => IpAddr::V4((wanted as u32).into()),
            IpAddr::V6(_) => IpAddr::V6(wanted.into()),
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The address that a host with this MAC forms in this prefix by SLAAC (RFC 4291, appendix A).
/// The prefix must be a /64; longer bits of it are overwritten.
pub fn eui64(prefix: Ipv6Net, mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let low = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    let high = u128::from(prefix.network()) >> 64 << 64;
    (high | u128::from(low)).into()
}
