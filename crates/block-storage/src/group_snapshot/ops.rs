//! What callers do with snapshots of groups.

use policy::{Caller, Target};
use store::{Condition, Stored, Tx};
use types::{GroupSnapshotId, VolumeGroupId};

use super::reconcile::KIND;
use super::store::GROUP_SNAPSHOTS;
use super::{GroupSnapshot, GroupSnapshotDraft};
use crate::error::Error;
use crate::group::{self, Status};
use crate::group_type;
use crate::list::{Paging, in_sight};
use crate::policy::RULES;
use crate::snapshot::{self, SnapshotDraft};

fn absent(id: impl ToString) -> Error {
    Error::NotFound { what: "GroupSnapshot", id: id.to_string() }
}

/// Makes a snapshot of each volume of a group, if all of them can be snapshotted now.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeGroupId,
    draft: GroupSnapshotDraft,
) -> Result<Stored<GroupSnapshot>, Error> {
    let group = group::ops::show(caller, tx, id)?;
    RULES.check("group:create_group_snapshot", caller, &Target::project(&group.project_id))?;
    if group.unwanted {
        return Err(Error::Invalid(format!("Invalid Group: Group {id} is being deleted.")));
    }
    let now = tx.now();
    let made = GroupSnapshot {
        id: runtime::new_uuid().into(),
        group_id: id,
        group_type_id: group.group_type_id,
        name: draft.name,
        description: draft.description,
        project_id: caller.project_id().unwrap_or(&group.project_id).clone(),
        user_id: caller.user_id.clone(),
        status: Status::Creating,
        taking: true,
        unwanted: false,
        created_at: now,
        updated_at: now,
    };
    let group_type = group_type::store::TYPES.load(tx, group.group_type_id)?;
    let together = group_type.is_some_and(|group_type| group_type.is_consistent());
    let members = group::ops::volumes(tx, id)?;
    if together && members.iter().any(|member| member.host != members[0].host) {
        let text = "Snapshots of one moment can only be made of volumes that are on one host.";
        return Err(Error::Invalid(format!("Invalid Group: {text}")));
    }
    for member in members {
        let part = SnapshotDraft {
            name: made.name.clone(),
            description: made.description.clone(),
            in_use: true,
            group_snapshot_id: Some(made.id),
            together,
            ..SnapshotDraft::default()
        };
        snapshot::ops::create(caller, tx, member.id, part)?;
    }
    let made = GROUP_SNAPSHOTS.insert(tx, made)?;
    tx.kick(KIND, made.id)?;
    Ok(made)
}

/// One that the caller sees.
pub(crate) fn show(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: GroupSnapshotId,
) -> Result<Stored<GroupSnapshot>, Error> {
    let found = GROUP_SNAPSHOTS.load(tx, id)?.ok_or_else(|| absent(id))?;
    if !caller.is_admin() && caller.project_id() != Some(&found.project_id) {
        return Err(absent(id));
    }
    RULES.check("group:get_group_snapshot", caller, &Target::project(&found.project_id))?;
    Ok(found)
}

/// The id that clients write so.
pub(crate) fn id_in(text: &str) -> Result<GroupSnapshotId, Error> {
    text.parse().map_err(|_| absent(text))
}

/// Those that the caller sees and asked for.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (all_projects, conditions): (bool, Vec<Condition>),
    paging: &Paging,
) -> Result<Vec<GroupSnapshot>, Error> {
    let mut select = in_sight(caller, "group:get_all_group_snapshots", all_projects)?;
    for condition in conditions {
        select = select.with(condition);
    }
    let marker = match &paging.marker {
        None => None,
        Some(text) => {
            let id = id_in(text)?;
            Some(show(caller, tx, id)?)
        }
    };
    Ok(paging.page(tx, &GROUP_SNAPSHOTS, select, marker.as_deref())?.rows)
}

/// Deletes one with all its snapshots, unless a group is being made of it.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: GroupSnapshotId) -> Result<(), Error> {
    let mut found = show(caller, tx, id)?;
    RULES.check("group:delete_group_snapshot", caller, &Target::project(&found.project_id))?;
    if !found.status.is_settled() || group::store::is_filled_from(tx, id)? {
        let text = "Invalid GroupSnapshot: GroupSnapshot status must be available or error, and no Group can be \
                    currently using it as source for its creation.";
        return Err(Error::Invalid(text.to_owned()));
    }
    for mut part in snapshot::store::of_group(tx, id)? {
        snapshot::ops::begin_delete(tx, &mut part)?;
    }
    found.unwanted = true;
    found.status = Status::Deleting;
    found.updated_at = tx.now();
    GROUP_SNAPSHOTS.save(tx, &mut found)?;
    Ok(tx.kick(KIND, id)?)
}

/// Sets the status by hand, which changes nothing else.
pub(crate) fn reset_status(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: GroupSnapshotId,
    status: Status,
) -> Result<(), Error> {
    let mut found = show(caller, tx, id)?;
    RULES.check("group:reset_group_snapshot_status", caller, &Target::project(&found.project_id))?;
    found.status = status;
    found.updated_at = tx.now();
    Ok(GROUP_SNAPSHOTS.save(tx, &mut found)?)
}
