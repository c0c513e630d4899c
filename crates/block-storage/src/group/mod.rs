//! A group: volumes of one project that are snapshotted, cloned and deleted together. A volume says itself in which
//! group it is. A group is made at once, but for one that is made of another's volumes or snapshots: that one is
//! `available` when all its volumes are. The row of a group that is deleted goes after its last volume.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod reconcile;
mod source;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use model::{Group, GroupChange, GroupDraft, GroupSource, Status};
