//! A tag that a namespace offers for images: a name and no more.

pub(crate) mod api;
mod store;

pub(crate) use store::TAGS;
