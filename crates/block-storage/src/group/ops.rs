//! What callers do with groups.

use std::collections::BTreeSet;

use policy::{Caller, Target};
use store::{Condition, Stored, Tx};
use types::{VolumeGroupId, VolumeId};

use super::reconcile::KIND;
pub(crate) use super::source::create_from;
use super::store::{self as table, GROUPS};
use super::{Group, GroupChange, GroupDraft, Status};
use crate::error::Error;
use crate::group_type::{self, GroupType};
use crate::list::{Paging, in_sight};
use crate::policy::{RULES, own};
use crate::quota::{self, Resource};
use crate::volume::store::VOLUMES;
use crate::volume::{self, Phase, Volume};
use crate::volume_type::{self, VolumeType};
use crate::{ZONE, group_snapshot, snapshot};

/// States of volumes that can join a group, and of those that can leave one.
const CAN_JOIN: [Phase; 2] = [Phase::Available, Phase::InUse];
const CAN_LEAVE: [Phase; 4] = [Phase::Available, Phase::InUse, Phase::Error, Phase::ErrorDeleting];

pub(crate) fn absent(id: impl ToString) -> Error {
    Error::NotFound { what: "Group", id: id.to_string() }
}

pub(super) fn invalid(reason: impl AsRef<str>) -> Error {
    Error::Invalid(format!("Invalid Group: {}", reason.as_ref()))
}

/// Creates a group without volumes.
pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: GroupDraft) -> Result<Stored<Group>, Error> {
    let group_type = group_type::ops::by_id_or_name(caller, tx, &draft.group_type)?;
    RULES.check("group:create", caller, &own(caller))?;
    let mut volume_types = Vec::new();
    for wanted in &draft.volume_types {
        let found = volume_type::ops::by_id_or_name(caller, tx, wanted)?.id;
        if !volume_types.contains(&found) {
            volume_types.push(found);
        }
    }
    if let Some(zone) = draft.availability_zone.as_deref().filter(|zone| *zone != ZONE) {
        let text = format!("Invalid input received: Availability zone '{zone}' is invalid.");
        return Err(Error::Invalid(text));
    }
    let mut group = blank(caller, tx, &group_type, (draft.name, draft.description))?;
    group.volume_types = volume_types;
    // As Cinder's scheduler finds no backend for such a type.
    if group_type.is_replicated() {
        tracing::warn!(target: "block_storage::group", group = %group.id, "no backend replicates groups");
        group.status = Status::Error;
    }
    Ok(GROUPS.insert(tx, group)?)
}

/// A group of the caller's project as far as all are alike, if the quota allows one more.
pub(super) fn blank(
    caller: &Caller,
    tx: &mut Tx<'_>,
    group_type: &GroupType,
    (name, description): (Option<String>, Option<String>),
) -> Result<Group, Error> {
    let project_id = caller.project_id().cloned().ok_or_else(|| Error::Denied("group:create".to_owned()))?;
    quota::ops::check(tx, &project_id, None, &[(Resource::Groups, 1)])?;
    let now = tx.now();
    Ok(Group {
        id: runtime::new_uuid().into(),
        name,
        description,
        project_id,
        user_id: caller.user_id.clone(),
        group_type_id: group_type.id,
        volume_types: Vec::new(),
        source: None,
        status: Status::Available,
        filling: false,
        unwanted: false,
        created_at: now,
        updated_at: now,
    })
}

/// A group that the caller sees.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: VolumeGroupId) -> Result<Stored<Group>, Error> {
    let found = GROUPS.load(tx, id)?.ok_or_else(|| absent(id))?;
    if !caller.is_admin() && caller.project_id() != Some(&found.project_id) {
        return Err(absent(id));
    }
    RULES.check("group:get", caller, &Target::project(&found.project_id))?;
    Ok(found)
}

fn show_for(caller: &Caller, tx: &mut Tx<'_>, id: VolumeGroupId, rule: &str) -> Result<Stored<Group>, Error> {
    let found = show(caller, tx, id)?;
    RULES.check(rule, caller, &Target::project(&found.project_id))?;
    Ok(found)
}

