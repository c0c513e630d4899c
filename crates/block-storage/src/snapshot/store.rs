//! The table of snapshots.

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Value};
use types::{GroupSnapshotId, ProjectId, SnapshotId, VolumeId, VolumeTypeId};

use super::{Phase, Purpose, Snapshot};
use crate::quota::usage::{Amount, ByType};

/// What the database knows of a snapshot. Columns that lists are sorted by are never NULL.
pub(crate) static SNAPSHOTS: Table<Snapshot> = Table {
    name: "block_storage_snapshots",
    id: |s| s.id.into(),
    columns: &[
        Column { name: "name", value: |s| s.name.as_deref().unwrap_or_default().into() },
        Column { name: "description", value: |s| s.description.as_deref().unwrap_or_default().into() },
        Column { name: "project_id", value: |s| (&s.project_id).into() },
        Column { name: "user_id", value: |s| s.user_id.as_str().into() },
        Column { name: "volume_id", value: |s| s.volume_id.into() },
        Column { name: "volume_type_id", value: |s| s.volume_type_id.into() },
        Column { name: "group_snapshot_id", value: |s| s.group_snapshot_id.into() },
        Column { name: "status", value: |s| s.phase.status().into() },
        Column { name: "size_gib", value: |s| s.size_gib.into() },
        Column { name: "kept", value: |s| (s.purpose == Purpose::Kept).into() },
        Column { name: "created_at", value: |s| s.created_at.into() },
        Column { name: "updated_at", value: |s| s.updated_at.into() },
    ],
    unique: &[],
};

/// The snapshots of a volume, the hidden ones too, oldest first.
pub(crate) fn of_volume(tx: &mut Tx<'_>, id: VolumeId) -> Result<Vec<Stored<Snapshot>>, Error> {
    let select = Select::all().eq("volume_id", id);
    SNAPSHOTS.query(tx, &select.order("created_at", Direction::Asc).order("id", Direction::Asc))
}

/// The users' snapshots of a volume, oldest first.
pub(crate) fn kept_of_volume(tx: &mut Tx<'_>, id: VolumeId) -> Result<Vec<Stored<Snapshot>>, Error> {
    let mut all = of_volume(tx, id)?;
    all.retain(|snapshot| snapshot.purpose == Purpose::Kept);
    Ok(all)
}

/// The snapshots that a snapshot of a group consists of, oldest first.
pub(crate) fn of_group(tx: &mut Tx<'_>, id: GroupSnapshotId) -> Result<Vec<Stored<Snapshot>>, Error> {
    let select = Select::all().eq("group_snapshot_id", id);
    SNAPSHOTS.query(tx, &select.order("created_at", Direction::Asc).order("id", Direction::Asc))
}

/// The snapshots of a volume are of another type, as it is.
pub(crate) fn set_type(tx: &mut Tx<'_>, id: VolumeId, volume_type: VolumeTypeId) -> Result<(), Error> {
    for mut snapshot in of_volume(tx, id)? {
        snapshot.volume_type_id = volume_type;
        SNAPSHOTS.save(tx, &mut snapshot)?;
    }
    Ok(())
}

/// How many snapshots of volumes of each type a project has, and how much they hold together.
pub(crate) fn usage(tx: &mut Tx<'_>, project: &ProjectId) -> Result<ByType, Error> {
    let sql = "SELECT volume_type_id, COUNT(*), COALESCE(SUM(size_gib), 0) FROM block_storage_snapshots WHERE \
               project_id = ? AND kept = 1 GROUP BY volume_type_id";
    let rows = tx.rows(sql, &[project.into()])?;
    let number = |value: &Value| value.int().unwrap_or(0);
    let amount = |row: &Vec<Value>| {
        let id = row[0].text()?.parse().ok()?;
        Some((id, Amount { count: number(&row[1]), gib: number(&row[2]) }))
    };
    Ok(rows.iter().filter_map(amount).collect())
}

/// Snapshots that somebody must still do something about.
pub(crate) fn moving(tx: &mut Tx<'_>) -> Result<Vec<SnapshotId>, Error> {
    let statuses = Phase::ALL.into_iter().filter(|phase| phase.is_moving()).map(Phase::status);
    let rows = SNAPSHOTS.query(tx, &Select::all().is_in("status", statuses))?;
    let is_moving =
        |one: &&Stored<Snapshot>| if one.phase == Phase::Creating { !one.made } else { one.unwanted };
    Ok(rows.iter().filter(is_moving).map(|snapshot| snapshot.id).collect())
}
