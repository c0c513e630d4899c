//! An action on a server, and its events: what was asked, what was done for it, and how the guest came up afterwards.
//!
//! The record goes on past ACTIVE: a DHCP lease, the first read of the metadata and the ssh banner are events of the
//! action that started the guest, at the times when the node saw them.

mod api;
mod model;
mod ops;
mod store;

pub(crate) use api::routes;
pub use model::{Action, Event};
pub(crate) use ops::{begin, finish, note, remove_all};
