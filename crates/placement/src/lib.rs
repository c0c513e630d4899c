//! Placement: which host offers how much of what, who uses it, and which host a new server goes to.
//!
//! A host is a resource provider with inventories of `VCPU`, `MEMORY_MB` and `DISK_GB`, kept as its agent reports
//! them. A consumer (a server) holds allocations. [`schedule::candidates`] is filters and weights over one query, and
//! keeps what each filter removed, because that is the answer to "no valid host".
//!
//! Not here: nested and sharing providers, aggregates, reservations that outlive their consumer.
//!
//! Invariants: the allocations of a provider never exceed its capacity by an act of ours (a shrunken host may leave
//! them above); a consumer's allocations come and go together with the row that it is.
//!
//! Reading order: `provider`, `allocation`, `schedule`, then the `api` of each.

pub mod allocation;
mod error;
mod microversion;
mod policy;
pub mod provider;
pub mod schedule;
#[cfg(test)]
mod tests;
mod version;

use std::sync::Arc;

pub use error::Error;
pub use policy::RULES;
pub use provider::HOST_SYNC;
use rest::{FaultStyle, Microversions, Service};
use store::Migration;

/// This crate's schema.
pub const MIGRATIONS: &[Migration] =
    &[Migration { service: "placement", version: 1, sql: include_str!("../migrations/0001_placement.sql") }];

/// The API as it is wired up.
pub fn service() -> Service {
    let microversions = Microversions {
        service: "placement",
        legacy_header: None,
        min: microversion::MIN,
        max: microversion::MAX,
    };
    let routes = version::routes()
        .and(provider::routes())
        .and(provider::catalogue_routes())
        .and(allocation::routes())
        .and(schedule::routes());
    Service {
        prefix: "/placement",
        types: &["placement"],
        faults: FaultStyle::Placement,
        microversions: Some(microversions),
        routes,
    }
}

/// Keeps providers as the hosts say.
pub fn reconcilers() -> Vec<Arc<dyn reconcile::Reconciler>> {
    vec![Arc::new(provider::HostSync)]
}
