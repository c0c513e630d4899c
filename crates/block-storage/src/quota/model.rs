//! What a quota is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::ProjectId;

/// No limit.
pub const UNLIMITED: i64 = -1;

/// What is limited, and how much a project may have if nobody said otherwise. Snapshots, backups and groups are not
/// built; clients expect their limits nonetheless.
pub const DEFAULTS: [(&str, i64); 7] = [
    ("volumes", 10),
    ("snapshots", 10),
    ("gigabytes", 1000),
    ("backups", 10),
    ("backup_gigabytes", 1000),
    ("per_volume_gigabytes", UNLIMITED),
    ("groups", 10),
];

/// The limits of a project that differ from the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The project.
    pub project_id: ProjectId,
    /// Limits by what they limit.
    pub limits: BTreeMap<String, i64>,
}

impl Quota {
    /// The limit of one thing.
    pub fn limit(&self, name: &str) -> i64 {
        let default =
            DEFAULTS.iter().find(|(known, _)| *known == name).map_or(UNLIMITED, |(_, limit)| *limit);
        self.limits.get(name).copied().unwrap_or(default)
    }
}
