//! Importing: bytes that were staged, that come from the web, or that another store has become an image's own.
//!
//! A request writes a task and sets the image to `importing`. The reconciler starts a worker for each task that nobody
//! works on: a thread that claims the task, moves bytes outside of any transaction, keeps its claim alive and records
//! each store that it filled. If it dies, its claim runs out and another begins where the record ends. A failed import
//! removes what it stored before the image is queued again.

pub(crate) mod api;
pub(crate) mod ops;
pub(crate) mod reconcile;
#[cfg(test)]
mod tests;
pub(crate) mod web;
mod worker;
