//! A migration: a volume goes to another backend of its host, because an operator says so or because its new type asks for
//! it.
//!
//! Of one that nobody uses a moment is held and copied to where it goes; then, in one transaction, the volume is there, and
//! its host removes it from where it was. Until then whoever takes the volume, or what fails, ends the migration, and its
//! host removes what was copied. One that a server has is taken there by its VM, which writes to both until it is decided on
//! its host that the volume is there: from then on it is, also if the migration was given up before that was heard. The row
//! goes once the host has nothing left over. See `docs/adr/0012-a-host-decides-where-a-moved-volume-is.md`.
//!
//! A new type that encrypts a volume otherwise asks for a copy, too, also where the volume stays on its backend: then what was
//! copied takes its place. So does an image that is put into a volume, which goes nowhere and of which nothing is held.

pub(crate) mod api;
mod live;
mod model;
pub(crate) mod ops;
pub(crate) mod reconcile;
pub(crate) mod reimage;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use model::{Anew, Migration, Phase, Policy, Reimage};
