//! A resource provider: a compute host under the name of its agent, with what it has to give.
//!
//! Inventories follow the facts that the agent says hello with: [`sync`] is called when they are news and again,
//! cheaply, whenever a server is placed.

mod api;
mod model;
mod ops;
mod reconcile;
pub(crate) mod store;

pub(crate) use api::{catalogue_routes, routes};
pub use model::{DISK_GB, Inventory, MEMORY_MB, Provider, ProviderDraft, VCPU, is_class};
pub use ops::{all, sync, sync_all};
pub(crate) use ops::{inventories, load};
pub use reconcile::{HOST_SYNC, HostSync};
