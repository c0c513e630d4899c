//! Federated users: who is whom at which identity provider, and for how long a login keeps somebody in a group.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
