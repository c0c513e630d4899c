//! How the volumes of a type are encrypted. It is a part of the type's row, for a type has one or none, and it does not
//! change while a volume is of the type.

pub(crate) mod api;
mod model;
pub(crate) mod ops;
#[cfg(test)]
mod tests;

pub(crate) use model::EncryptionChange;
pub use model::{ControlLocation, Encryption};
