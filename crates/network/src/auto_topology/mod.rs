//! Auto-allocated topologies: a project that has nothing yet gets, for the asking, a dual-stack network behind a
//! router to the default external network.

mod api;
mod model;
pub mod ops;
mod store;

pub(crate) use api::routes;
pub use model::AutoTopology;
pub use ops::ensure;
