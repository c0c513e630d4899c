//! What a transfer is.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use types::{ProjectId, Timestamp, TransferId, VolumeId};

/// The offer of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    /// Its id.
    pub(crate) id: TransferId,
    /// The volume.
    pub(crate) volume_id: VolumeId,
    /// Its name, which need not be unique.
    pub(crate) name: Option<String>,
    /// The project that offers it.
    pub(crate) project_id: ProjectId,
    /// Whether its snapshots stay where they are.
    pub(crate) no_snapshots: bool,
    /// What makes the digest of the key different from those of other transfers.
    pub(crate) salt: String,
    /// Of the key, which nobody keeps.
    pub(crate) digest: Vec<u8>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
}

impl Transfer {
    /// Whether this is the key. It takes as long for every other key.
    pub(crate) fn opens_with(&self, key: &str) -> bool {
        let found = digest(&self.salt, key);
        let differing = found.iter().zip(&self.digest).fold(0, |all, (one, other)| all | (one ^ other));
        found.len() == self.digest.len() && differing == 0
    }
}

/// What is kept of a key, which is long and random itself.
pub(crate) fn digest(salt: &str, key: &str) -> Vec<u8> {
    Sha256::new().chain_update(salt).chain_update([0]).chain_update(key).finalize().to_vec()
}
