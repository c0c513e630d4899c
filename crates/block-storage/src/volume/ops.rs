//! What callers do with volumes. Compute uses what is here in transactions of its own; what concerns attachments is
//! in `attach` and re-exported.

use std::convert::Infallible;

use policy::{Caller, Target};
use store::{Stored, Tx};
use types::{CopyId, SnapshotId, Timestamp, VolumeId, VolumeTypeId};

pub use super::attach::{attach, begin_detach, cancel_detach, detach, reserve, unreserve};
pub(crate) use super::lists::{Trait, VolumeList, list};
use super::store::VOLUMES;
use super::{Phase, Revert, SIZE_GIB_MAX, SourceSnapshot, Volume, VolumeChange, VolumeDraft};
use super::{reconcile, source};
use crate::attachment::store as attachments;
use crate::encryption::{Formatting, VolumeEncryption, is_as_secret};
use crate::error::Error;
use crate::policy::RULES;
use crate::snapshot::Phase as SnapshotPhase;
use crate::volume_type::{Recipe, VolumeType};
use crate::{ZONE, group, migration, quota, snapshot, transfer, volume_type};

/// Creates a volume: blank, or as a clone of an image, a snapshot or another volume.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: VolumeDraft) -> Result<Stored<Volume>, Error> {
    let project_id = caller.project_id().cloned().ok_or_else(|| Error::Denied("volume:create".to_owned()))?;
    RULES.check("volume:create", caller, &Target::project(&project_id))?;
    let source = source::of(caller, tx, &draft)?;
    check_size(source.size_gib, "create")?;
    check_zone(draft.availability_zone.as_deref())?;
    let volume_type = match (&draft.volume_type, source.volume_type_id) {
        (None, Some(id)) => volume_type::ops::load(tx, id)?,
        (wanted, _) => volume_type::ops::choose(caller, tx, wanted.as_deref())?,
    };
    check_type(&volume_type, source.size_gib, Some(ZONE))?;
    if let Some(group) = draft.group_id {
        group::ops::check_takes(caller, tx, group, (draft.volume_type.as_deref(), &volume_type))?;
    }
    check_compatible(tx, &source, &volume_type)?;
    let encryption = encryption_of(tx, &source, &volume_type)?;
    let multiattach = volume_type.is_multiattach();
    if multiattach {
        if encryption.is_some() {
            return Err(Error::Volume("Multiattach cannot be used with encrypted volumes.".to_owned()));
        }
        RULES.check("volume:multiattach", caller, &Target::project(&project_id))?;
    }
    quota::ops::check_volumes(tx, &project_id, &volume_type, source.size_gib)?;
    let held = match draft.source_volume_id {
        Some(id) => {
            let origin = show(caller, tx, id)?;
            Some(snapshot::ops::hold(caller, tx, &origin)?)
        }
        None => None,
    };
    let from = held.map(|held| SourceSnapshot { volume: held.volume_id, id: held.id }).or(source.from);
    let row = row(caller, tx.now(), draft, source, volume_type.id);
    let request_id = tx.request_id();
    Ok(reconcile::begin(tx, Volume { from, encryption, multiattach, request_id, ..row })?)
}

fn row(
    caller: &Caller,
    now: Timestamp,
    draft: VolumeDraft,
    source: source::Source,
    volume_type_id: VolumeTypeId,
) -> Volume {
    Volume {
        id: runtime::new_uuid().into(),
        name: draft.name,
        description: draft.description,
        project_id: caller.project_id().cloned().unwrap_or_else(|| "".into()),
        user_id: caller.user_id.clone(),
        size_gib: source.size_gib,
        phase: Phase::Creating,
        phase_since: now,
        made: false,
        fault: None,
        volume_type_id,
        bootable: source.bootable,
        read_only: None,
        availability_zone: ZONE.to_owned(),
        image: source.image,
        image_metadata: source.image_metadata,
        metadata: draft.metadata,
        host: source.host.or(draft.host),
        backend: source.backend,
        from: source.from,
        is_clone: source.is_clone,
        managed_from: None,
        bytes_stay: false,
        encryption: None,
        backup_id: draft.backup_id,
        revert: None,
        retype: None,
        size_before_gib: None,
        group_id: draft.group_id,
        migration_status: None,
        is_whole: false,
        unwanted: false,
        attachments: Vec::new(),
        multiattach: false,
        watcher: draft.watcher,
        request_id: None,
        created_at: now,
        updated_at: now,
    }
}

