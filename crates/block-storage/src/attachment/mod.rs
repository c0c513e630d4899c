//! Attachments as resources of their own, from microversion 3.27. An attachment is part of its volume's row, which has
//! one, or several where its type is for several servers.

pub(crate) mod api;
pub(crate) mod connection;
pub(crate) mod store;
#[cfg(test)]
mod tests;
