//! Hands documents of desired state to nodes and takes their reports in.
//!
//! Services call [`documents::put`] and [`documents::remove`] in their own transactions: the document is part of the
//! wish. A document carries the work key of the row that wanted it; a report kicks that key, and the row's reconciler
//! reads what was seen with [`documents::seen`]. [`Session`] is one connection's side of the protocol without its
//! socket, so that a simulation can drive it.
//!
//! Invariants: no function here waits for a node, but for [`Inquiries::ask`], which changes nothing; a document
//! marked for removal stays until its node reports that the thing is gone; a report about an older revision never
//! replaces one about a newer.

mod ask;
pub mod documents;
pub mod hosts;
mod session;

pub use ask::Inquiries;
pub use hosts::Host;
pub use session::Session;
use store::Migration;

/// This crate's schema.
pub const MIGRATIONS: &[Migration] =
    &[Migration { service: "nodes", version: 1, sql: include_str!("../migrations/0001_nodes.sql") }];

/// Signalled when a host's documents changed.
pub fn signal(host: &types::HostId) -> String {
    format!("node/{host}")
}
