//! The documents by which clients find out that this is Keystone's v3 API.

pub(crate) mod api;
#[cfg(test)]
mod tests;
