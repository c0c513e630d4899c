//! An upload: an image made of a volume. A moment of the volume is held, its host copies that into an image whose row was
//! made with the upload's, and what the host reports makes the image active. An upload that cannot go on, or whose image
//! or volume somebody deletes, takes its image with it. The row goes once the host has nothing of the copy any more.

pub(crate) mod api;
mod model;
mod ops;
pub(crate) mod reconcile;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use model::{Phase, Upload, UploadDraft};
