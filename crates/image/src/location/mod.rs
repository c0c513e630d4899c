//! Where an image's bytes are: told to other services, and by that a store can be left again.

pub(crate) mod api;
pub(crate) mod ops;
#[cfg(test)]
mod tests;
