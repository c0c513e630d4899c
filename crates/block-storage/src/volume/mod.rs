//! A volume: a block device that outlives the servers it is attached to. A row is created first; the reconciler chooses
//! a host, wants the volume there by a document, and the host's report makes it `available`. A volume is in one server
//! at a time. Deleting it asks the host to remove it; the row goes last.

pub(crate) mod api;
mod attach;
pub(crate) mod by_client;
mod limits;
mod lists;
mod model;
pub mod ops;
pub(crate) mod place;
pub(crate) mod reconcile;
pub(crate) mod source;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use ::image::image::WorkKey;
pub use attach::NewAttachment;
pub use model::{
    AttachMode, Attachment, COPY_TIME_MAX, HOST_TIME_MAX, PLACEMENT_TIME_MAX, Phase, Retype, Revert,
    SIZE_GIB_MAX, SourceImage, SourceSnapshot, Volume, VolumeChange, VolumeDraft,
};
