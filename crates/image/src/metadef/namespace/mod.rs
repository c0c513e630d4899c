//! A namespace: definitions that belong together, `public` or its owner's alone, under a name that no other has.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod store;

pub(crate) use model::{Contents, Namespace, NamespaceDraft};
