//! A group type: what an operator calls a kind of group, with words for backends. None of the words is obeyed but the
//! two that demand replication, which no backend here has.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use model::{GroupType, GroupTypeChange, GroupTypeDraft};