/// The groups that the caller sees and asked for.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (all_projects, conditions): (bool, Vec<Condition>),
    paging: &Paging,
) -> Result<Vec<Group>, Error> {
    let mut select = in_sight(caller, "group:get_all", all_projects)?;
    for condition in conditions {
        select = select.with(condition);
    }
    let marker = match &paging.marker {
        None => None,
        Some(text) => {
            let id = text.parse().map_err(|_| absent(text))?;
            Some(show(caller, tx, id)?)
        }
    };
    Ok(paging.page(tx, &GROUPS, select, marker.as_deref())?.rows)
}

/// The volumes of a group.
pub(crate) fn volumes(tx: &mut Tx<'_>, id: VolumeGroupId) -> Result<Vec<Stored<Volume>>, Error> {
    Ok(volume::store::of_group(tx, id)?)
}

/// Whether a new volume, of a type that `asked` named, can be in a group.
pub(crate) fn check_takes(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeGroupId,
    (asked, volume_type): (Option<&str>, &VolumeType),
) -> Result<(), Error> {
    let group = show(caller, tx, id)?;
    let reason = if asked.is_none() {
        "volume_type must be provided when creating a volume in a group.".to_owned()
    } else if !group.volume_types.contains(&volume_type.id) {
        format!(
            "Invalid volume_type provided: {} (requested type must be supported by this group).",
            volume_type.id
        )
    } else if caller.project_id() != Some(&group.project_id) {
        format!("The volume and group {id} would belong to different projects.")
    } else if group.unwanted {
        format!("Group {id} is being deleted.")
    } else {
        return Ok(());
    };
    Err(Error::Invalid(format!("Invalid input received: {reason}")))
}

/// Changes what its owner says about a group, and which volumes are in it.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeGroupId,
    change: GroupChange,
) -> Result<(), Error> {
    let mut group = show_for(caller, tx, id, "group:update")?;
    let both = change.add.iter().filter(|id| change.remove.contains(id));
    let both: Vec<String> = both.map(|id| format!("'{id}'")).collect();
    if !both.is_empty() {
        let text = format!("UUIDs [{}] are in both add and remove volume list.", both.join(", "));
        return Err(Error::Volume(text));
    }
    let members = volumes(tx, id)?;
    let joining = joining(caller, tx, (&group, &members), &change.add)?;
    let leaving = leaving(&group, members, &change.remove)?;
    let name = change.name.filter(|name| group.name.as_ref() != Some(name));
    let description = change.description.filter(|text| group.description.as_ref() != Some(text));
    let moves = !joining.is_empty() || !leaving.is_empty();
    if name.is_none() && description.is_none() && !moves {
        return Err(invalid(format!(
            "Cannot update group {id} because no valid name, description, add_volumes, or remove_volumes were provided."
        )));
    }
    if moves && (group.status != Status::Available || group.is_moving()) {
        return Err(invalid("Group status must be available."));
    }
    for (mut volume, group_id) in
        joining.into_iter().map(|one| (one, Some(id))).chain(leaving.into_iter().map(|one| (one, None)))
    {
        volume.group_id = group_id;
        volume::ops::save(tx, &mut volume)?;
    }
    group.name = name.or(group.name.take());
    group.description = description.or(group.description.take());
    save(tx, &mut group)
}

fn save(tx: &mut Tx<'_>, group: &mut Stored<Group>) -> Result<(), Error> {
    group.updated_at = tx.now();
    Ok(GROUPS.save(tx, group)?)
}

/// The volumes that are to join a group and are not in it yet.
fn joining(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (group, members): (&Group, &[Stored<Volume>]),
    wanted: &[String],
) -> Result<Vec<Stored<Volume>>, Error> {
    let is_new = |text: &&String| !members.iter().any(|member| member.id.to_string() == **text);
    let wanted: BTreeSet<&String> = wanted.iter().filter(is_new).collect();
    let mut found = Vec::new();
    for text in wanted {
        let refused = |reason: &str| {
            let id = group.id;
            Error::Volume(format!("Cannot add volume {text} to group {id} {reason}"))
        };
        let absent = || refused("because volume cannot be found.");
        let id: VolumeId = text.parse().map_err(|_| absent())?;
        let volume = VOLUMES.load(tx, id)?.ok_or_else(absent)?;
        if !caller.is_admin() && caller.project_id() != Some(&volume.project_id) {
            return Err(absent());
        }
        if let Some(other) = volume.group_id {
            return Err(refused(&format!("because it is already in group {other}.")));
        }
        if volume.project_id != group.project_id {
            return Err(refused("as they belong to different projects."));
        }
        if !group.volume_types.contains(&volume.volume_type_id) {
            let kind = volume.volume_type_id;
            return Err(refused(&format!("because volume type {kind} is not supported by the group.")));
        }
        if !CAN_JOIN.contains(&volume.phase) {
            return Err(refused(&in_invalid_state(&volume, &CAN_JOIN)));
        }
        found.push(volume);
    }
    Ok(found)
}

