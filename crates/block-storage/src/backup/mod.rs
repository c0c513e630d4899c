//! A backup: the content of a volume at some moment, kept where the operator says, apart from the volume's backend. Its
//! row is a wish; a copy's document has a host make it, put it back, or remove it. While it is made a snapshot holds the
//! moment.

pub(crate) mod api;
mod model;
pub mod ops;
pub(crate) mod reconcile;
mod record;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use model::{Backup, BackupChange, BackupDraft, OfVolume, Phase};
