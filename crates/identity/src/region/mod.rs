//! A region: a part of the cloud that endpoints are in. Regions may be nested; the operator may choose their ids.
//!
//! This is the smallest whole resource: `docs/develop/add-a-resource.md` walks through it.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
