//! Routers: they forward between the networks of a project, and through a gateway to an external network.
//!
//! A router's legs are ports that it owns. A router with legs is placed on a host, which makes a namespace of it.

mod api;
mod gateway;
mod interface;
mod model;
pub mod ops;
mod reconcile;
pub(crate) mod store;

pub(crate) use api::routes;
pub use model::{Gateway, GatewayWish, Interface, Phase, Router, RouterChange, RouterDraft};
pub(crate) use reconcile::{KIND, Routers, routes_behind};
