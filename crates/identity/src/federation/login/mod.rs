//! Logging in with what an identity provider gave: from an access token to a user of this cloud and a token of ours.

pub(crate) mod api;
pub(crate) mod assertion;
pub(crate) mod ops;
mod projects;
#[cfg(test)]
mod tests;
