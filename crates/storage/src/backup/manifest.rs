//! What a backup consists of.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use types::BackupId;

use super::CHUNK_BYTES;

/// The version of the format that is written.
pub(super) const VERSION: u32 = 1;

/// What a backup consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub version: u32,
    /// How large the disk is.
    pub size_bytes: u64,
    /// The backup itself, then those before it whose objects it uses.
    pub backups: Vec<BackupId>,
    /// Every chunk that is not all zeros, in order.
    pub chunks: Vec<Chunk>,
}

/// A chunk of a disk; in JSON an array of six: index, SHA-256, backup, object, offset, length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Chunk {
    /// Its place: it begins at this many times [`CHUNK_BYTES`].
    pub index: u64,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Which of the manifest's backups has its bytes.
    pub backup: u32,
    /// Which object of that backup.
    pub object: u32,
    /// From which byte of the object.
    pub offset: u64,
    /// How many bytes, deflated.
    pub length: u64,
}

type Row = (u64, Digest, u32, u32, u64, u64);

impl From<Row> for Chunk {
    fn from((index, Digest(sha256), backup, object, offset, length): Row) -> Chunk {
        Chunk { index, sha256, backup, object, offset, length }
    }
}

impl From<Chunk> for Row {
    fn from(chunk: Chunk) -> Row {
        (chunk.index, Digest(chunk.sha256), chunk.backup, chunk.object, chunk.offset, chunk.length)
    }
}

/// A digest as hexadecimal digits.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Digest([u8; 32]);

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Digest, &'static str> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err("a digest has 64 hexadecimal digits");
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte =
                u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| "a digest has hexadecimal digits")?;
        }
        Ok(Digest(bytes))
    }
}

impl Manifest {
    /// Refuses what no backup of this id says of itself, so that whoever follows it is not led astray.
    pub(super) fn check(&self, id: BackupId) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("it has version {}, and this program reads {VERSION}", self.version));
        }
        if self.backups.first() != Some(&id) {
            return Err("it is the manifest of another backup".to_owned());
        }
        let chunks_max = self.size_bytes.div_ceil(CHUNK_BYTES);
        let mut next = 0;
        for chunk in &self.chunks {
            let known = (chunk.backup as usize) < self.backups.len();
            if chunk.index < next || chunk.index >= chunks_max || !known {
                return Err(format!("its chunk {} is out of place", chunk.index));
            }
            next = chunk.index + 1;
        }
        Ok(())
    }

    /// Leaves out backups of which no chunk is used, but for the first, which is this one.
    pub(super) fn forget_unused(&mut self) {
        let used: BTreeSet<u32> = self.chunks.iter().map(|chunk| chunk.backup).chain([0]).collect();
        let used: Vec<u32> = used.into_iter().collect();
        self.backups = used.iter().filter_map(|at| self.backups.get(*at as usize).copied()).collect();
        for chunk in &mut self.chunks {
            let at = used.binary_search(&chunk.backup).unwrap_or_default();
            chunk.backup = u32::try_from(at).unwrap_or_default();
        }
    }
}
