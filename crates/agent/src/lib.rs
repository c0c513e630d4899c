//! The node side: receives documents, compares them with what is there, acts, and reports what it sees.
//!
//! [`Agent`] is the whole of it without threads and sockets: messages and events go in, reports come out, effects go
//! through the traits of [`effects`]. [`run`] wraps it in a process that dials the control plane; a simulation calls it
//! directly.
//!
//! Reading order: `documents`, `plan` (pure), `vms`, `agent`, `run`; `linux` turns documents into what `linux-net`
//! wants.
//!
//! Invariants: an agent that cannot reach its control plane leaves everything as it is; nothing is removed but what a
//! document says or no document knows; every effect may be repeated; no VM depends on the agent's life.

mod agent;
mod backends;
mod config_drive;
pub mod copies;
mod documents;
pub mod effects;
pub mod fake;
mod images;
mod linux;
pub mod moved;
mod plan;
mod root_disk;
mod run;
#[cfg(test)]
mod tests;
mod trouble;
mod vms;
mod volumes;

pub use agent::Agent;
pub use backends::Backends;
pub use linux::Linux;
pub use run::{
    BackupTarget, RunError, Settings, accelerator, console_socket, run, run_simulated, stop_everything,
};
pub use trouble::Trouble;
