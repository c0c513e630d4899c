//! Which endpoints a project's catalog shows: chosen one by one, or by the group.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
