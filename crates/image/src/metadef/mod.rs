//! Metadata definitions: which properties images, servers and volumes may have and what they mean, for people and
//! dashboards to choose from. Nothing here checks a property against its definition; neither does Glance.
//!
//! A namespace has objects, properties, tags and associations with types of resources. The four are entries of it:
//! [`entry`] is what they have in common, their own folders say what is different.

pub(crate) mod api;
pub(crate) mod entry;
pub(crate) mod namespace;
pub(crate) mod object;
pub(crate) mod property;
pub(crate) mod resource_type;
pub(crate) mod schema;
pub(crate) mod tag;
#[cfg(test)]
mod tests;

use rest::Routes;

/// The routes of all of them.
pub(crate) fn routes() -> Routes {
    namespace::api::routes()
        .and(object::api::routes())
        .and(property::api::routes())
        .and(tag::api::routes())
        .and(resource_type::api::routes())
}
