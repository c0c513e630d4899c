//! A credential: a secret of some type that a user keeps here, such as an EC2 key or a TOTP seed. In the database it is
//! encrypted.

pub(crate) mod api;
pub(crate) mod ec2_key;
pub(crate) mod keys;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
