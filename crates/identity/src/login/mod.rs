//! A login: what somebody shows to get a token. It may take several methods, at once or one after the other.

pub(crate) mod api;
pub(crate) mod body;
pub(crate) mod model;
pub(crate) mod ops;
#[cfg(test)]
mod tests;
pub(crate) mod totp;
