//! What a quota is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{ProjectId, VolumeTypeId};

/// No limit.
pub const UNLIMITED: i64 = -1;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// How many backups.
    Backups,
    /// How much they hold together.
    BackupGigabytes,
    /// How much volumes and snapshots hold together.
    Gigabytes,
    /// The same of one type.
    GigabytesOf(VolumeTypeId),
    /// How many groups.
    Groups,
    /// How large one volume may be.
    PerVolumeGigabytes,
    /// How many snapshots.
    Snapshots,
    /// The same of volumes of one type.
    SnapshotsOf(VolumeTypeId),
    /// How many volumes.
    Volumes,
    /// The same of one type.
    VolumesOf(VolumeTypeId),
}

impl Resource {
    /// Those that are not of one type.
    pub const ALL: [Resource; 7] = [
        Resource::Backups,
        Resource::BackupGigabytes,
        Resource::Gigabytes,
        Resource::Groups,
        Resource::PerVolumeGigabytes,
        Resource::Snapshots,
        Resource::Volumes,
    ];

    /// Those of one type.
    pub fn of_type(id: VolumeTypeId) -> [Resource; 3] {
        [Resource::GigabytesOf(id), Resource::SnapshotsOf(id), Resource::VolumesOf(id)]
    }

    /// What clients call it; what is of one type has that type's name appended.
    pub fn word(self) -> &'static str {
        match self {
            Resource::Backups => "backups",
            Resource::BackupGigabytes => "backup_gigabytes",
            Resource::Gigabytes | Resource::GigabytesOf(_) => "gigabytes",
            Resource::Groups => "groups",
            Resource::PerVolumeGigabytes => "per_volume_gigabytes",
            Resource::Snapshots | Resource::SnapshotsOf(_) => "snapshots",
            Resource::Volumes | Resource::VolumesOf(_) => "volumes",
        }
    }

    fn type_id(self) -> Option<VolumeTypeId> {
        match self {
            Resource::GigabytesOf(id) | Resource::SnapshotsOf(id) | Resource::VolumesOf(id) => Some(id),
            Resource::Backups
            | Resource::BackupGigabytes
            | Resource::Gigabytes
            | Resource::Groups
            | Resource::PerVolumeGigabytes
            | Resource::Snapshots
            | Resource::Volumes => None,
        }
    }

    /// Under which key its limit is kept.
    pub fn key(self) -> String {
        match self.type_id() {
            None => self.word().to_owned(),
            Some(id) => format!("{}_{id}", self.word()),
        }
    }

    /// The limit for which nobody said another.
    fn default_limit(self) -> i64 {
        match self {
            Resource::Gigabytes | Resource::BackupGigabytes => 1000,
            Resource::Volumes | Resource::Snapshots | Resource::Backups | Resource::Groups => 10,
            Resource::PerVolumeGigabytes
            | Resource::GigabytesOf(_)
            | Resource::SnapshotsOf(_)
            | Resource::VolumesOf(_) => UNLIMITED,
        }
    }

    /// What a client hears that asked for more of it than is left; `name` is what clients call it.
    pub fn exceeded(self, name: &str, asked: i64, limit: i64, in_use: i64) -> String {
        match self {
            Resource::Gigabytes | Resource::GigabytesOf(_) => format!(
                "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed {name} quota. Requested \
                 {asked}G, quota is {limit}G and {in_use}G has been consumed."
            ),
            Resource::BackupGigabytes => format!(
                "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. \
                 Requested {asked}G, quota is {limit}G and {in_use}G has been consumed."
            ),
            Resource::PerVolumeGigabytes => format!(
                "VolumeSizeExceedsLimit: Requested volume size {asked}G is larger than maximum allowed limit {limit}G."
            ),
            Resource::Volumes | Resource::VolumesOf(_) => format!(
                "VolumeLimitExceeded: Maximum number of volumes allowed ({limit}) exceeded for quota '{name}'."
            ),
            Resource::Snapshots | Resource::SnapshotsOf(_) => {
                format!("SnapshotLimitExceeded: Maximum number of snapshots allowed ({limit}) exceeded")
            }
            Resource::Backups => {
                format!("BackupLimitExceeded: Maximum number of backups allowed ({limit}) exceeded")
            }
            Resource::Groups => {
                format!("GroupLimitExceeded: Maximum number of groups allowed ({limit}) exceeded")
            }
        }
    }
}

/// The limits of a project that differ from the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The project.
    pub project_id: ProjectId,
    /// Limits by the key of what they limit.
    pub limits: BTreeMap<String, i64>,
}

/// Limits under a name. Those called `default` are what projects have for whom nothing was said; others are only kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaClass {
    /// The name.
    pub name: String,
    /// Limits by the key of what they limit.
    pub limits: BTreeMap<String, i64>,
}

/// The limits that count for somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// What was said of it.
    pub(crate) own: BTreeMap<String, i64>,
    /// What was said of everybody.
    pub(crate) defaults: BTreeMap<String, i64>,
}

impl Limits {
    /// The limit of one thing.
    pub fn of(&self, resource: Resource) -> i64 {
        let key = resource.key();
        let said = self.own.get(&key).or_else(|| self.defaults.get(&key));
        said.copied().unwrap_or_else(|| resource.default_limit())
    }
}
