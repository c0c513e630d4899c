//! An object: properties that belong together, under one name.

pub(crate) mod api;
mod model;
mod store;

pub(crate) use model::ObjectContent;
pub(crate) use store::OBJECTS;
