//! A project: what owns servers, networks and volumes, and what a token is usually good for.

pub(crate) mod api;
pub mod model;
pub mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
