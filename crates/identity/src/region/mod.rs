//! A region: a part of the catalog.

pub(crate) mod model;
pub(crate) mod store;
