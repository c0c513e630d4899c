//! A domain's own options for the identity backend, in groups. They are kept for the clients that set them; there is no
//! other backend yet that would read them.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod options;
pub(crate) mod store;
#[cfg(test)]
mod tests;
