//! What a group type is.

use serde::{Deserialize, Serialize};
use types::{Timestamp, VolumeGroupTypeId};

use crate::volume_type::Specs;

/// The type of the groups that came from consistency groups. Only their own API works on those.
pub(crate) const MIGRATED: &str = "default_cgsnapshot_type";
/// How a spec says yes.
const YES: &str = "<is> True";
/// The spec that demands snapshots of one moment.
const CONSISTENT: &str = "consistent_group_snapshot_enabled";
/// The specs that demand replication.
const REPLICATION: [&str; 2] = ["group_replication_enabled", "consistent_group_replication_enabled"];

/// A group type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupType {
    /// Its id.
    pub id: VolumeGroupTypeId,
    /// Its name, which is unique.
    pub name: String,
    /// Words about it.
    pub description: Option<String>,
    /// Whether every project may use it; otherwise only administrators do, as Cinder's API gives nobody else access.
    pub is_public: bool,
    /// Words for backends.
    pub specs: Specs,
    /// When it was created.
    pub created_at: Timestamp,
}

impl GroupType {
    /// Whether its groups are to be replicated.
    pub fn is_replicated(&self) -> bool {
        REPLICATION.iter().any(|key| self.says_yes(key))
    }

    /// Whether the snapshots of its groups are to be of one moment.
    pub fn is_consistent(&self) -> bool {
        self.says_yes(CONSISTENT)
    }

    fn says_yes(&self, key: &str) -> bool {
        self.specs.get(key).is_some_and(|value| value.as_deref() == Some(YES))
    }

    /// Whether only the API of consistency groups works on its groups.
    pub fn is_migrated(&self) -> bool {
        self.name == MIGRATED
    }
}

/// A type that is to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupTypeDraft {
    /// See [`GroupType`].
    pub name: String,
    /// See [`GroupType`].
    pub description: Option<String>,
    /// See [`GroupType`].
    pub is_public: bool,
    /// See [`GroupType`].
    pub specs: Specs,
}

/// What changes of a type. Words about it are replaced, never taken away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupTypeChange {
    /// Another name.
    pub name: Option<String>,
    /// Other words.
    pub description: Option<String>,
    /// Whether every project may use it.
    pub is_public: Option<bool>,
}
