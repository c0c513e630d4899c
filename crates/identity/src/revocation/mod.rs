//! A revocation: an event after which some tokens are no longer good, though they have not expired. That a user, a
//! project or a role is gone needs none of it, for tokens are looked up when they are used.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
