//! A policy document: a text that services of long ago kept here. Nothing reads it; clients still test it.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
