//! A service provider: another cloud that users of this one go to. It is remembered and shown; SAML, which goes there, is not built.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
