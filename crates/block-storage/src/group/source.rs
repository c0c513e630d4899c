//! Groups that are made of a snapshot of a group, or of another group.

use policy::Caller;
use store::{Stored, Tx};
use types::{SnapshotId, VolumeId};

use super::ops::{blank, invalid, show, volumes};
use super::reconcile::KIND;
use super::store::GROUPS;
use super::{Group, GroupSource, Status};
use crate::error::Error;
use crate::policy::{RULES, own};
use crate::volume::{self, VolumeDraft};
use crate::{group_snapshot, group_type, snapshot};

/// Creates a group with volumes of its own that have the content of others.
pub(crate) fn create_from(
    caller: &Caller,
    tx: &mut Tx<'_>,
    source: GroupSource,
    words: (Option<String>, Option<String>),
) -> Result<Stored<Group>, Error> {
    RULES.check("group:create", caller, &own(caller))?;
    let (origin, drafts) = match source {
        GroupSource::Snapshot(id) => {
            let found = group_snapshot::ops::show(caller, tx, id)?;
            let parts = snapshot::store::of_group(tx, id)?;
            let drafts: Vec<VolumeDraft> = parts.iter().map(|part| of_snapshot(part.id)).collect();
            (show(caller, tx, found.group_id)?, drafts)
        }
        GroupSource::Group(id) => {
            let members = volumes(tx, id)?;
            (show(caller, tx, id)?, members.iter().map(|member| of_volume(member.id)).collect())
        }
    };
    let group_type = group_type::ops::load(tx, origin.group_type_id)?;
    let mut group = blank(caller, tx, &group_type, words)?;
    if drafts.is_empty() {
        return Err(invalid(match source {
            GroupSource::Snapshot(_) => "Group snapshot is empty. No group will be created.",
            GroupSource::Group(_) => "Source Group is empty. No group will be created.",
        }));
    }
    group.volume_types.clone_from(&origin.volume_types);
    group.source = Some(source);
    group.status = Status::Creating;
    group.filling = true;
    for draft in drafts {
        let mut made = volume::ops::create(caller, tx, draft)?;
        // Its type need not be one of the group's any more: it is its source's.
        if !group.volume_types.contains(&made.volume_type_id) {
            group.volume_types.push(made.volume_type_id);
        }
        made.group_id = Some(group.id);
        volume::ops::save(tx, &mut made)?;
    }
    let group = GROUPS.insert(tx, group)?;
    tx.kick(KIND, group.id)?;
    Ok(group)
}

fn of_snapshot(id: SnapshotId) -> VolumeDraft {
    VolumeDraft { snapshot_id: Some(id), ..VolumeDraft::default() }
}

fn of_volume(id: VolumeId) -> VolumeDraft {
    VolumeDraft { source_volume_id: Some(id), ..VolumeDraft::default() }
}
