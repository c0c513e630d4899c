//! What a backup is, and which of its states may follow which.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{BackupId, CopyId, HostId, ProjectId, SnapshotId, Timestamp, UserId, VolumeId, VolumeTypeId};

use crate::encryption::VolumeEncryption;

/// A backup of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Its id.
    pub id: BackupId,
    /// The project that owns it.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// Its name, which need not be unique.
    pub name: Option<String>,
    /// Words about it.
    pub description: Option<String>,
    /// The volume that it is of, which may be gone.
    pub volume_id: VolumeId,
    /// The snapshot that it was asked of, if it was.
    pub snapshot_id: Option<SnapshotId>,
    /// The snapshot that is read for it, as long as it is.
    pub held: Option<SnapshotId>,
    /// The backup that it adds to.
    pub parent_id: Option<BackupId>,
    /// How large the volume was.
    pub size_gib: u32,
    /// What the owner calls the place where it is kept; only a word.
    pub container: Option<String>,
    /// The owner's own words.
    pub metadata: BTreeMap<String, String>,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it came into this phase.
    pub phase_since: Timestamp,
    /// What a host does for it, as long as it does.
    pub job: Option<Job>,
    /// The volume that it is put back into, as long as it is.
    pub restoring: Option<VolumeId>,
    /// Whether it came as a record, and no host has seen it yet.
    #[serde(default)]
    pub is_import: bool,
    /// The backup that its objects were written for, if it is a copy of that one's record under another id.
    #[serde(default)]
    pub written_as: Option<BackupId>,
    /// How many objects it has.
    pub objects: u64,
    /// What went wrong, in words for its owner.
    pub fail_reason: Option<String>,
    /// With what it is encrypted: as the volume was, for its bytes are kept as they lay there.
    #[serde(default)]
    pub encryption: Option<VolumeEncryption>,
    /// The type that the volume was of.
    #[serde(default)]
    pub volume_type_id: Option<VolumeTypeId>,
    /// What was said of the volume; nothing if it was not kept yet when the backup was made.
    #[serde(default)]
    pub of_volume: Option<OfVolume>,
    /// The moment that it is of.
    pub data_timestamp: Timestamp,
    /// The request that it was last changed by in a way that can fail later; messages name it.
    #[serde(default)]
    pub request_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Backup {
    /// By which id its objects are found.
    pub(crate) fn objects_id(&self) -> BackupId {
        self.written_as.unwrap_or(self.id)
    }
}

/// What was said of a volume, which is put back with its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfVolume {
    /// The owner's own words.
    pub metadata: BTreeMap<String, String>,
    /// What the image that it was made of said about itself.
    pub image_metadata: BTreeMap<String, String>,
}

/// A copy that a host makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The copy.
    pub copy: CopyId,
    /// The host.
    pub host: HostId,
}

/// Where a backup is in its life.
///
/// ```text
/// Creating ──host wrote it──▶ Available ◀──▶ Restoring
///    └──refused, overdue──▶ Error │
///                                 └──delete──▶ Deleting ──host removed it──▶ no row; refused: ErrorDeleting
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A host writes it.
    Creating,
    /// It can be put back.
    Available,
    /// A host puts it back.
    Restoring,
    /// A host removes it.
    Deleting,
    /// It could not be written.
    Error,
    /// It could not be removed.
    ErrorDeleting,
}

impl Phase {
    /// All phases.
    pub const ALL: [Phase; 6] = [
        Phase::Creating,
        Phase::Available,
        Phase::Restoring,
        Phase::Deleting,
        Phase::Error,
        Phase::ErrorDeleting,
    ];

    /// The status that clients see.
    pub fn status(self) -> &'static str {
        match self {
            Phase::Creating => "creating",
            Phase::Available => "available",
            Phase::Restoring => "restoring",
            Phase::Deleting => "deleting",
            Phase::Error => "error",
            Phase::ErrorDeleting => "error_deleting",
        }
    }

    /// Whether somebody must still do something.
    pub fn is_moving(self) -> bool {
        matches!(self, Phase::Creating | Phase::Restoring | Phase::Deleting)
    }
}

impl Backup {
    /// Moves to another phase.
    pub(crate) fn enter(&mut self, phase: Phase, now: Timestamp) {
        self.phase = phase;
        self.phase_since = now;
        self.updated_at = now;
    }

    /// Whether this phase has lasted longer than it may.
    pub(crate) fn is_overdue(&self, now: Timestamp, limit: Duration) -> bool {
        now.since(self.phase_since) >= limit
    }
}

/// A backup that is to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackupDraft {
    /// See [`Backup`].
    pub name: Option<String>,
    /// See [`Backup`].
    pub description: Option<String>,
    /// See [`Backup`].
    pub container: Option<String>,
    /// See [`Backup`].
    pub metadata: BTreeMap<String, String>,
    /// A snapshot of the volume, instead of the volume as it is now.
    pub snapshot_id: Option<SnapshotId>,
    /// Whether it adds to the newest backup there is.
    pub incremental: bool,
    /// Whether a volume that is in a server will do.
    pub force: bool,
}

/// What changes of a backup.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackupChange {
    /// Another name, or none.
    pub name: Option<Option<String>>,
    /// Other words, or none.
    pub description: Option<Option<String>>,
    /// All metadata anew.
    pub metadata: Option<BTreeMap<String, String>>,
}
