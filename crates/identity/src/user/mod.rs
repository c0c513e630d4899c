//! A user: who can log in.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod proof;
pub(crate) mod store;
#[cfg(test)]
mod tests;
