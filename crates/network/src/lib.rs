//! The network service: what Neutron is in OpenStack, without its agents and message queue.
//!
//! It knows networks, subnets, ports, routers, floating IPs and security groups, gives out addresses, and writes down
//! for every node what it should have: the documents of [`agent_api::network`]. It touches no packet, device or
//! namespace; nodes do that, and report what they see.
//!
//! Invariants: no address twice in a subnet, no MAC twice in a network, no VNI twice; what a port is on its host
//! follows from its row alone; a host has a document of a network or a group exactly while something on it needs it;
//! an address is free for others only when its host has let go of it; a status is computed, never stored.
//!
//! Reading order: `port` is the reference that all resources copy; then `network`, `subnet`, `address`,
//! `security_group`, `router`, `floating_ip`. What they share is in `resource`, `api` and `list`; what nodes are told
//! in `node`.

mod address;
mod agent;
mod api;
pub mod auto_topology;
mod availability_zone;
mod bootstrap;
mod error;
mod extension;
pub mod floating_ip;
mod list;
pub mod network;
mod node;
mod policies;
pub mod port;
pub mod quota;
pub mod resource;
pub mod router;
pub mod security_group;
pub mod subnet;
pub mod subnet_pool;
mod tag;

use std::sync::Arc;

pub use bootstrap::{Outside, bootstrap, host_joined};
pub use error::Error;
pub use policies::RULES;
use reconcile::Reconciler;
use rest::{FaultStyle, Routes, Service};
use store::Migration;

/// This crate's schema.
pub const MIGRATIONS: &[Migration] = &[
    Migration { service: "network", version: 1, sql: include_str!("../migrations/0001_network.sql") },
    Migration { service: "network", version: 2, sql: include_str!("../migrations/0002_auto_topologies.sql") },
];

/// What fits in a VXLAN packet on an underlay of 1500 bytes.
const MTU_VXLAN: u32 = 1450;
/// What fits on the wire outside.
const MTU_EXTERNAL: u32 = 1500;
/// What guests' names end in.
const DNS_DOMAIN: &str = "openstacklocal";

/// The service, to be mounted.
pub fn service() -> Service {
    let routes = Routes::new()
        .and(network::routes())
        .and(subnet::routes())
        .and(subnet_pool::routes())
        .and(port::routes())
        .and(router::routes())
        .and(floating_ip::routes())
        .and(security_group::routes())
        .and(quota::routes())
        .and(auto_topology::routes())
        .and(availability_zone::routes())
        .and(agent::routes())
        .and(extension::routes())
        .and(tag::routes(network::ops::show))
        .and(tag::routes(subnet::ops::show))
        .and(tag::routes(subnet_pool::ops::show))
        .and(tag::routes(port::ops::show))
        .and(tag::routes(router::ops::show))
        .and(tag::routes(floating_ip::ops::show))
        .and(tag::routes(security_group::ops::show));
    Service {
        prefix: "/network",
        types: &["network"],
        faults: FaultStyle::Network,
        microversions: None,
        routes,
    }
}

/// What makes wishes true.
pub fn reconcilers() -> Vec<Arc<dyn Reconciler>> {
    vec![
        Arc::new(network::Networks),
        Arc::new(security_group::SecurityGroups),
        Arc::new(port::Ports),
        Arc::new(router::Routers),
    ]
}
