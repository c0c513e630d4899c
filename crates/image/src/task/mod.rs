//! A task: the record of an import, kept for a while after it has ended. The work itself is in [`crate::import`].

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod store;

pub(crate) use model::{Asked, Import, KEPT, Method, Task, TaskId, TaskKind, TaskStatus};
