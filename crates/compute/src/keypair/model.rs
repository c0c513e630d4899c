//! What a keypair is, and what its public key tells.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use types::{Timestamp, UserId};

/// A user's public key under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keypair {
    /// The user.
    pub user_id: UserId,
    /// The name, one of the user's own.
    pub name: String,
    /// The key as in `authorized_keys`.
    pub public_key: String,
    /// The MD5 of the key, as OpenSSH once showed it.
    pub fingerprint: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is needed to make a keypair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeypairDraft {
    /// Whose.
    pub user_id: UserId,
    /// The name.
    pub name: String,
    /// The key to import; without one a key is made.
    pub public_key: Option<String>,
}

/// The fingerprint of an OpenSSH public key; `None` if it is none. The blob names its own type, which must be the one
/// in front of it.
pub(crate) fn fingerprint(public_key: &str) -> Option<String> {
    let mut words = public_key.split_whitespace();
    let (kind, blob) = (words.next()?, words.next()?);
    let known = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|prefix| kind.starts_with(prefix));
    let blob = BASE64_STANDARD.decode(blob).ok()?;
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if !known || rest.len() <= length || &rest[..length] != kind.as_bytes() {
        return None;
    }
    let digest: Vec<String> = fast_md5::digest(&blob).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(digest.join(":"))
}