/// Creates the row of a volume whose bytes are there already. `change` says where, and what it is there.
pub(crate) fn insert_managed(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (draft, volume_type_id): (VolumeDraft, VolumeTypeId),
    change: impl FnOnce(Volume) -> Volume,
) -> Result<Stored<Volume>, Error> {
    check_zone(draft.availability_zone.as_deref())?;
    let row = row(caller, tx.now(), draft, source::Source::default(), volume_type_id);
    let request_id = tx.request_id();
    let volume = VOLUMES.insert(tx, Volume { request_id, ..change(row) })?;
    tx.kick(reconcile::KIND, volume.id)?;
    Ok(volume)
}

/// There is one zone.
fn check_zone(zone: Option<&str>) -> Result<(), Error> {
    match zone {
        Some(zone) if zone != ZONE => {
            let text = format!("Invalid input received: Availability zone '{zone}' is invalid.");
            Err(Error::Invalid(text))
        }
        _ => Ok(()),
    }
}

/// With what a new volume of this type is encrypted: a clone with its source's key, any other with one of its own. Whoever
/// asks for an encrypted volume must not get another.
pub(crate) fn encryption_of(
    tx: &mut Tx<'_>,
    source: &source::Source,
    volume_type: &VolumeType,
) -> Result<Option<VolumeEncryption>, Error> {
    if source.volume_type_id.is_some() {
        return Ok(source.encryption.as_ref().map(VolumeEncryption::cloned));
    }
    let name = &volume_type.name;
    let wanted = volume_type::ops::recipe(tx, volume_type.id)?.encryption;
    let wanted = wanted.map(|wanted| wanted.of_volume()).transpose().map_err(|reason| {
        Error::Invalid(format!("Volume type {name} demands an encryption that cannot be had here: {reason}."))
    })?;
    if let Some(image) = &source.encryption {
        if !wanted.is_some_and(|wanted| wanted.is_like(image)) {
            let text = format!("The image is encrypted otherwise than volumes of type {name}.");
            return Err(Error::Invalid(text));
        }
        return Ok(Some(VolumeEncryption { of_encrypted_image: true, ..image.cloned() }));
    }
    let Some(encryption) = wanted else { return Ok(None) };
    let formatting = Some(Formatting { copy: CopyId(runtime::new_uuid()), percent: 0 });
    Ok(Some(VolumeEncryption { formatting, ..encryption }))
}

/// A size that a `request`, as "create", asks for.
fn check_size(size: u32, request: &str) -> Result<(), Error> {
    if size > 0 && size <= SIZE_GIB_MAX {
        return Ok(());
    }
    let text = format!(
        "Invalid input received: Invalid volume size provided for {request} request: {size} (size argument must be an integer \
         (or string representation of an integer) from 1 to {SIZE_GIB_MAX})."
    );
    Err(Error::Invalid(text))
}

/// A clone is where its source is and has the same bytes, so that its type must ask for no other backend and encryption.
fn check_compatible(
    tx: &mut Tx<'_>,
    source: &source::Source,
    volume_type: &Stored<VolumeType>,
) -> Result<(), Error> {
    let Some(origin) = source.volume_type_id.filter(|id| *id != volume_type.id) else { return Ok(()) };
    let backend = |recipe: &Recipe| recipe.extra_specs.get("volume_backend_name").cloned().flatten();
    let (wanted, origin) =
        (volume_type::ops::recipe(tx, volume_type.id)?, volume_type::ops::recipe(tx, origin)?);
    let is_near = backend(&wanted).is_none_or(|wanted| Some(wanted) == backend(&origin));
    if is_near && is_as_secret(wanted.encryption.as_ref(), origin.encryption.as_ref()) {
        return Ok(());
    }
    let text = format!(
        "Invalid input received: Invalid volume_type provided: {} (requested type is not compatible; recommend omitting \
         the type argument).",
        volume_type.id
    );
    Err(Error::Invalid(text))
}

