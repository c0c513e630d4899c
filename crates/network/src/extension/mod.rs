//! What the service says about itself: its version, its collections, and the extensions of the API that it honours.

mod api;
mod list;

pub(crate) use api::routes;
