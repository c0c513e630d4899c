//! A trust: one user lets another act with some of its roles in a project.

pub(crate) mod model;
pub(crate) mod store;
