//! A member: a project that a `shared` image is shared with. It can use the image by its id at once; in its lists the
//! image appears once the project has accepted it.

pub(crate) mod api;
mod model;
pub mod ops;
pub(crate) mod store;

#[cfg(test)]
mod tests;

pub use model::{Member, MemberStatus};
