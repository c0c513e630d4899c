//! A user: who can log in.

pub(crate) mod api;
pub(crate) mod compliance;
#[cfg(test)]
mod compliance_tests;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod options;
pub(crate) mod proof;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod view;
