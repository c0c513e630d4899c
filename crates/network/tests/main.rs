//! The service through its API, with a node that does what its documents say.

mod cloud;
mod ports;
mod routers;
