//! An entry of a namespace: what objects, properties, tags and associations have in common. Each has a name that no
//! other of its kind has in the namespace, and goes with the namespace.

mod model;
pub(crate) mod ops;
pub(crate) mod store;

pub(crate) use model::{Entry, Kind, Rules};
