//! A request token: that a consumer asks for rights in a project, and after a while which user grants which.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
