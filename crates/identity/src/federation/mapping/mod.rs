//! A mapping: rules by which what an identity provider says of somebody becomes a user, groups and projects here.

pub(crate) mod api;
pub(crate) mod engine;
pub(crate) mod language;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
