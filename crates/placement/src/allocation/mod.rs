//! An allocation: how much of one resource class of one provider a consumer has. A consumer is a server.

mod api;
mod model;
mod ops;
mod store;

pub(crate) use api::routes;
pub use model::{Allocation, Consumer};
pub use ops::{allocate, of_consumer, release};
pub(crate) use ops::{generation, of_provider};
pub use store::check;
