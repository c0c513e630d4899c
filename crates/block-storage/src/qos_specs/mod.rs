//! QoS specs: how fast the volumes of some types may be, and who holds them to it. A type has one or none of them.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use model::{Consumer, QosSpecs};
