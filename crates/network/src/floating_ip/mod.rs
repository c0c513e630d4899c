//! Floating IPs: addresses outside that lead, through a router, to a port's address inside.

mod api;
mod model;
pub mod ops;
pub(crate) mod store;

pub(crate) use api::routes;
pub use model::{Association, AssociationWish, FloatingIp, FloatingIpChange, FloatingIpDraft};
