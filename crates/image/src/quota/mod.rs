//! How much a project may have: the four quotas of Glance, set as identity's registered limits and limits, counted from
//! the rows of images in the same transaction. What has no registered limit is not limited.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
#[cfg(test)]
mod tests;

pub(crate) use model::Usage;
