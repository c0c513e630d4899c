//! The service's parts as operators see them: a scheduler, which is the control plane, and each backend of each host. An
//! operator can take a backend out of use; then it gets no new volumes.

pub(crate) mod api;
mod cleanup;
mod hosts;
mod log;
mod model;
pub mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod workers;

pub use log::LogLevels;
pub(crate) use model::{BACKUP, Part, Switch, VOLUME, backends};
