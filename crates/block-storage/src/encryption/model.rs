//! What an encryption is.

use serde::{Deserialize, Serialize};
use types::{EncryptionId, Timestamp};

/// How the volumes of a type are encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// Its id.
    pub id: EncryptionId,
    /// What encrypts: `luks`, `luks2`, or the name of a class in OpenStack of old.
    pub provider: String,
    /// The cipher and its mode: `aes-xts-plain64`.
    pub cipher: Option<String>,
    /// Bits of the key.
    pub key_size_bits: Option<u32>,
    /// Where it is encrypted.
    pub control_location: ControlLocation,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

/// Where a volume is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlLocation {
    /// By the host of the server, so that only that one has the words.
    FrontEnd,
    /// By the storage itself.
    BackEnd,
}

impl ControlLocation {
    /// As clients write it.
    pub fn name(self) -> &'static str {
        match self {
            ControlLocation::FrontEnd => "front-end",
            ControlLocation::BackEnd => "back-end",
        }
    }

    /// The location of this name.
    pub fn of_name(name: &str) -> Option<ControlLocation> {
        [ControlLocation::FrontEnd, ControlLocation::BackEnd].into_iter().find(|known| known.name() == name)
    }
}

/// What is said of an encryption, at first or later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EncryptionChange {
    pub(crate) provider: Option<String>,
    pub(crate) cipher: Option<Option<String>>,
    pub(crate) key_size_bits: Option<Option<u32>>,
    pub(crate) control_location: Option<ControlLocation>,
}

impl Encryption {
    /// The same with what is said.
    pub(crate) fn with(mut self, change: EncryptionChange) -> Encryption {
        if let Some(provider) = change.provider {
            self.provider = provider;
        }
        if let Some(cipher) = change.cipher {
            self.cipher = cipher;
        }
        if let Some(bits) = change.key_size_bits {
            self.key_size_bits = bits;
        }
        if let Some(location) = change.control_location {
            self.control_location = location;
        }
        self
    }
}
