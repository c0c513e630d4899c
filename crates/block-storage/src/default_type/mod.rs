//! The type that a project's volumes get when no other is asked for. Without one, it is the cloud's.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use model::DefaultType;
