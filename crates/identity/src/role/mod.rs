//! A role: a name that rules ask for; some roles imply others.

pub(crate) mod model;
pub(crate) mod store;
