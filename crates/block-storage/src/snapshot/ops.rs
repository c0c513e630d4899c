//! What callers do with snapshots, and how moments of volumes are held for those who read them.

use policy::{Caller, Target};
use store::{Condition, Stored, Tx};
use types::{SnapshotId, VolumeId};

use super::reconcile::KIND;
use super::store::{self as table, SNAPSHOTS};
use super::{Phase, Purpose, Snapshot, SnapshotChange, SnapshotDraft};
use crate::error::Error;
use crate::list::{Page, Paging, in_sight};
use crate::policy::RULES;
use crate::quota::{self, Resource};
use crate::volume::store::VOLUMES;
use crate::volume::{self, Phase as VolumePhase, Volume};
use crate::volume_type;

/// Which snapshots a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct SnapshotList {
    /// Of all projects, if the caller may see them.
    pub(crate) all_projects: bool,
    /// Conditions on columns.
    pub(crate) conditions: Vec<Condition>,
    /// Metadata that a snapshot must have.
    pub(crate) metadata: Vec<(String, String)>,
}

/// Creates a snapshot of a volume.
pub fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    draft: SnapshotDraft,
) -> Result<Stored<Snapshot>, Error> {
    let found = volume::ops::show(caller, tx, id)?;
    RULES.check("volume:create_snapshot", caller, &Target::project(&found.project_id))?;
    if found.host.is_none() {
        return Err(Error::Volume("volume is not assigned to a host".to_owned()));
    }
    if found.is_migrating() {
        let text = "Snapshot cannot be created while volume is migrating.";
        return Err(Error::Volume(text.to_owned()));
    }
    let usable = match draft.in_use {
        true => &[VolumePhase::Available, VolumePhase::InUse][..],
        false => &[VolumePhase::Available],
    };
    if !usable.contains(&found.phase) || !found.made {
        let wanted: Vec<&str> = usable.iter().map(|phase| phase.status()).collect();
        let text = format!(
            "Volume {id} status must be {}, but current status is: {}.",
            wanted.join(", "),
            found.phase
        );
        return Err(Error::Volume(text));
    }
    let project = caller.project_id().unwrap_or(&found.project_id).clone();
    let volume_type = volume_type::ops::load(tx, found.volume_type_id)?;
    let size = i64::from(found.size_gib);
    let wanted = [
        (Resource::Gigabytes, size),
        (Resource::GigabytesOf(volume_type.id), size),
        (Resource::Snapshots, 1),
        (Resource::SnapshotsOf(volume_type.id), 1),
    ];
    quota::ops::check(tx, &project, Some(&volume_type), &wanted)?;
    let snapshot = of(caller, tx, &found, Purpose::Kept, draft);
    insert(tx, Snapshot { project_id: project, ..snapshot })
}

/// Holds a moment of a volume while it is read, for one that nobody else sees. Whoever holds it lets go by
/// [`release`].
pub fn hold(caller: &Caller, tx: &mut Tx<'_>, found: &Volume) -> Result<Stored<Snapshot>, Error> {
    // It would stay behind.
    if found.is_migrating() && !found.attachments.is_empty() {
        let text = "It cannot be read while a server takes it to another backend.";
        return Err(Error::Volume(text.to_owned()));
    }
    let snapshot = of(caller, tx, found, Purpose::Passing, SnapshotDraft::default());
    insert(tx, snapshot)
}

fn of(caller: &Caller, tx: &mut Tx<'_>, found: &Volume, purpose: Purpose, draft: SnapshotDraft) -> Snapshot {
    let now = tx.now();
    Snapshot {
        id: runtime::new_uuid().into(),
        volume_id: found.id,
        project_id: found.project_id.clone(),
        user_id: caller.user_id.clone(),
        name: draft.name,
        description: draft.description,
        size_gib: found.size_gib,
        volume_type_id: found.volume_type_id,
        purpose,
        phase: Phase::Creating,
        phase_since: now,
        made: false,
        unwanted: false,
        removing: false,
        bytes_stay: draft.managed_from.is_some(),
        managed_from: draft.managed_from,
        fault: None,
        progress: None,
        metadata: draft.metadata,
        group_snapshot_id: draft.group_snapshot_id,
        together: draft.together,
        request_id: tx.request_id(),
        created_at: now,
        updated_at: now,
    }
}

