//! A server group: servers that are to be on one host, or on several. A server belongs to the group that its creation
//! named, for life; the group's members are the servers that name it.

mod api;
mod model;
mod ops;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use api::routes;
pub(crate) use model::{GroupPolicy, ServerGroup};
pub(crate) use ops::{check_room, constrain, count};
