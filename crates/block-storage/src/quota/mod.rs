//! Quotas of a project: limits are rows, use is counted from live rows in the same transaction, so there is nothing to
//! leak. The limits of those for whom nothing was said are the class `default`. Limits of a volume type are kept by the
//! type's id and called by its name, so that renaming a type changes none.

pub(crate) mod api;
mod class;
mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod usage;

pub use model::{Limits, Quota, QuotaClass, Resource, UNLIMITED};
