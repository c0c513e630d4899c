//! Messages to users: what became of what they had asked for, where the answer could not say it. Whoever fails after the
//! answer leaves one by [`ops::create`]; it goes by itself after a month.

pub(crate) mod api;
mod model;
pub mod ops;
pub(crate) mod reconcile;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use model::{Action, Detail, Level, Message, NewMessage, Subject};
