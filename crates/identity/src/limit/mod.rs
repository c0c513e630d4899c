//! A limit: how much of a resource one project or one domain may have. Services ask; identity only remembers.

pub(crate) mod api;
pub(crate) mod hierarchy;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
