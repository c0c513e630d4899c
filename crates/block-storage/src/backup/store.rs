//! The table of backups.

use std::collections::BTreeSet;

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Value};
use types::{BackupId, ProjectId, SnapshotId, VolumeId};

use super::{Backup, Phase};
use crate::quota::usage::Amount;

/// What the database knows of a backup.
pub(crate) static BACKUPS: Table<Backup> = Table {
    name: "block_storage_backups",
    id: |b| b.id.into(),
    columns: &[
        Column { name: "name", value: |b| b.name.as_deref().unwrap_or_default().into() },
        Column { name: "project_id", value: |b| (&b.project_id).into() },
        Column { name: "volume_id", value: |b| b.volume_id.into() },
        Column { name: "snapshot_id", value: |b| b.snapshot_id.into() },
        Column { name: "parent_id", value: |b| b.parent_id.into() },
        Column { name: "held_id", value: |b| b.held.into() },
        Column { name: "status", value: |b| b.phase.status().into() },
        Column { name: "size_gib", value: |b| b.size_gib.into() },
        Column { name: "data_timestamp", value: |b| b.data_timestamp.into() },
        Column { name: "created_at", value: |b| b.created_at.into() },
        Column { name: "updated_at", value: |b| b.updated_at.into() },
    ],
    unique: &[],
};

/// The newest backup of a volume in a project that another can add to.
pub(crate) fn newest_of(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    volume: VolumeId,
) -> Result<Option<Stored<Backup>>, Error> {
    let select = Select::all()
        .eq("project_id", project)
        .eq("volume_id", volume)
        .eq("status", Phase::Available.status())
        .order("data_timestamp", Direction::Desc)
        .order("id", Direction::Desc);
    Ok(BACKUPS.query(tx, &select.limit(1))?.pop())
}

/// Whether backups add to this one.
pub(crate) fn has_dependents(tx: &mut Tx<'_>, id: BackupId) -> Result<bool, Error> {
    Ok(BACKUPS.count(tx, &Select::all().eq("parent_id", id))? > 0)
}

/// Those of these backups that others add to.
pub(crate) fn parents_among(tx: &mut Tx<'_>, of: &[Backup]) -> Result<BTreeSet<BackupId>, Error> {
    if of.is_empty() {
        return Ok(BTreeSet::new());
    }
    let marks = vec!["?"; of.len()].join(", ");
    let sql = format!("SELECT DISTINCT parent_id FROM block_storage_backups WHERE parent_id IN ({marks})");
    let ids: Vec<Value> = of.iter().map(|backup| backup.id.into()).collect();
    let rows = tx.rows(&sql, &ids)?;
    Ok(rows.iter().filter_map(|row| row[0].text()?.parse().ok()).collect())
}

/// Whether another backup has the same objects: one of the two came as the other's record under another id. A record whose
/// objects no host found has none.
pub(crate) fn shares_objects(tx: &mut Tx<'_>, backup: &Backup) -> Result<bool, Error> {
    let all = BACKUPS.values(tx, &Select::all())?;
    let has_some = |other: &Backup| !other.is_import || other.phase == Phase::Creating;
    let is_same = |other: &Backup| other.id != backup.id && other.objects_id() == backup.objects_id();
    Ok(all.iter().any(|other| is_same(other) && has_some(other)))
}

/// The backups for which a snapshot is read.
pub(crate) fn readers(tx: &mut Tx<'_>, id: SnapshotId) -> Result<Vec<BackupId>, Error> {
    let rows = BACKUPS.query(tx, &Select::all().eq("held_id", id))?;
    Ok(rows.iter().map(|backup| backup.id).collect())
}

/// How many backups a project has, and how much they hold.
pub(crate) fn usage(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Amount, Error> {
    let sql = "SELECT COUNT(*), COALESCE(SUM(size_gib), 0) FROM block_storage_backups WHERE project_id = ?";
    let rows = tx.rows(sql, &[project.into()])?;
    let number = |at: usize| rows.first().and_then(|row| row[at].int()).unwrap_or(0);
    Ok(Amount { count: number(0), gib: number(1) })
}

/// Backups that somebody must still do something about.
pub(crate) fn moving(tx: &mut Tx<'_>) -> Result<Vec<BackupId>, Error> {
    let statuses = Phase::ALL.into_iter().filter(|phase| phase.is_moving()).map(Phase::status);
    let rows = BACKUPS.query(tx, &Select::all().is_in("status", statuses))?;
    Ok(rows.iter().map(|backup| backup.id).collect())
}