fn in_invalid_state(volume: &Volume, valid: &[Phase]) -> String {
    let valid: Vec<String> = valid.iter().map(|phase| format!("'{phase}'")).collect();
    let (phase, valid) = (volume.phase, valid.join(", "));
    format!("because volume is in an invalid state: {phase}. Valid states are: ({valid}).")
}

/// The members that are to leave a group.
fn leaving(
    group: &Group,
    members: Vec<Stored<Volume>>,
    wanted: &[String],
) -> Result<Vec<Stored<Volume>>, Error> {
    let refused = |text: &str, reason: &str| {
        let id = group.id;
        Error::Volume(format!("Cannot remove volume {text} from group {id} {reason}"))
    };
    let mut left: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for volume in members {
        let text = volume.id.to_string();
        if !left.remove(text.as_str()) {
            continue;
        }
        if !CAN_LEAVE.contains(&volume.phase) {
            return Err(refused(&text, &in_invalid_state(&volume, &CAN_LEAVE)));
        }
        found.push(volume);
    }
    match left.first() {
        Some(text) => Err(refused(text, "because it is not in the group.")),
        None => Ok(found),
    }
}

/// Deletes a group that has no snapshots; with its volumes if that is said.
pub(crate) fn delete(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeGroupId,
    with_volumes: bool,
) -> Result<(), Error> {
    let mut group = show_for(caller, tx, id, "group:delete")?;
    if !with_volumes && !group.status.is_settled() {
        let text = format!(
            "Group status must be available or error, but current status is: {}",
            group.status.name()
        );
        return Err(invalid(text));
    }
    if !group_snapshot::store::of_group(tx, id)?.is_empty() {
        return Err(invalid("Group has existing snapshots."));
    }
    let members = volumes(tx, id)?;
    if !members.is_empty() && !with_volumes {
        return Err(invalid(format!(
            "Group {id} still contains volumes. The delete-volumes flag is required to delete it."
        )));
    }
    for member in &members {
        if volume::ops::is_in_server(member) {
            return Err(invalid(format!("Volume in group {id} is attached. Need to detach first.")));
        }
        if !snapshot::store::kept_of_volume(tx, member.id)?.is_empty() {
            return Err(invalid("Volume in group still has dependent snapshots."));
        }
    }
    if table::is_copied(tx, id)? {
        return Err(invalid(format!(
            "Cannot delete group {id}. It cannot be the source for an ongoing group or group snapshot creation."
        )));
    }
    for mut member in members {
        volume::ops::begin_delete(tx, &mut member)?;
    }
    group.unwanted = true;
    group.status = Status::Deleting;
    save(tx, &mut group)?;
    Ok(tx.kick(KIND, id)?)
}

/// Sets the status of a group by hand, which changes nothing else of it.
pub(crate) fn reset_status(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeGroupId,
    status: Status,
) -> Result<(), Error> {
    let mut group = show_for(caller, tx, id, "group:reset_status")?;
    group.status = status;
    save(tx, &mut group)
}

/// Refuses what only replicated groups can, which there are none of that work.
pub(crate) fn refuse_replication(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeGroupId,
    (action, words): (&str, &str),
) -> Result<(), Error> {
    let group = show_for(caller, tx, id, &format!("group:{action}"))?;
    if !group_type::ops::load(tx, group.group_type_id)?.is_replicated() {
        let text = format!("Invalid group type: Group {id} is not a replication group type.");
        return Err(Error::Invalid(text));
    }
    for id in &group.volume_types {
        if !volume_type::ops::load(tx, *id)?.is_replicated() {
            let text = format!(
                "Invalid volume type: Volume type {id} does not have 'replication_enabled' spec key set to '<is> True'."
            );
            return Err(Error::Invalid(text));
        }
    }
    Err(invalid(match group.status {
        Status::Available => format!("No backend of group {id} replicates. Cannot {words}."),
        status => format!(
            "Group {id} status must be ['available'], but current status is: {}. Cannot {words}.",
            status.name()
        ),
    }))
}
