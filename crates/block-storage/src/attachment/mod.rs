//! Attachments as resources of their own, from microversion 3.27. An attachment is part of its volume's row: a volume
//! has one at a time.

pub(crate) mod api;
pub(crate) mod connection;
