//! The cache of images that Glance may have beside its stores. There is none here: its routes ask who may, and then say
//! that it is not at this site, as a Glance without a cache does.

pub(crate) mod api;
#[cfg(test)]
mod tests;
