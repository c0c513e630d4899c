//! A role assignment: who has which role where.

pub(crate) mod model;
pub(crate) mod store;
