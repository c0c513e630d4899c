//! A registered limit: how much of a resource a project may have unless a limit of its own says otherwise.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
