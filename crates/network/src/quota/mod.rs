//! Quotas: how much of each kind a project may have. Use is counted from the rows in the transaction that adds one,
//! so there is nothing to reserve and nothing to leak.

pub(crate) mod api;
mod model;
pub mod ops;
mod store;

pub(crate) use api::routes;
pub use model::{Limited, Limits};
pub(crate) use ops::check;
