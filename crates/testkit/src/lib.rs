//! For tests: an API in process whose callers are named by their tokens, and golden conversations with it.

// A helper of tests may end the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod golden;
mod likeness;
mod names;
mod pairs;
mod remote;
mod scratch;
mod varied;

pub use api::{Answer, Api, caller};
pub use golden::check_golden;
pub use likeness::{Asked, Conversations, Peer};
pub use remote::Remote;
pub use scratch::{Scratch, Server};
pub use varied::{Begun, Dice, Varied};
