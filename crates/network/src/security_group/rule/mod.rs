//! Rules of security groups, which clients also see by themselves.

mod api;

pub(crate) use api::{routes, view};
