//! Taking over what a real Keystone holds: its domains, projects, roles, groups, users with their passwords, and who has
//! which role where.

pub(crate) mod model;
pub(crate) mod ops;
mod store;
#[cfg(test)]
mod tests;