/// Creates the volume that a server is to boot from: compute names the watcher and, if it has chosen one, the host.
pub fn create_for_boot(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: VolumeDraft,
) -> Result<Stored<Volume>, Error> {
    let mut volume = create(caller, tx, draft)?;
    volume.bootable = true;
    VOLUMES.save(tx, &mut volume)?;
    Ok(volume)
}

/// Whether a volume of this size, and in this zone, can be of this type.
pub(crate) fn check_type(volume_type: &VolumeType, size_gib: u32, zone: Option<&str>) -> Result<(), Error> {
    if let Some(reason) = volume_type.refuses_size(size_gib) {
        return Err(Error::Invalid(format!("Invalid input received: {reason}")));
    }
    match (volume_type.zones(), zone) {
        (Some(zones), Some(zone)) if !zones.contains(&zone) => {
            let zones = zones.join(", ");
            let text = format!("Volume type is only supported in these availability zones: {zones}");
            Err(Error::Invalid(text))
        }
        _ => Ok(()),
    }
}

/// A volume that the caller sees.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<Stored<Volume>, Error> {
    let volume = VOLUMES.load(tx, id)?.ok_or_else(|| Error::no_volume(id))?;
    if caller.is_admin() || caller.project_id() == Some(&volume.project_id) {
        RULES.check("volume:get", caller, &Target::project(&volume.project_id))?;
        return Ok(volume);
    }
    Err(Error::no_volume(id))
}

/// A volume that the caller sees, if a rule lets the caller do this to it.
pub(crate) fn show_for(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    rule: &str,
) -> Result<Stored<Volume>, Error> {
    let volume = show(caller, tx, id)?;
    RULES.check(rule, caller, &Target::project(&volume.project_id))?;
    Ok(volume)
}

/// Changes what its owner says about a volume.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    change: VolumeChange,
) -> Result<Stored<Volume>, Error> {
    let mut volume = show_for(caller, tx, id, "volume:update")?;
    if let Some(name) = change.name {
        volume.name = name;
    }
    if let Some(description) = change.description {
        volume.description = description;
    }
    if let Some(metadata) = change.metadata {
        volume.metadata = metadata;
    }
    save(tx, &mut volume)?;
    Ok(volume)
}

/// What Cinder says of the state of a volume that can go.
const IDLE: &str =
    "status must be available or error or error_restoring or error_extending or error_managing and ";

/// How a volume is to be deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// Whatever its state, unless a server has it.
    pub(crate) force: bool,
    /// With its snapshots.
    pub(crate) cascade: bool,
}

/// Deletes a volume that nobody uses.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, how: Deletion) -> Result<(), Error> {
    let rule = if how.force { "volume:force_delete" } else { "volume:delete" };
    let mut volume = show_for(caller, tx, id, rule)?;
    if volume.phase == Phase::Deleting && !how.force {
        return Ok(());
    }
    // One that no host was chosen for goes whatever its state.
    let nowhere = volume.host.is_none() && volume.attachments.is_empty();
    let idle = match how.force {
        true => !is_in_server(&volume) && volume.group_id.is_none() && !volume.is_migrating(),
        false => volume.can_delete(),
    };
    let may_go = nowhere
        || idle
            && match how.cascade {
                true => snapshot::ops::delete_all_of(caller, tx, id, how.force)?,
                false => snapshot::store::kept_of_volume(tx, id)?.is_empty(),
            };
    if !may_go {
        let status = match how.force {
            true => "",
            false => IDLE,
        };
        return Err(not_idle(status));
    }
    begin_delete(tx, &mut volume)
}

