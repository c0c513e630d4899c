//! What a snapshot is, and which of its states may follow which.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{GroupSnapshotId, ProjectId, SnapshotId, Timestamp, UserId, VolumeId, VolumeTypeId};

/// A snapshot of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// The volume that it is a moment of.
    pub volume_id: VolumeId,
    /// The project that owns it.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// Its name, which need not be unique.
    pub name: Option<String>,
    /// Words about it.
    pub description: Option<String>,
    /// How large the volume was.
    pub size_gib: u32,
    /// The type of the volume.
    pub volume_type_id: VolumeTypeId,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it came into this phase.
    pub phase_since: Timestamp,
    /// Whether a host has made it.
    pub made: bool,
    /// Whether somebody wants it gone. A phase alone does not say so, for operators set phases by hand.
    pub unwanted: bool,
    /// Whether its host has been told to remove it, so that nothing can be made of it any more.
    pub removing: bool,
    /// What it was on its backend before it was managed: the name there.
    #[serde(default)]
    pub managed_from: Option<String>,
    /// Whether its bytes stay with the volume when it goes: while it is being managed, and once it is unmanaged.
    #[serde(default)]
    pub bytes_stay: bool,
    /// What went wrong, in words for operators.
    pub fault: Option<String>,
    /// How much of it is made, if whoever makes it said so.
    pub progress: Option<String>,
    /// The owner's own words.
    pub metadata: BTreeMap<String, String>,
    /// The snapshot of a group that it is a part of.
    pub group_snapshot_id: Option<GroupSnapshotId>,
    /// Whether it is to be of one moment with the other snapshots of that.
    #[serde(default)]
    pub together: bool,
    /// The request that it was last changed by in a way that can fail later; messages name it.
    #[serde(default)]
    pub request_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a snapshot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A user asked for it.
    Kept,
    /// It holds a moment of the volume while that is read; nobody sees it, and it counts in no quota.
    Passing,
}

/// Where a snapshot is in its life.
///
/// ```text
/// Creating ──host made it──▶ Available ◀──▶ Restoring
///    └──refused, overdue──▶ Error │
///                                 ├──delete──▶ Deleting ──host removed it──▶ no row; overdue: ErrorDeleting
///                                 └─unmanage─▶ Unmanaging ──host left it to others──▶ no row
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its host makes it.
    Creating,
    /// It can be used.
    Available,
    /// Its volume goes back to it.
    Restoring,
    /// A backup is made of it.
    BackingUp,
    /// Its host removes it, as soon as nothing is made of it any more.
    Deleting,
    /// Its host makes what no snapshot is of it.
    Unmanaging,
    /// It could not be made, or an operator says so.
    Error,
    /// It could not be removed in time; it goes as soon as its host has done so.
    ErrorDeleting,
}

impl Phase {
    /// All phases.
    pub const ALL: [Phase; 8] = [
        Phase::Creating,
        Phase::Available,
        Phase::Restoring,
        Phase::BackingUp,
        Phase::Deleting,
        Phase::Unmanaging,
        Phase::Error,
        Phase::ErrorDeleting,
    ];

    /// The status that clients see.
    pub fn status(self) -> &'static str {
        match self {
            Phase::Creating => "creating",
            Phase::Available => "available",
            Phase::Restoring => "restoring",
            Phase::BackingUp => "backing-up",
            Phase::Deleting => "deleting",
            Phase::Unmanaging => "unmanaging",
            Phase::Error => "error",
            Phase::ErrorDeleting => "error_deleting",
        }
    }

    /// The phase of this status.
    pub fn of_status(status: &str) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| phase.status() == status)
    }

    /// Whether somebody must still do something.
    pub fn is_moving(self) -> bool {
        matches!(self, Phase::Creating | Phase::Deleting | Phase::Unmanaging | Phase::ErrorDeleting)
    }
}

impl Snapshot {
    /// Whether the volume's host should have it, or know of it.
    pub fn is_on_host(&self) -> bool {
        self.is_left() || !self.removing && (self.made || self.phase == Phase::Creating)
    }

    /// Whether the volume's host should leave it to others: it is unmanaged, or could not be managed.
    pub fn is_left(&self) -> bool {
        self.bytes_stay && (self.unwanted || self.phase != Phase::Creating)
    }

    /// The name of what it is to be, where that is there already.
    pub fn to_be_managed(&self) -> Option<&str> {
        self.managed_from.as_deref().filter(|_| self.bytes_stay && !self.is_left())
    }

    /// How much of it is made.
    pub fn progress(&self) -> &str {
        let known = if self.made { "100%" } else { "0%" };
        self.progress.as_deref().unwrap_or(known)
    }

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

/// A snapshot that is to be created.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SnapshotDraft {
    /// See [`Snapshot`].
    pub name: Option<String>,
    /// See [`Snapshot`].
    pub description: Option<String>,
    /// See [`Snapshot`].
    pub metadata: BTreeMap<String, String>,
    /// See [`Snapshot`].
    pub managed_from: Option<String>,
    /// Whether the volume may be in a server.
    pub in_use: bool,
    /// See [`Snapshot`].
    pub group_snapshot_id: Option<GroupSnapshotId>,
    /// See [`Snapshot`].
    pub together: bool,
}

/// What changes of a snapshot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SnapshotChange {
    /// Another name, or none.
    pub name: Option<Option<String>>,
    /// Other words, or none.
    pub description: Option<Option<String>>,
}
