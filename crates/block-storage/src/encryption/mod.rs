//! How the volumes of a type are encrypted, and with what each of them is.
//!
//! What a type demands is a part of its row, for a type has one or none, and it does not change while a volume is of the
//! type. Every volume has a key of its own, in its row and sealed, so that it goes with it and a copy of the database alone
//! opens nothing; a clone has its source's under another id. To hosts it is told as a document leaves, and never lies in one.

pub(crate) mod api;
mod keys;
mod model;
pub(crate) mod ops;
#[cfg(test)]
mod tests;

pub(crate) use keys::ensure_key;
pub use keys::{Keyring, add_keys, reseal};
pub use model::{ControlLocation, Encryption, VolumeEncryption};
pub(crate) use model::{
    EncryptionChange, Formatting, KEY_DELETION_POLICY, KEY_ID, is_as_secret, properties_of_key,
};