/// Leaves the bytes of a volume that nobody uses to others.
pub(crate) fn unmanage(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_unmanage")?;
    RULES.check("volume:delete", caller, &Target::project(&volume.project_id))?;
    if volume.encryption.is_some() {
        return Err(Error::Invalid("Unmanaging encrypted volumes is not supported.".to_owned()));
    }
    if volume.multiattach {
        return Err(Error::Invalid("Unmanaging multiattach volumes is not supported.".to_owned()));
    }
    // What is read of it meanwhile holds a snapshot too.
    let is_read = !snapshot::store::of_volume(tx, id)?.is_empty();
    let nowhere = volume.host.is_none() && volume.attachments.is_empty();
    if !nowhere && (is_read || volume.unwanted || !volume.can_delete()) {
        return Err(not_idle(IDLE));
    }
    let now = tx.now();
    transfer::ops::forget(tx, id)?;
    volume.unwanted = true;
    volume.bytes_stay = true;
    volume.enter(Phase::Unmanaging, now);
    VOLUMES.save(tx, &mut volume)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

fn not_idle(status: &str) -> Error {
    Error::Volume(format!(
        "Volume {status}must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be \
         disassociated from snapshots after volume transfer."
    ))
}

/// Whether a server has it, or compute holds it for one.
pub fn is_in_server(volume: &Volume) -> bool {
    volume.attachments.iter().any(|held| held.by_compute || held.attached_at.is_some())
}

/// Deletes a volume whatever its state, unless a server has it.
pub fn force_delete(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    show_for(caller, tx, id, "volume_extension:volume_admin_actions:force_delete")?;
    delete(caller, tx, id, Deletion { force: true, cascade: false })
}

/// The volume is wanted no longer.
pub(crate) fn begin_delete(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<(), Error> {
    let now = tx.now();
    transfer::ops::forget(tx, volume.id)?;
    volume.attachments.clear();
    volume.unwanted = true;
    volume.enter(Phase::Deleting, now);
    attachments::save(tx, volume)?;
    Ok(tx.kick(reconcile::KIND, volume.id)?)
}

/// Makes a volume larger; one that is in a server only if that may be.
pub(crate) fn extend(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    (size_gib, attached): (u32, bool),
) -> Result<(), Error> {
    let mut volume = show(caller, tx, id)?;
    let attached = attached && volume.phase == Phase::InUse;
    let rule = if attached { "volume:extend_attached_volume" } else { "volume:extend" };
    RULES.check(rule, caller, &Target::project(&volume.project_id))?;
    let current = volume.size_gib;
    if size_gib <= current {
        let text = format!(
            "Invalid input received: New size for extend must be greater than current size. (current: {current}, \
             extended: {size_gib})."
        );
        return Err(Error::Invalid(text));
    }
    check_size(size_gib, "extend")?;
    let volume_type = volume_type::ops::load(tx, volume.volume_type_id)?;
    check_type(&volume_type, size_gib, None)?;
    if !(volume.phase == Phase::Available || attached) {
        let phase = volume.phase;
        let text =
            format!("Volume {id} status must be '{{'status': 'available'}}' to extend, currently {phase}.");
        return Err(Error::Volume(text));
    }
    if attached && volume.is_migrating() {
        let text = format!("Volume {id} is migrating, so that it cannot be extended while a server has it.");
        return Err(Error::Volume(text));
    }
    quota::ops::check_growth(tx, &volume.project_id, &volume_type, (current, size_gib))?;
    let now = tx.now();
    volume.request_id = tx.request_id();
    volume.size_before_gib = Some(current);
    volume.size_gib = size_gib;
    volume.enter(Phase::Extending, now);
    VOLUMES.save(tx, &mut volume)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

/// What whoever knows better says of an extension that waits for it. None does here: a host makes the volume larger, and says
/// so itself.
pub(crate) fn complete_extension(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
) -> Result<Infallible, Error> {
    let rule = "volume_extension:volume_admin_actions:extend_volume_completion";
    let volume = show_for(caller, tx, id, rule)?;
    let text = match volume.phase {
        Phase::Extending => "Required volume admin metadata is malformed or missing.",
        _ => "Volume is not being extended.",
    };
    Err(Error::Volume(text.to_owned()))
}

/// Puts a volume back to its newest snapshot.
pub(crate) fn revert(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    wanted: SnapshotId,
) -> Result<(), Error> {
    let mut volume = show(caller, tx, id)?;
    let Some(mut newest) = snapshot::store::kept_of_volume(tx, id)?.pop() else {
        return Err(Error::Invalid(format!("Volume {id} doesn't have any snapshots.")));
    };
    if newest.id != wanted {
        let text = format!("Specified snapshot {wanted} is None or not the latest one of volume {id}.");
        return Err(Error::Invalid(text));
    }
    if volume.size_gib != newest.size_gib {
        let text = format!(
            "Can't revert volume {id} to its latest snapshot {wanted}. The volume size must be equal to the snapshot \
             size."
        );
        return Err(Error::Invalid(text));
    }
    RULES.check("volume:revert_to_snapshot", caller, &Target::project(&volume.project_id))?;
    let refused = |kind: &str, whose: &str| {
        let text =
            format!("{kind}: Can't revert volume {id} to its latest snapshot {wanted}. {whose}'s status");
        Error::Conflict(format!("{text} must be 'available'."))
    };
    // What is read of the volume meanwhile would be lost with all that is newer than the snapshot.
    let all = snapshot::store::of_volume(tx, id)?;
    let read = all.last().is_some_and(|last| last.id != wanted);
    if volume.phase != Phase::Available || read {
        return Err(refused("Invalid volume", "Volume"));
    }
    if newest.phase != SnapshotPhase::Available || !newest.made {
        return Err(refused("Invalid snapshot", "Snapshot"));
    }
    let now = tx.now();
    newest.enter(SnapshotPhase::Restoring, now);
    snapshot::store::SNAPSHOTS.save(tx, &mut newest)?;
    volume.revert = Some(Revert { token: runtime::new_uuid().to_string(), snapshot: wanted });
    volume.enter(Phase::Reverting, now);
    VOLUMES.save(tx, &mut volume)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

/// Says that a server can, or cannot, boot from it.
pub fn set_bootable(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, bootable: bool) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume:update")?;
    volume.bootable = bootable;
    save(tx, &mut volume)
}

/// Says that servers must not, or may, write to it.
pub fn set_read_only(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, read_only: bool) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume:update_readonly_flag")?;
    if volume.phase != Phase::Available {
        let phase = volume.phase;
        let text = format!(
            "Volume {id} status must be available to update readonly flag, but current status is: {phase}."
        );
        return Err(Error::Volume(text));
    }
    volume.read_only = Some(read_only);
    save(tx, &mut volume)
}

/// What an operator says of a volume by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The phase that it is in.
    pub(crate) phase: Option<Phase>,
    /// Whether it is detached.
    pub(crate) detached: bool,
    /// Its migration, or none.
    pub(crate) migration_status: Option<Option<String>>,
}

/// Takes in what an operator says by hand. What compute attached stays so, and a volume without bytes does not get any.
pub(crate) fn reset_status(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, said: Said) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_admin_actions:reset_status")?;
    let now = tx.now();
    // What it says of its bytes is not true yet: nobody may use it.
    let opens = said.phase.is_some_and(|phase| phase != Phase::Error);
    if opens && migration::store::of_volume(tx, id)?.is_some_and(|migration| migration.is_replacing()) {
        return Err(Error::Volume("It is being replaced by what was copied of it.".to_owned()));
    }
    if let Some(phase @ (Phase::Deleting | Phase::Unmanaging | Phase::Downloading)) = said.phase {
        return Err(Error::Invalid(format!("Cannot reset-state to {phase}")));
    }
    if said.phase == Some(Phase::InUse) && volume.attachments.is_empty() {
        let text = "Cannot reset-state to in-use because volume does not have any attachments.";
        return Err(Error::Invalid(text.to_owned()));
    }
    if let Some(phase) = said.phase {
        if let Some(revert) = volume.revert.take() {
            snapshot::ops::end_restoring(tx, revert.snapshot)?;
        }
        volume.retype = None;
        volume.enter(phase, now);
        if phase == Phase::Available {
            volume.fault = None;
        }
    }
    if said.detached {
        volume.attachments.retain(|held| held.by_compute);
    }
    if let Some(status) = said.migration_status {
        volume.migration_status = status;
    }
    attachments::save(tx, &mut volume)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

/// Changes the metadata or the image's metadata of a volume by a function of it.
pub(crate) fn change_words(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (VolumeId, &str),
    change: impl FnOnce(&mut Volume) -> Result<(), Error>,
) -> Result<Stored<Volume>, Error> {
    let mut volume = show_for(caller, tx, id, rule)?;
    change(&mut volume)?;
    save(tx, &mut volume)?;
    Ok(volume)
}

/// Writes a changed volume back.
pub(crate) fn save(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<(), Error> {
    volume.updated_at = tx.now();
    Ok(VOLUMES.save(tx, volume)?)
}
