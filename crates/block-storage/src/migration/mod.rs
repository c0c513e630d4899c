//! A migration: a volume that nobody uses goes to another backend of its host, because an operator says so or because
//! its new type asks for it. A moment of the volume is held and copied to where it goes; then, in one transaction, the
//! volume is there, and its host removes it from where it was. Until then whoever takes the volume, or what fails, ends
//! the migration, and its host removes what was copied. The row goes once the host has nothing left over.
//!
//! A new type that encrypts a volume otherwise asks for the same, also where the volume stays on its backend: then what was
//! copied takes its place.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
pub(crate) mod reconcile;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use model::{Anew, Migration, Phase, Policy};
