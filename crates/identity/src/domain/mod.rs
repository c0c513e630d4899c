//! A domain: a namespace of projects, users and groups, with administrators of its own.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
