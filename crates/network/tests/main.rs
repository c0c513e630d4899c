//! The service through its API, with a node that does what its documents say.

// Tests may end with a panic.
#![allow(clippy::unwrap_used)]

mod bad_requests;
mod cloud;
mod extensions;
mod golden;
mod groups;
mod lists;
mod ports;
mod routers;
mod subnets;
mod topology;
