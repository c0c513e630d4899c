//! Logging in for somebody else by a request that was signed with an EC2 key: services that speak Amazon's protocols pass
//! on what they got.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
#[cfg(test)]
mod tests;
