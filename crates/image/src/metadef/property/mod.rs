//! A property that a namespace defines: its type and which values it may have.

pub(crate) mod api;
mod model;
pub(crate) mod shape;
mod store;

pub(crate) use model::{ItemShape, Literal, PropertyShape, TYPES};
pub(crate) use store::PROPERTIES;
