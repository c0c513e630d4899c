//! An identity provider: where users log in whom this cloud believes.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
