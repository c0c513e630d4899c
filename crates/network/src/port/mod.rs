//! Ports: where something is plugged into a network, with its MAC and IP addresses.
//!
//! A port is created on a network, given addresses from its subnets, and put into security groups. When compute places
//! a server on a host it *binds* the server's ports there; from then on the host has the port's document, and the port
//! is ACTIVE once the host reports its tap. A port that is deleted or unbound keeps its addresses until the host has
//! let go of them, so that nobody else gets them too early. Routers and floating IPs have ports of their own, which
//! hold their addresses; those are never bound here.

mod allocation;
mod api;
mod binding;
mod fixed_ips;
mod model;
pub mod ops;
mod reconcile;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use api::{routes, status_name};
pub(crate) use binding::follow_router;
pub use model::{
    AddressPair, Bind, Binding, Device, FixedIp, FixedIpWish, Phase, Plug, Port, PortChange, PortDraft,
    Status, Watcher,
};
pub(crate) use model::{FLOATING_IP, ROUTER_GATEWAY, ROUTER_INTERFACE};
pub(crate) use reconcile::{KIND, Ports};
