//! An endpoint group: endpoints that have something in common, whichever they are at the time.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
