//! Tags: words that a resource can be found by, the same for every kind of resource.

mod api;

pub(crate) use api::routes;