fn insert(tx: &mut Tx<'_>, snapshot: Snapshot) -> Result<Stored<Snapshot>, Error> {
    let snapshot = SNAPSHOTS.insert(tx, snapshot)?;
    tx.kick(KIND, snapshot.id)?;
    Ok(snapshot)
}

/// A snapshot that is not a user's is needed no longer. Done twice it changes nothing.
pub fn release(tx: &mut Tx<'_>, id: SnapshotId) -> Result<(), store::Error> {
    match SNAPSHOTS.load(tx, id)?.filter(|found| found.purpose == Purpose::Passing && !found.unwanted) {
        Some(mut found) => begin_delete(tx, &mut found),
        None => Ok(()),
    }
}

/// The volume is back at a snapshot, or cannot be.
pub(crate) fn end_restoring(tx: &mut Tx<'_>, id: SnapshotId) -> Result<(), store::Error> {
    if let Some(mut found) = SNAPSHOTS.load(tx, id)?.filter(|found| found.phase == Phase::Restoring) {
        let now = tx.now();
        found.enter(Phase::Available, now);
        SNAPSHOTS.save(tx, &mut found)?;
    }
    Ok(())
}

/// A snapshot whatever it is for, if it is there.
pub fn load(tx: &mut Tx<'_>, id: SnapshotId) -> Result<Option<Stored<Snapshot>>, Error> {
    Ok(SNAPSHOTS.load(tx, id)?)
}

/// A snapshot that the caller sees.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: SnapshotId) -> Result<Stored<Snapshot>, Error> {
    let found = SNAPSHOTS.load(tx, id)?.filter(|found| found.purpose == Purpose::Kept);
    let found = found.ok_or_else(|| Error::no_snapshot(id))?;
    if !caller.is_admin() && caller.project_id() != Some(&found.project_id) {
        return Err(Error::no_snapshot(id));
    }
    RULES.check("volume:get_snapshot", caller, &Target::project(&found.project_id))?;
    Ok(found)
}

/// A snapshot that the caller sees, if a rule lets the caller do this to it.
pub(crate) fn show_for(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: SnapshotId,
    rule: &str,
) -> Result<Stored<Snapshot>, Error> {
    let found = show(caller, tx, id)?;
    RULES.check(rule, caller, &Target::project(&found.project_id))?;
    Ok(found)
}

/// The snapshots that the caller sees and asked for, and how many there are without paging.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    query: &SnapshotList,
    paging: &Paging,
) -> Result<Page<Snapshot>, Error> {
    let mut select = in_sight(caller, "volume:get_all_snapshots", query.all_projects)?.eq("kept", true);
    for condition in &query.conditions {
        select = select.with(condition.clone());
    }
    let marker = match &paging.marker {
        None => None,
        Some(text) => {
            let id: SnapshotId = text.parse().map_err(|_| Error::no_snapshot(text))?;
            Some(show(caller, tx, id)?)
        }
    };
    if query.metadata.is_empty() {
        return paging.page(tx, &SNAPSHOTS, select, marker.as_deref());
    }
    let has_all =
        |one: &Snapshot| query.metadata.iter().all(|(key, value)| one.metadata.get(key) == Some(value));
    paging.page_of(tx, &SNAPSHOTS, select, marker.as_deref(), has_all)
}

/// Changes what its owner says about a snapshot.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: SnapshotId,
    change: SnapshotChange,
) -> Result<Stored<Snapshot>, Error> {
    let mut found = show_for(caller, tx, id, "volume:update_snapshot")?;
    if let Some(name) = change.name {
        found.name = name;
    }
    if let Some(description) = change.description {
        found.description = description;
    }
    save(tx, &mut found)?;
    Ok(found)
}

