//! A keypair: a public key that a user gives to servers. The private half, where one is made here, is told once.

mod api;
mod generate;
mod model;
mod ops;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use api::routes;
pub use model::{Keypair, KeypairDraft};
pub use ops::{create, load};
