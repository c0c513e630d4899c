//! The cache of images that Glance may have beside its stores: whole copies on this host of what is in a store elsewhere,
//! so that downloads need not fetch it again. Without a configured one its routes ask who may, and then say that there is
//! none, as a Glance without a cache does.
//!
//! A cache is a matter of one host, and control planes that share a database may have one each. So wishes for images and
//! what became of them are files in the cache's own folder ([`storage::file::ImageCache`]), and no rows: a request, or a
//! download of what is not cached, leaves a wish; the host's worker makes it come true, and removes what is of no image
//! any more.

pub(crate) mod api;
mod ops;
mod source;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use source::Source;
pub use worker::keep as keep_cache;
