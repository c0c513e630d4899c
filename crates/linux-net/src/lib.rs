//! The node's data plane: namespaces, bridges, VXLAN, taps, nftables, routers, and what answers inside them.
//!
//! Everything lives in namespaces of the cloud's own; nothing here changes an interface, a route or a rule of the
//! host. Callers say what they want as plain data; `ensure_*` makes it so and does nothing when it is so already,
//! `remove_*` succeeds when there is nothing to remove, `observe_*` tells what is there.

#![allow(dead_code, unused_imports)]

mod cloud;
mod error;

mod netlink;
mod netns;
pub mod responder;

pub use cloud::{Cloud, InvalidCloud, LINK_NAME_LEN_MAX, tap_name};
pub use error::{Error, Result};
pub use netns::{Netns, list_namespaces, remove_namespace};
