//! A user: who can log in.

pub(crate) mod model;
pub(crate) mod store;
