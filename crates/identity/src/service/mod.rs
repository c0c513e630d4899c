//! A service as the catalog lists it.

pub(crate) mod model;
pub(crate) mod store;
