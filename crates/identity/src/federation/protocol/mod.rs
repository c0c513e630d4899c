//! A protocol spoken with an identity provider, and the mapping by which its users are known here.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
