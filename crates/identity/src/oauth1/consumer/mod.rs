//! A consumer: a program that may ask users for rights. It has a secret, which is told when it is made.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