/// Changes the metadata of a snapshot by a function of it.
pub(crate) fn change_metadata(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (SnapshotId, &str),
    change: impl FnOnce(&mut Snapshot) -> Result<(), Error>,
) -> Result<Stored<Snapshot>, Error> {
    let mut found = show_for(caller, tx, id, rule)?;
    change(&mut found)?;
    save(tx, &mut found)?;
    Ok(found)
}

fn save(tx: &mut Tx<'_>, found: &mut Stored<Snapshot>) -> Result<(), Error> {
    found.updated_at = tx.now();
    Ok(SNAPSHOTS.save(tx, found)?)
}

/// Deletes a snapshot; by force whatever its state.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: SnapshotId, force: bool) -> Result<(), Error> {
    let mut found = show_for(caller, tx, id, "volume:delete_snapshot")?;
    if force {
        let rule = "volume_extension:snapshot_admin_actions:force_delete";
        RULES.check(rule, caller, &Target::project(&found.project_id))?;
    }
    if !can_go(&found, force) {
        return Err(not_idle(if force { "" } else { IDLE }));
    }
    Ok(begin_delete(tx, &mut found)?)
}

/// Leaves a snapshot to others, with its volume.
pub(crate) fn unmanage(caller: &Caller, tx: &mut Tx<'_>, id: SnapshotId) -> Result<(), Error> {
    let mut found = show_for(caller, tx, id, "snapshot_extension:snapshot_unmanage")?;
    RULES.check("volume:delete_snapshot", caller, &Target::project(&found.project_id))?;
    if VOLUMES.load(tx, found.volume_id)?.is_some_and(|volume| volume.multiattach) {
        let text = "Unmanaging snapshots of multiattach volumes is not supported.".to_owned();
        return Err(Error::Invalid(text));
    }
    if !can_go(&found, false) {
        return Err(not_idle(IDLE));
    }
    let now = tx.now();
    found.unwanted = true;
    found.bytes_stay = true;
    found.enter(Phase::Unmanaging, now);
    SNAPSHOTS.save(tx, &mut found)?;
    Ok(tx.kick(KIND, id)?)
}

/// What Cinder says of the state of a snapshot that can go.
const IDLE: &str = "status must be available or error and ";

fn can_go(found: &Snapshot, force: bool) -> bool {
    (force || matches!(found.phase, Phase::Available | Phase::Error)) && found.group_snapshot_id.is_none()
}

fn not_idle(status: &str) -> Error {
    Error::Snapshot(format!("Snapshot {status}must not be part of a group."))
}

/// The snapshot is wanted no longer.
pub(crate) fn begin_delete(tx: &mut Tx<'_>, found: &mut Stored<Snapshot>) -> Result<(), store::Error> {
    let now = tx.now();
    found.unwanted = true;
    found.request_id = tx.request_id();
    found.enter(Phase::Deleting, now);
    SNAPSHOTS.save(tx, found)?;
    tx.kick(KIND, found.id)
}

/// Deletes all that users made of a volume, which goes itself. Unless by force, none may be in use.
pub(crate) fn delete_all_of(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    force: bool,
) -> Result<bool, Error> {
    let all = table::kept_of_volume(tx, id)?;
    let deletable = |one: &Stored<Snapshot>| {
        let own = caller.is_admin() || caller.project_id() == Some(&one.project_id);
        let idle = matches!(one.phase, Phase::Available | Phase::Error | Phase::Deleting);
        one.group_snapshot_id.is_none() && (force || own && idle)
    };
    if !all.iter().all(deletable) {
        return Ok(false);
    }
    for mut one in all {
        begin_delete(tx, &mut one)?;
    }
    Ok(true)
}

/// Puts a snapshot into a phase by hand, which changes nothing about what there is of it.
pub(crate) fn reset_phase(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (SnapshotId, &str),
    phase: Phase,
) -> Result<(), Error> {
    let mut found = show_for(caller, tx, id, rule)?;
    let now = tx.now();
    found.enter(phase, now);
    SNAPSHOTS.save(tx, &mut found)?;
    Ok(tx.kick(KIND, id)?)
}
