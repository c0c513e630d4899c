//! Subnet pools: prefixes that subnets are cut from, so that no two of them overlap.

mod api;
mod model;
pub mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use api::routes;
pub use model::{Lengths, LengthsWish, SubnetPool, SubnetPoolChange, SubnetPoolDraft};
