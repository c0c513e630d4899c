//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An Ethernet (MAC-48) address, spelled `fa:16:3e:00:00:01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

/// A string that is no MAC address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidMac;

impl MacAddr {
    /// An address with OpenStack's prefix `fa:16:3e` and the low three bytes of `suffix`.
    pub fn openstack(suffix: u32) -> MacAddr {
        let [_, a, b, c] = suffix.to_be_bytes();
        MacAddr([0xfa, 0x16, 0x3e, a, b, c])
    }

    /// Whether the group bit is set; a port cannot have such an address.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for InvalidMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a MAC address")
    }
}

impl std::error::Error for InvalidMac {}

impl FromStr for MacAddr {
    type Err = InvalidMac;

    /// Takes six groups of one or two hexadecimal digits, parted by `:` or `-`.
    fn from_str(s: &str) -> Result<Self, InvalidMac> {
        let mut bytes = [0; 6];
        let mut groups = s.split([':', '-']);
        for byte in &mut bytes {
            let group = groups.next().ok_or(InvalidMac)?;
            let plain = (1..=2).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_hexdigit());
            *byte = if plain {
                u8::from_str_radix(group, 16).map_err(|_| InvalidMac)?
            } else {
                return Err(InvalidMac);
            };
        }
        if groups.next().is_some() { Err(InvalidMac) } else { Ok(MacAddr(bytes)) }
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}
