//! A mapping: rules by which what an identity provider says of somebody becomes a user, groups and projects here.

pub(crate) mod api;
#[allow(dead_code, reason = "applied by the login, which comes next")]
pub(crate) mod engine;
#[allow(dead_code, reason = "applied by the login, which comes next")]
pub(crate) mod language;
#[allow(dead_code, reason = "applied by the login, which comes next")]
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
