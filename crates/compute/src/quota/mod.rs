//! How much a project may have, counted from live rows in the same transaction; there are no reservations to leak.

mod api;
mod model;
mod ops;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use api::routes;
pub(crate) use model::{Limits, Used};
pub(crate) use ops::{check_servers, of_caller, of_project};
