//! A snapshot of a group: a snapshot of each of its volumes. All are wished for in one transaction. The host takes them one
//! after another, as Cinder's backends do that know nothing of groups, or while nobody writes to the volumes, where the
//! group's type promises that they are of one moment. It is `available` when all are made, and in error when one cannot
//! be; either way nothing of it is left when it is deleted.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod reconcile;
pub(crate) mod store;

pub use model::{GroupSnapshot, GroupSnapshotDraft};
