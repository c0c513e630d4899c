//! Networks: an isolated Ethernet segment of a project, or the external network that leads outside.
//!
//! A project's network is a VXLAN segment with its own VNI; on every host that has a port of it there is a namespace
//! with a bridge. The external network is a flat one; every host has its namespace, with the outside's gateways on it.
//! A deleted network keeps its row, and so its VNI, until no node has it any more.

mod api;
mod model;
pub mod ops;
mod reconcile;
pub(crate) mod store;

pub(crate) use api::routes;
pub use model::{Network, NetworkChange, NetworkDraft, Provider, Sharing};
pub(crate) use reconcile::{KIND, Networks, put_on};
