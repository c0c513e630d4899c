//! An image: what servers and volumes are made of. Its row is created first (`queued`), its bytes come by an upload
//! (`saving`, then `active`), and never change after that. Deleting it hides it at once; its bytes go when the
//! reconciler comes by, and what was cloned from it keeps what it needs.

pub(crate) mod api;
pub mod by_node;
mod model;
pub mod node_copy;
pub mod ops;
pub(crate) mod reconcile;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use ::storage::{DiskFormat, StoredImage};
pub use model::{
    CONTAINER_FORMATS, Image, ImageChange, ImageDraft, SILENCE_MAX, Status, UploadClaim, Visibility, WorkKey,
};
