//! A flavor: how large a server is. Operators make them; a server keeps a copy of its own.

mod api;
mod model;
mod ops;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use api::routes;
pub use model::{Flavor, FlavorDraft};
pub use ops::{bootstrap, create, load};
