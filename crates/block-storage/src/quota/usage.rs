//! How much a project has, counted from live rows. Each kind of thing has a function here that asks its table.

use std::collections::BTreeMap;

use store::{Error, Tx};
use types::{ProjectId, VolumeTypeId};

use super::Resource;
use crate::{backup, group, migration, snapshot, volume};

/// How many there are, and how much they hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) count: i64,
    pub(crate) gib: i64,
}

/// Amounts by volume type.
pub(crate) type ByType = BTreeMap<VolumeTypeId, Amount>;

/// What a project has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    volumes: ByType,
    /// Volumes that are about to be of a type; they count as volumes of what they are, too.
    arriving: ByType,
    snapshots: ByType,
    backups: Amount,
    groups: i64,
}

impl Usage {
    /// What is there now.
    pub(crate) fn load(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Usage, Error> {
        Ok(Usage {
            volumes: volumes(tx, project)?,
            arriving: migration::store::arriving_by_type(tx, project)?,
            snapshots: snapshots(tx, project)?,
            backups: backups(tx, project)?,
            groups: groups(tx, project)?,
        })
    }

    /// How much of one thing there is.
    pub(crate) fn of(&self, resource: Resource) -> i64 {
        let all = |kind: &ByType, part: fn(&Amount) -> i64| kind.values().map(part).sum::<i64>();
        let typed = |kind: &ByType, id| kind.get(&id).copied().unwrap_or_default();
        match resource {
            Resource::Backups => self.backups.count,
            Resource::BackupGigabytes => self.backups.gib,
            Resource::Gigabytes => all(&self.volumes, |a| a.gib) + all(&self.snapshots, |a| a.gib),
            Resource::GigabytesOf(id) => {
                let there = typed(&self.volumes, id).gib + typed(&self.snapshots, id).gib;
                there + typed(&self.arriving, id).gib
            }
            Resource::Groups => self.groups,
            // It bounds each volume for itself, so that nothing of it is ever used.
            Resource::PerVolumeGigabytes => 0,
            Resource::Snapshots => all(&self.snapshots, |a| a.count),
            Resource::SnapshotsOf(id) => typed(&self.snapshots, id).count,
            Resource::Volumes => all(&self.volumes, |a| a.count),
            Resource::VolumesOf(id) => typed(&self.volumes, id).count + typed(&self.arriving, id).count,
        }
    }
}

fn volumes(tx: &mut Tx<'_>, project: &ProjectId) -> Result<ByType, Error> {
    volume::store::usage(tx, project)
}

fn snapshots(tx: &mut Tx<'_>, project: &ProjectId) -> Result<ByType, Error> {
    snapshot::store::usage(tx, project)
}

fn backups(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Amount, Error> {
    backup::store::usage(tx, project)
}

fn groups(tx: &mut Tx<'_>, project: &ProjectId) -> Result<i64, Error> {
    group::store::count(tx, project)
}
