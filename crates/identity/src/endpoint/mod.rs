//! An endpoint: where a service is reached in a region, and for whom. The catalog is all of them.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
