//! Which policy document is for which endpoint: for one, for all of a service, or for those of a service in a region.
//! As with the documents themselves, nothing follows from it here.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
