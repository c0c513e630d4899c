//! What a snapshot of a group is.

use serde::{Deserialize, Serialize};
use types::{GroupSnapshotId, ProjectId, Timestamp, UserId, VolumeGroupId, VolumeGroupTypeId};

use crate::group::Status;

/// A snapshot of a group. The snapshots that it consists of name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSnapshot {
    /// Its id.
    pub id: GroupSnapshotId,
    /// The group.
    pub group_id: VolumeGroupId,
    /// The type of the group.
    pub group_type_id: VolumeGroupTypeId,
    /// Its name, which need not be unique.
    pub name: Option<String>,
    /// Words about it.
    pub description: Option<String>,
    /// The project that owns it.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// What clients are told of it. Operators set it by hand, which changes nothing else.
    pub status: Status,
    /// Whether its snapshots are still being made.
    pub taking: bool,
    /// Whether somebody wants it gone.
    pub unwanted: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl GroupSnapshot {
    /// Whether somebody must still do something.
    pub fn is_moving(&self) -> bool {
        self.taking || self.unwanted
    }
}

/// A snapshot of a group that is to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupSnapshotDraft {
    /// See [`GroupSnapshot`].
    pub name: Option<String>,
    /// See [`GroupSnapshot`].
    pub description: Option<String>,
}
