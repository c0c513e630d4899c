//! The table of snapshots of groups.

use store::{Column, Direction, Error, Select, Stored, Table, Tx};
use types::VolumeGroupId;

use super::GroupSnapshot;

/// What the database knows of one. Columns that lists are sorted by are never NULL.
pub(crate) static GROUP_SNAPSHOTS: Table<GroupSnapshot> = Table {
    name: "block_storage_group_snapshots",
    id: |s| s.id.into(),
    columns: &[
        Column { name: "name", value: |s| s.name.as_deref().unwrap_or_default().into() },
        Column { name: "description", value: |s| s.description.as_deref().unwrap_or_default().into() },
        Column { name: "project_id", value: |s| (&s.project_id).into() },
        Column { name: "user_id", value: |s| s.user_id.as_str().into() },
        Column { name: "group_id", value: |s| s.group_id.into() },
        Column { name: "group_type_id", value: |s| s.group_type_id.into() },
        Column { name: "status", value: |s| s.status.name().into() },
        Column { name: "moving", value: |s| s.is_moving().into() },
        Column { name: "created_at", value: |s| s.created_at.into() },
        Column { name: "updated_at", value: |s| s.updated_at.into() },
    ],
    unique: &[],
};

/// The snapshots of a group.
pub(crate) fn of_group(tx: &mut Tx<'_>, id: VolumeGroupId) -> Result<Vec<Stored<GroupSnapshot>>, Error> {
    GROUP_SNAPSHOTS.query(tx, &Select::all().eq("group_id", id))
}

/// Those that somebody must still do something about.
pub(crate) fn moving(tx: &mut Tx<'_>) -> Result<Vec<Stored<GroupSnapshot>>, Error> {
    GROUP_SNAPSHOTS.query(tx, &Select::all().eq("moving", true).order("id", Direction::Asc))
}
