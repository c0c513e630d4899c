//! Compute: flavors, keypairs and servers, behind Nova's API.
//!
//! A request writes what is wanted into the rows of compute, network, block storage and placement, in one transaction;
//! [`server::Servers`] makes it true by documents for the chosen host and by reading what the host reports. The
//! record of a server (its instance actions) goes on past ACTIVE, to the guest's lease, metadata and ssh banner.
//!
//! Not here: resize, rebuild, rescue, shelve, suspend, migration, plugging of network cards,
//! aggregates, remote consoles.
//!
//! Invariants: a server's status is computed, never stored; no request waits for a node but a console's log; a
//! server's ports, volumes and allocations are released before its row goes.
//!
//! Reading order: `server/model`, `server/create`, `server/build`, `server/reconcile`, `server/document`, `server/act`,
//! then `server/api`; `flavor`, `keypair`, `quota`, `group`, `action`, `attachment`, `host` by need.

mod action;
mod attachment;
mod body;
mod error;
mod extension;
pub mod flavor;
mod group;
mod host;
mod key;
pub mod keypair;
mod links;
mod microversion;
mod policy;
mod proxy;
mod quota;
pub mod server;
#[cfg(test)]
mod tests;
mod usage;
mod version;

use std::sync::Arc;

pub use error::Error;
use image::image::by_node::Terms;
pub use policy::RULES;
use reconcile::Reconciler;
use rest::{FaultStyle, Microversions, Service};
use store::{Migration, Store, Tx};

/// This crate's schema.
pub const MIGRATIONS: &[Migration] =
    &[Migration { service: "compute", version: 1, sql: include_str!("../migrations/0001_compute.sql") }];

/// The API as it is wired up.
/// `images` is what the image service says of images that are made here.
pub fn service(store: &Store, inquiries: &nodes::Inquiries, images: Terms) -> Service {
    let microversions = Microversions {
        service: "compute",
        legacy_header: Some("x-openstack-nova-api-version"),
        min: microversion::MIN,
        max: microversion::MAX,
    };
    let below = flavor::routes()
        .and(keypair::routes())
        .and(server::routes(store, inquiries, images))
        .and(action::routes())
        .and(attachment::routes())
        .and(quota::routes())
        .and(group::routes())
        .and(host::routes())
        .and(usage::routes())
        .and(proxy::routes())
        .and(extension::routes());
    let routes = version::routes().and(below.clone().below("/v2")).and(below.below("/v2.1"));
    Service {
        prefix: "/compute",
        types: &["compute"],
        faults: FaultStyle::Compute,
        microversions: Some(microversions),
        routes,
    }
}

/// What makes servers be as wanted.
pub fn reconcilers() -> Vec<Arc<dyn Reconciler>> {
    vec![Arc::new(server::Servers)]
}

/// What a fresh cloud has: the flavors.
pub fn bootstrap(tx: &mut Tx<'_>) -> Result<(), Error> {
    flavor::bootstrap(tx)
}
