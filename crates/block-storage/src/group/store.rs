//! The table of groups.

use store::{Column, Direction, Error, Select, Stored, Table, Tx};
use types::{GroupSnapshotId, ProjectId, VolumeGroupId, VolumeGroupTypeId, VolumeTypeId};

use super::Group;

/// What the database knows of a group. Columns that lists are sorted by are never NULL.
pub(crate) static GROUPS: Table<Group> = Table {
    name: "block_storage_groups",
    id: |g| g.id.into(),
    columns: &[
        Column { name: "name", value: |g| g.name.as_deref().unwrap_or_default().into() },
        Column { name: "description", value: |g| g.description.as_deref().unwrap_or_default().into() },
        Column { name: "project_id", value: |g| (&g.project_id).into() },
        Column { name: "user_id", value: |g| g.user_id.as_str().into() },
        Column { name: "group_type_id", value: |g| g.group_type_id.into() },
        Column { name: "group_snapshot_id", value: |g| g.source_snapshot().into() },
        Column { name: "source_group_id", value: |g| g.source_group().into() },
        Column { name: "status", value: |g| g.status.name().into() },
        Column { name: "moving", value: |g| g.is_moving().into() },
        Column { name: "created_at", value: |g| g.created_at.into() },
        Column { name: "updated_at", value: |g| g.updated_at.into() },
    ],
    unique: &[],
};

/// Whether any group is of this type.
pub(crate) fn has_type(tx: &mut Tx<'_>, id: VolumeGroupTypeId) -> Result<bool, Error> {
    Ok(GROUPS.count(tx, &Select::all().eq("group_type_id", id))? > 0)
}

/// Whether any group can have volumes of this type. Types are seldom deleted, so that groups are looked through.
pub(crate) fn takes_type(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<bool, Error> {
    Ok(GROUPS.query(tx, &Select::all())?.iter().any(|group| group.volume_types.contains(&id)))
}

/// How many groups a project has.
pub(crate) fn count(tx: &mut Tx<'_>, project: &ProjectId) -> Result<i64, Error> {
    GROUPS.count(tx, &Select::all().eq("project_id", project))
}

/// Whether a group is being made of this snapshot.
pub(crate) fn is_filled_from(tx: &mut Tx<'_>, id: GroupSnapshotId) -> Result<bool, Error> {
    any_filling(tx, Select::all().eq("group_snapshot_id", id))
}

/// Whether a group is being made of this one.
pub(crate) fn is_copied(tx: &mut Tx<'_>, id: VolumeGroupId) -> Result<bool, Error> {
    any_filling(tx, Select::all().eq("source_group_id", id))
}

fn any_filling(tx: &mut Tx<'_>, select: Select) -> Result<bool, Error> {
    Ok(GROUPS.query(tx, &select.eq("moving", true))?.iter().any(|group| group.filling))
}

/// Groups that somebody must still do something about.
pub(crate) fn moving(tx: &mut Tx<'_>) -> Result<Vec<Stored<Group>>, Error> {
    GROUPS.query(tx, &Select::all().eq("moving", true).order("id", Direction::Asc))
}
