//! What a group of volumes is, and the states that it shares with snapshots of groups.

use serde::{Deserialize, Serialize};
use types::{GroupSnapshotId, ProjectId, Timestamp, UserId, VolumeGroupId, VolumeGroupTypeId, VolumeTypeId};

/// A group of volumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: VolumeGroupId,
    /// Its name, which need not be unique.
    pub name: Option<String>,
    /// Words about it.
    pub description: Option<String>,
    /// The project that owns it.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// Its type.
    pub group_type_id: VolumeGroupTypeId,
    /// The types that its volumes can be of.
    pub volume_types: Vec<VolumeTypeId>,
    /// What its first volumes were made of.
    pub source: Option<GroupSource>,
    /// What clients are told of it. Operators set it by hand, which changes nothing else.
    pub status: Status,
    /// Whether its first volumes are still being made.
    pub filling: bool,
    /// Whether somebody wants it gone.
    pub unwanted: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What the volumes of a group are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupSource {
    /// A snapshot of a group.
    Snapshot(GroupSnapshotId),
    /// Another group.
    Group(VolumeGroupId),
}

/// Where a group, or a snapshot of one, is in its life.
///
/// ```text
/// Creating ──all its parts are made──▶ Available ──delete──▶ Deleting ──the last part went──▶ no row
///    └──one of them cannot be──▶ Error ───────────delete──────▲   └──one does not go in time──▶ ErrorDeleting
/// ```
///
/// `Updating` and `Deleted` are nothing but words of operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Something of it could not be made, or an operator says so.
    Error,
    /// It can be used.
    Available,
    /// Its parts are being made.
    Creating,
    /// Its parts are being removed.
    Deleting,
    /// Said by an operator.
    Deleted,
    /// Said by an operator.
    Updating,
    /// Some part has not gone in time; it goes as soon as its host has removed it.
    ErrorDeleting,
}

impl Status {
    /// All of them, in Cinder's order.
    pub const ALL: [Status; 7] = [
        Status::Error,
        Status::Available,
        Status::Creating,
        Status::Deleting,
        Status::Deleted,
        Status::Updating,
        Status::ErrorDeleting,
    ];

    /// What clients call it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Error => "error",
            Status::Available => "available",
            Status::Creating => "creating",
            Status::Deleting => "deleting",
            Status::Deleted => "deleted",
            Status::Updating => "updating",
            Status::ErrorDeleting => "error_deleting",
        }
    }

    /// The status of this name, in letters of either case.
    pub fn named(name: &str) -> Option<Status> {
        let name = name.to_lowercase();
        Status::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing happens to what has it.
    pub fn is_settled(self) -> bool {
        matches!(self, Status::Available | Status::Error)
    }
}

impl Group {
    /// Whether somebody must still do something.
    pub fn is_moving(&self) -> bool {
        self.filling || self.unwanted
    }

    /// The group that it was made of.
    pub fn source_group(&self) -> Option<VolumeGroupId> {
        match self.source {
            Some(GroupSource::Group(id)) => Some(id),
            _ => None,
        }
    }

    /// The snapshot that it was made of.
    pub fn source_snapshot(&self) -> Option<GroupSnapshotId> {
        match self.source {
            Some(GroupSource::Snapshot(id)) => Some(id),
            _ => None,
        }
    }
}

/// A group that is to be created.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupDraft {
    /// See [`Group`].
    pub name: Option<String>,
    /// See [`Group`].
    pub description: Option<String>,
    /// The group type's id or name.
    pub group_type: String,
    /// The volume types' ids or names.
    pub volume_types: Vec<String>,
    /// The zone; without, the only one.
    pub availability_zone: Option<String>,
}

/// What changes of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupChange {
    /// Another name.
    pub name: Option<String>,
    /// Other words.
    pub description: Option<String>,
    /// Ids of volumes that join it.
    pub add: Vec<String>,
    /// Ids of volumes that leave it.
    pub remove: Vec<String>,
}
