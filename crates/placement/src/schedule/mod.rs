//! Which host a server goes to: filters and weights over one query, and what each filter removed.

mod api;
mod model;
mod ops;

pub(crate) use api::{resources_of, routes};
pub use model::{Candidate, Choice, HostState, Removed, Request, choose};
pub use ops::{candidates, states};
