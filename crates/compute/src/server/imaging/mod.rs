//! Making an image of a server. Of one with a root disk of its own a moment is held by the VM's document, and its host
//! copies that into an image whose row was made by the request; meanwhile the server has a task. A server whose disks are
//! volumes leaves an image without a byte, which names snapshots of them. Servers are made of both alike.
//!
//! An image that cannot be made, or that somebody deletes meanwhile, leaves nothing; the moment is let go once the host
//! does nothing with it any more, and the server's row stays as long.

pub(crate) mod mapping;
mod model;
mod ops;
mod reconcile;
#[cfg(test)]
mod tests;

pub use model::{Imaging, ImagingPhase, Rotation};
pub(crate) use ops::{ImagingDraft, create};
pub(crate) use reconcile::{advance, end_all};
