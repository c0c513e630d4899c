//! A volume type: a name that an operator gives to a kind of storage. Its extra specs choose the backend and bound the
//! sizes, its QoS specs and its encryption say how a volume is served; quotas count by it. What a volume needs to know of
//! its type it asks for by [`ops::recipe`].

pub(crate) mod api;
pub(crate) mod model;
pub mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use model::{Recipe, Specs, TypeChange, TypeDraft, VolumeType};
