//! A transfer: the offer of a volume to whoever knows its key. The volume waits meanwhile; accepted or withdrawn, the
//! offer is gone.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use model::Transfer;
