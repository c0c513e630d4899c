//! An access token: that a consumer may log in for a user, in one project and with some of the user's roles.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
