//! The documents by which clients find out that this is Keystone's v3 API, and what of it is there.

pub(crate) mod api;
mod relations;
#[cfg(test)]
mod tests;
