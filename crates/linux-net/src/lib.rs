//! The node's data plane: namespaces, bridges, VXLAN, taps, nftables, routers, and what answers inside them.
//!
//! Everything lives in namespaces of the cloud's own; nothing here changes an interface, a route or a rule of the
//! host. Callers say what they want as plain data; `ensure_*` makes it so and does nothing when it is so already,
//! `remove_*` succeeds when there is nothing to remove, `observe_*` tells what is there.
//!
//! [`DataPlane`] is the door. Behind it, `network` builds a tenant network's namespace and `router` a router's;
//! `filter` and `nft` hold the rules as data, so that what is loaded can be compared and tested without a kernel;
//! `netlink` and `conntrack` speak to the kernel. Invariants: rules are in place before the first link is; a link that
//! nobody has named in the rules passes nothing; no tenant namespace has a way to the underlay or to the host.

mod banner;
mod cloud;
mod conntrack;
mod dataplane;
mod error;
mod external;
mod filter;
mod netlink;
mod netns;
mod network;
mod nft;
mod packet;
mod port;
mod probe;
pub mod responder;
mod router;
mod sysctl;
mod underlay;

pub use banner::ssh_banner;
pub use cloud::{Cloud, InvalidCloud, LINK_NAME_LEN_MAX, tap_name};
pub use dataplane::{DataPlane, remove_everything};
pub use error::{Error, Result};
pub use external::{EXTERNAL_BRIDGE, ExternalSpec};
pub use filter::{
    AddressPair, Attachment, Direction, GroupSpec, PortSpec, Remote, Rule, Traffic, protocol_number,
};
pub use netns::{Netns, list_namespaces, remove_namespace};
pub use network::{BRIDGE_LINK, NetworkSpec, PortSeen, RemotePort, SERVICE_MAC, SERVICE_V4, SERVICE_V6};
pub use packet::PacketSocket;
pub use port::open_tap;
pub use probe::{Probed, ensure_bridge_filter, probe};
pub use router::{RouterGateway, RouterInterface, RouterSeen, RouterSpec, router_link};
pub use underlay::{UnderlaySpec, VXLAN_PORT};
