//! An application credential: a secret by which a program acts for a user in one project, with no more roles than its
//! maker had, and if wanted only for some requests.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod store;
#[cfg(test)]
mod tests;
