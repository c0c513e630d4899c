//! A role assignment: who has which role where.

pub(crate) mod api;
pub(crate) mod listing;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod reach;
pub(crate) mod store;
#[cfg(test)]
mod tests;
