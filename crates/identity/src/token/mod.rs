//! A token: a short encrypted claim of who logged in, how, for what and until when. What it gives is looked up when it
//! is used, so that a role taken away is gone at once; what was looked up is cached until anything changes.

pub(crate) mod api;
pub(crate) mod cache;
pub(crate) mod codec;
pub(crate) mod keys;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod resolve;
pub(crate) mod store;
#[cfg(test)]
mod tests;
