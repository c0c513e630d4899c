//! How a cloud's namespaces and devices are named. Several clouds share a host, so every namespace begins with
//! the cloud's own six hexadecimal digits; devices live inside those namespaces and need not repeat them.

use std::fmt;
use std::str::FromStr;

use types::{PortId, RouterId};

/// The longest name the kernel takes for a link (`IFNAMSIZ` less the closing zero).
pub const LINK_NAME_LEN_MAX: usize = 15;

/// The six hexadecimal digits that mark everything one cloud makes on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cloud(u32);

/// A text that is not six lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCloud;

impl fmt::Display for InvalidCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not six lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidCloud {}

impl FromStr for Cloud {
    type Err = InvalidCloud;

    fn from_str(s: &str) -> Result<Self, InvalidCloud> {
        let plain = s.len() == 6 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !plain {
            return Err(InvalidCloud);
        }
        u32::from_str_radix(s, 16).map(Cloud).map_err(|_| InvalidCloud)
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

impl Cloud {
    /// A cloud named by chance.
    pub fn random() -> Cloud {
        Cloud((runtime::random_u64() & 0xff_ffff) as u32)
    }

    /// The namespace that holds the underlay's address and VXLAN sockets.
    pub fn underlay_namespace(self) -> String {
        format!("{self}-u")
    }

    /// The namespace of the external network.
    pub fn external_namespace(self) -> String {
        format!("{self}-x")
    }

    /// The namespace of a tenant network on this host.
    pub fn network_namespace(self, vni: u32) -> String {
        format!("{self}-n{vni:x}")
    }

    /// The namespace of a router.
    pub fn router_namespace(self, router: RouterId) -> String {
        format!("{self}-r{}", head(&router.0.simple().to_string(), 8))
    }

    /// Whether a namespace of this name is this cloud's.
    pub fn owns(self, namespace: &str) -> bool {
        namespace.strip_prefix(&self.to_string()).is_some_and(|rest| rest.starts_with('-'))
    }
}

/// The usual name of a port's tap: `tap` and eleven digits of the id, as OpenStack's users know it.
pub fn tap_name(port: PortId) -> String {
    format!("tap{}", head(&port.to_string(), 11))
}

/// A link named by a prefix of three characters and twelve digits of a port's id.
pub(crate) fn leg_name(prefix: &str, port: PortId) -> String {
    format!("{prefix}{}", head(&port.0.simple().to_string(), LINK_NAME_LEN_MAX - prefix.len()))
}

fn head(text: &str, len: usize) -> &str {
    text.get(..len).unwrap_or(text)
}
