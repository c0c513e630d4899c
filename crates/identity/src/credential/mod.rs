//! A credential: a secret of some type that a user keeps here, such as an EC2 key or a TOTP seed.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
