//! Subnets: an IP prefix on a network, the addresses of it that ports get, and what hosts there are told.

pub(crate) mod api;
mod model;
pub mod ops;
pub(crate) mod store;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use api::routes;
pub use model::{GatewayWish, HostRoute, Origin, Subnet, SubnetChange, SubnetDraft};
pub(crate) use model::{host_number, overlap};
