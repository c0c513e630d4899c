//! A server: what a customer asked to run, and how it comes to run on a host.
//!
//! A request writes wishes into the row and kicks; [`reconcile`] places the server, waits for its volumes, writes the
//! VM's document for the chosen host and reads what the host reports. The row keeps a copy of what the network service
//! says about its ports, refreshed whenever a port kicks, so that a list of servers asks nobody else.

mod act;
mod api;
mod body;
mod build;
mod console;
mod create;
mod device;
mod document;
mod filter;
mod imaging;
mod model;
mod ops;
mod password;
pub(crate) mod ports;
mod reconcile;
mod store;
#[cfg(test)]
mod tests;
mod view;
pub(crate) mod volumes;

pub(crate) use act::{load_for, wrong_state};
pub(crate) use api::{asked, routes};
pub use create::{Draft, Networks, WantedDisk, WantedNic};
pub use device::{Address, Disk, DiskState, Nic, Subnet};
pub use imaging::{Imaging, ImagingPhase, Rotation};
pub(crate) use model::ZONE;
pub use model::{BootImage, Creator, Key, Lock, Phase, Placement, Server, ServerFault, Task};
pub use ops::{Asked, create, delete, load};
pub use reconcile::{RECONCILER, Servers};
pub(crate) use store::{SERVERS, on_host, used};
pub(crate) use view::host_id;
pub use volumes::Source;
