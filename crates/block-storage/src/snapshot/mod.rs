//! A snapshot: a moment of a volume. Its row is a wish; the volume's document names all snapshots that are wanted, and
//! the host's report says which are there. A snapshot that something is being made of stays until that is done, whoever
//! deletes it. Some are not a user's: they hold a moment while a volume is read.

pub(crate) mod api;
mod model;
pub mod ops;
pub(crate) mod reconcile;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use model::{Phase, Purpose, Snapshot, SnapshotChange, SnapshotDraft};
