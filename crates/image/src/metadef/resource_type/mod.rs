//! A type of resource (`OS::Nova::Server`) and its association with a namespace, whose properties get a prefix there.
//! A type is known from its first association on.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod store;

pub(crate) use model::{AssociationContent, ResourceType};
pub(crate) use store::ASSOCIATIONS;
