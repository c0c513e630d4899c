//! Pools: where a new volume can be, how much room is there, and what a backend can do. They are seen, not kept: what hosts
//! report and what volumes were promised. A backend has one pool of its own name.

pub(crate) mod api;
pub(crate) mod capability;
mod cluster;
mod ops;
#[cfg(test)]
mod tests;
