//! The table of volumes.

use std::collections::BTreeMap;

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Value};
use types::{HostId, ProjectId, SnapshotId, VolumeGroupId, VolumeId, VolumeTypeId};

use super::{Phase, Volume};
use crate::quota::usage::{Amount, ByType};

/// What the database knows of a volume. Columns that lists are sorted by are never NULL.
pub(crate) static VOLUMES: Table<Volume> = Table {
    name: "block_storage_volumes",
    id: |v| v.id.into(),
    columns: &[
        Column { name: "name", value: |v| v.name.as_deref().unwrap_or_default().into() },
        Column { name: "project_id", value: |v| (&v.project_id).into() },
        Column { name: "status", value: |v| v.phase.status().into() },
        Column { name: "size_gib", value: |v| v.size_gib.into() },
        Column { name: "bootable", value: |v| v.bootable.into() },
        Column { name: "availability_zone", value: |v| v.availability_zone.as_str().into() },
        Column { name: "volume_type_id", value: |v| v.volume_type_id.into() },
        Column { name: "host", value: |v| v.host.as_ref().into() },
        // A volume on its host's default backend has none, which is not NULL: that is a row from before the column.
        Column { name: "backend", value: |v| v.backend.as_deref().unwrap_or_default().into() },
        Column { name: "attach_status", value: |v| v.attach_status().into() },
        Column { name: "migration_status", value: |v| v.migration_status.as_deref().into() },
        Column { name: "from_snapshot_id", value: |v| v.from.map(|from| from.id).into() },
        Column { name: "group_id", value: |v| v.group_id.into() },
        Column { name: "created_at", value: |v| v.created_at.into() },
        Column { name: "updated_at", value: |v| v.updated_at.into() },
    ],
    unique: &[],
};

/// How many volumes of each type a project has, and how much they hold together.
pub(crate) fn usage(tx: &mut Tx<'_>, project: &ProjectId) -> Result<ByType, Error> {
    let sql = "SELECT volume_type_id, COUNT(*), COALESCE(SUM(size_gib), 0) FROM block_storage_volumes WHERE \
               project_id = ? GROUP BY volume_type_id";
    let rows = tx.rows(sql, &[project.into()])?;
    let number = |value: &Value| value.int().unwrap_or(0);
    let amount = |row: &Vec<Value>| {
        let id = row[0].text()?.parse().ok()?;
        Some((id, Amount { count: number(&row[1]), gib: number(&row[2]) }))
    };
    Ok(rows.iter().filter_map(amount).collect())
}

/// How much was promised to volumes on each backend of this host; "" is the host's default.
pub(crate) fn promised_by_backend(tx: &mut Tx<'_>, host: &HostId) -> Result<BTreeMap<String, i64>, Error> {
    let sql = "SELECT backend, COALESCE(SUM(size_gib), 0) FROM block_storage_volumes WHERE host = ? AND backend IS NOT \
               NULL GROUP BY backend";
    let rows = tx.rows(sql, &[host.into()])?;
    let amount = |row: &Vec<Value>| Some((row[0].text()?.to_owned(), row[1].int()?));
    let mut promised: BTreeMap<String, i64> = rows.iter().filter_map(amount).collect();
    for volume in VOLUMES.query(tx, &Select::all().eq("host", host).eq("backend", Value::Null))? {
        let name = volume.backend.clone().unwrap_or_default();
        *promised.entry(name).or_default() += i64::from(volume.size_gib);
    }
    Ok(promised)
}

/// How many volumes each project has on a host's backend, and how much they hold together. Volumes without a backend are
/// on the host's default.
pub(crate) fn usage_by_project(
    tx: &mut Tx<'_>,
    host: &HostId,
    (backend, is_default): (&str, bool),
) -> Result<BTreeMap<ProjectId, Amount>, Error> {
    let mut usage: BTreeMap<ProjectId, Amount> = BTreeMap::new();
    for volume in VOLUMES.query(tx, &Select::all().eq("host", host))? {
        if volume.backend.as_deref().map_or(is_default, |named| named == backend) {
            let Amount { count, gib } = usage.entry(volume.project_id.clone()).or_default();
            *count += 1;
            *gib += i64::from(volume.size_gib);
        }
    }
    Ok(usage)
}

/// The volumes that are being made of a snapshot.
pub(crate) fn made_of(tx: &mut Tx<'_>, id: SnapshotId) -> Result<Vec<Stored<Volume>>, Error> {
    let mut found = VOLUMES.query(tx, &Select::all().eq("from_snapshot_id", id))?;
    found.retain(|volume| !volume.made && !volume.unwanted && volume.phase == Phase::Creating);
    Ok(found)
}

/// The volumes of a group, oldest first.
pub(crate) fn of_group(tx: &mut Tx<'_>, id: VolumeGroupId) -> Result<Vec<Stored<Volume>>, Error> {
    let select = Select::all().eq("group_id", id);
    VOLUMES.query(tx, &select.order("created_at", Direction::Asc).order("id", Direction::Asc))
}

/// Whether any volume is of this type.
pub(crate) fn has_type(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<bool, Error> {
    Ok(VOLUMES.count(tx, &Select::all().eq("volume_type_id", id))? > 0)
}

/// The volumes of a type that are on a host.
pub(crate) fn on_hosts(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<Vec<VolumeId>, Error> {
    let sql = "SELECT id FROM block_storage_volumes WHERE volume_type_id = ? AND host IS NOT NULL";
    let rows = tx.rows(sql, &[id.into()])?;
    Ok(rows.iter().filter_map(|row| row[0].text()?.parse().ok()).collect())
}

/// Volumes that somebody must still do something about.
pub(crate) fn moving(tx: &mut Tx<'_>) -> Result<Vec<VolumeId>, Error> {
    let statuses = Phase::ALL.into_iter().filter(|phase| phase.is_moving()).map(Phase::status);
    let mut rows = VOLUMES.query(tx, &Select::all().is_in("status", statuses))?;
    rows.retain(|volume| match volume.phase {
        Phase::Creating => !volume.made,
        Phase::Extending => volume.size_before_gib.is_some(),
        Phase::Reverting => volume.revert.is_some(),
        Phase::Retyping => volume.retype.is_some(),
        Phase::ErrorDeleting | Phase::Unmanaging => volume.unwanted,
        _ => true,
    });
    Ok(rows.iter().map(|volume| volume.id).collect())
}
