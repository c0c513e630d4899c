//! What an encryption is.

use agent_api::block::Encryption as OnHost;
use serde::{Deserialize, Serialize};
use types::{CopyId, EncryptionId, EncryptionKeyId, Timestamp};

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

/// With what a volume is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeEncryption {
    /// Its key.
    pub key_id: EncryptionKeyId,
    /// The passphrase, as only the cloud's key manager can read it. There is none before the volume's first step.
    pub sealed: Option<String>,
    /// See [`Encryption`].
    pub provider: String,
    /// See [`Encryption`].
    pub cipher: String,
    /// See [`Encryption`].
    pub key_size_bits: u32,
    /// See [`Encryption`].
    pub control_location: ControlLocation,
    /// How far it is from being encrypted, until it is. A clone of what is encrypted never was anything else.
    #[serde(default)]
    pub(crate) formatting: Option<Formatting>,
    /// Whether the image has encrypted bytes that it is a clone of.
    #[serde(default)]
    pub(crate) of_encrypted_image: bool,
}

/// A host encrypts a volume that is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Formatting {
    /// The copy that does it.
    pub(crate) copy: CopyId,
    /// How far it is.
    pub(crate) percent: u8,
}

/// What is taken where a type does not say it.
const CIPHER: &str = "aes-xts-plain64";
const KEY_SIZE_BITS: u32 = 256;
/// What hosts can encrypt with: QEMU's LUKS, version 1, and these ciphers with keys of these sizes.
const PROVIDERS: [&str; 2] = ["luks", "nova.volume.encryptors.luks.LuksEncryptor"];
const CIPHERS: [(&str, &[u32]); 3] = [
    (CIPHER, &[KEY_SIZE_BITS, 512]),
    ("aes-cbc-essiv:sha256", &[128, 192, 256]),
    ("aes-cbc-plain64", &[128, 192, 256]),
];

impl Encryption {
    /// This for a volume, with a key that is still to be made; an error says why no host can do it.
    pub(crate) fn of_volume(&self) -> Result<VolumeEncryption, String> {
        let cipher = self.cipher.as_deref().unwrap_or(CIPHER);
        let key_size_bits = self.key_size_bits.unwrap_or(KEY_SIZE_BITS);
        if !PROVIDERS.contains(&self.provider.as_str()) {
            return Err(format!("provider {} is not built; use luks", self.provider));
        }
        if self.control_location != ControlLocation::FrontEnd {
            return Err("volumes are encrypted by hosts; use the control location front-end".to_owned());
        }
        let known = CIPHERS.iter().find(|(name, _)| *name == cipher);
        let Some((_, sizes)) = known else {
            let known: Vec<&str> = CIPHERS.iter().map(|(name, _)| *name).collect();
            return Err(format!("cipher {cipher} is not built; use {}", known.join(" or ")));
        };
        if !sizes.contains(&key_size_bits) {
            return Err(format!("cipher {cipher} has no keys of {key_size_bits} bits; use one of {sizes:?}"));
        }
        Ok(VolumeEncryption {
            key_id: EncryptionKeyId(runtime::new_uuid()),
            sealed: None,
            provider: self.provider.clone(),
            cipher: cipher.to_owned(),
            key_size_bits,
            control_location: self.control_location,
            formatting: None,
            of_encrypted_image: false,
        })
    }

    /// Whether a volume of one is not a volume of the other.
    pub(crate) fn differs(&self, other: &Encryption) -> bool {
        let what =
            |it: &Encryption| (it.provider.clone(), it.cipher.clone(), it.key_size_bits, it.control_location);
        what(self) != what(other)
    }
}

/// Whether volumes of one type are encrypted as those of another.
pub(crate) fn is_as_secret(one: Option<&Encryption>, other: Option<&Encryption>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => !one.differs(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// The property of an image that has encrypted bytes: the key of the volume that it was made of.
pub(crate) const KEY_ID: &str = "cinder_encryption_key_id";
/// What becomes of the key when the image is deleted.
pub(crate) const KEY_DELETION_POLICY: &str = "cinder_encryption_key_deletion_policy";

/// The properties of an image that has the bytes of an encrypted volume.
pub(crate) fn properties_of_key(key_id: EncryptionKeyId) -> [(String, String); 2] {
    let policy = "on_image_deletion".to_owned();
    [(KEY_ID.to_owned(), key_id.to_string()), (KEY_DELETION_POLICY.to_owned(), policy)]
}

impl VolumeEncryption {
    /// The same for a copy of the encrypted bytes: the same key, under an id of its own.
    pub(crate) fn cloned(&self) -> VolumeEncryption {
        VolumeEncryption {
            key_id: EncryptionKeyId(runtime::new_uuid()),
            formatting: None,
            of_encrypted_image: false,
            ..self.clone()
        }
    }

    /// The same for the host that has the volume. The passphrase is added as the document leaves.
    pub(crate) fn for_host(&self) -> OnHost {
        let VolumeEncryption { key_id, cipher, key_size_bits, .. } = self;
        OnHost { key_id: *key_id, cipher: cipher.clone(), key_size_bits: *key_size_bits, passphrase: None }
    }

    /// Whether the other is encrypted in the same way, be it with another key.
    pub(crate) fn is_like(&self, other: &VolumeEncryption) -> bool {
        (&self.cipher, self.key_size_bits) == (&other.cipher, other.key_size_bits)
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
