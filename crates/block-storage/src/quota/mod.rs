//! Quotas of a project: limits are rows, use is counted from live volumes in the same transaction, so there is nothing
//! to leak.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod store;

pub use model::{DEFAULTS, Quota, UNLIMITED};
