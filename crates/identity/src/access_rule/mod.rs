//! An access rule: a kind of request that an application credential may be limited to. Rules belong to users and are
//! shared among their application credentials; they never change.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
