//! What callers do with backups.

use std::collections::BTreeSet;

use policy::{Caller, Target};
use store::{Condition, Stored, Tx};
use types::{BackupId, HostId, VolumeId};

use super::reconcile::KIND;
use super::record::{Record, SERVICE};
use super::store::{self as table, BACKUPS};
use super::{Backup, BackupChange, BackupDraft, OfVolume, Phase};
use crate::error::Error;
use crate::list::{Page, Paging, in_sight};
use crate::policy::RULES;
use crate::quota::{self, Resource};
use crate::service::{BACKUP, ops as services};
use crate::snapshot::{self, Phase as SnapshotPhase};
use crate::volume::store::VOLUMES;
use crate::volume::{self, Phase as VolumePhase, Volume, VolumeDraft, WorkKey};

/// Makes a backup of a volume as it is now, or as it was when a snapshot was made.
pub fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    draft: BackupDraft,
) -> Result<Stored<Backup>, Error> {
    let mut found = volume::ops::show(caller, tx, id)?;
    let project = caller.project_id().cloned().unwrap_or_else(|| found.project_id.clone());
    RULES.check("backup:create", caller, &Target::project(&project))?;
    let asked = draft.snapshot_id.map(|id| snapshot::ops::show(caller, tx, id)).transpose()?;
    check_source(&found, asked.as_deref(), draft.force)?;
    let parent =
        match draft.incremental {
            true => Some(table::newest_of(tx, &project, id)?.ok_or_else(|| {
                Error::Backup("No backups available to do an incremental backup.".to_owned())
            })?),
            false => None,
        };
    let size = i64::from(found.size_gib);
    quota::ops::check(tx, &project, None, &[(Resource::Backups, 1), (Resource::BackupGigabytes, size)])?;
    let now = tx.now();
    let (held, moment) = match &asked {
        Some(snapshot) => (snapshot.id, snapshot.created_at),
        None => (snapshot::ops::hold(caller, tx, &found)?.id, now),
    };
    let backup = Backup {
        id: runtime::new_uuid().into(),
        project_id: project,
        user_id: caller.user_id.clone(),
        name: draft.name,
        description: draft.description,
        volume_id: id,
        snapshot_id: draft.snapshot_id,
        held: Some(held),
        parent_id: parent.map(|parent| parent.id),
        size_gib: found.size_gib,
        container: draft.container,
        metadata: draft.metadata,
        phase: Phase::Creating,
        phase_since: now,
        job: None,
        restoring: None,
        is_import: false,
        written_as: None,
        objects: 0,
        fail_reason: None,
        encryption: found.encryption.as_ref().map(|encryption| encryption.cloned()),
        volume_type_id: Some(found.volume_type_id),
        of_volume: Some(OfVolume {
            metadata: found.metadata.clone(),
            image_metadata: found.image_metadata.clone(),
        }),
        request_id: tx.request_id(),
        data_timestamp: moment,
        created_at: now,
        updated_at: now,
    };
    // A volume in a server goes on as it is, and one of a snapshot too: what is read does not change.
    if found.phase == VolumePhase::Available && asked.is_none() {
        found.enter(VolumePhase::BackingUp, now);
        VOLUMES.save(tx, &mut found)?;
    }
    let backup = BACKUPS.insert(tx, backup)?;
    tx.kick(KIND, backup.id)?;
    Ok(backup)
}

fn check_source(found: &Volume, asked: Option<&snapshot::Snapshot>, force: bool) -> Result<(), Error> {
    if let Some(snapshot) = asked {
        if snapshot.volume_id != found.id {
            let text = format!("Snapshot {} is not of volume {}.", snapshot.id, found.id);
            return Err(Error::Invalid(text));
        }
        if snapshot.phase != SnapshotPhase::Available {
            let text = format!(
                "Snapshot to be backed up must be available, but the current status is \"{}\".",
                snapshot.phase.status()
            );
            return Err(Error::Snapshot(text));
        }
        return Ok(());
    }
    match found.phase {
        VolumePhase::InUse if !force => {
            Err(Error::Volume("Backing up an in-use volume must use the force flag.".to_owned()))
        }
        VolumePhase::Available | VolumePhase::InUse if found.made => Ok(()),
        phase => {
            let text = format!(
                "Volume to be backed up must be available or in-use, but the current status is \"{phase}\"."
            );
            Err(Error::Volume(text))
        }
    }
}

/// A backup that the caller sees.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: BackupId) -> Result<Stored<Backup>, Error> {
    let found = BACKUPS.load(tx, id)?.ok_or_else(|| Error::no_backup(id))?;
    if !caller.is_admin() && caller.project_id() != Some(&found.project_id) {
        return Err(Error::no_backup(id));
    }
    RULES.check("backup:get", caller, &Target::project(&found.project_id))?;
    Ok(found)
}

fn show_for(caller: &Caller, tx: &mut Tx<'_>, id: BackupId, rule: &str) -> Result<Stored<Backup>, Error> {
    let found = show(caller, tx, id)?;
    RULES.check(rule, caller, &Target::project(&found.project_id))?;
    Ok(found)
}

/// The backups that the caller sees and asked for, and how many there are without paging.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (all_projects, conditions): (bool, Vec<Condition>),
    paging: &Paging,
) -> Result<Page<Backup>, Error> {
    let mut select = in_sight(caller, "backup:get_all", all_projects)?;
    for condition in conditions {
        select = select.with(condition);
    }
    let marker = match &paging.marker {
        None => None,
        Some(text) => Some(show(caller, tx, text.parse().map_err(|_| Error::no_backup(text))?)?),
    };
    paging.page(tx, &BACKUPS, select, marker.as_deref())
}

/// Those of these backups that others add to.
pub(crate) fn parents_among(tx: &mut Tx<'_>, of: &[Backup]) -> Result<BTreeSet<BackupId>, Error> {
    Ok(table::parents_among(tx, of)?)
}

/// Changes what its owner says about a backup.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: BackupId,
    change: BackupChange,
) -> Result<Stored<Backup>, Error> {
    let mut found = show_for(caller, tx, id, "backup:update")?;
    if let Some(name) = change.name {
        found.name = name;
    }
    if let Some(description) = change.description {
        found.description = description;
    }
    if let Some(metadata) = change.metadata {
        found.metadata = metadata;
    }
    found.updated_at = tx.now();
    BACKUPS.save(tx, &mut found)?;
    Ok(found)
}

/// Somebody must be there that does something with backups; on this host, if it has to be that one.
fn check_service(tx: &mut Tx<'_>, on: Option<&HostId>) -> Result<(), Error> {
    let hosts = services::backup_hosts(tx)?;
    let is_there = on.map_or(!hosts.is_empty(), |on| hosts.contains(on));
    let absent = || Error::NoSuch(format!("Service {BACKUP} could not be found."));
    if is_there { Ok(()) } else { Err(absent()) }
}

/// Deletes a backup that no other adds to; by force also one that is being made or removed.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: BackupId, force: bool) -> Result<(), Error> {
    let mut found = show_for(caller, tx, id, "backup:delete")?;
    if force {
        let rule = "volume_extension:backup_admin_actions:force_delete";
        RULES.check(rule, caller, &Target::project(&found.project_id))?;
    }
    let idle = matches!(found.phase, Phase::Available | Phase::Error);
    let stuck = force && matches!(found.phase, Phase::ErrorDeleting | Phase::Creating);
    if !idle && !stuck {
        return Err(Error::Backup("Backup status must be available or error".to_owned()));
    }
    if table::has_dependents(tx, id)? {
        return Err(Error::Backup("Incremental backups exist for this backup.".to_owned()));
    }
    check_service(tx, None)?;
    let now = tx.now();
    found.request_id = tx.request_id();
    found.enter(Phase::Deleting, now);
    BACKUPS.save(tx, &mut found)?;
    Ok(tx.kick(KIND, id)?)
}

/// Puts a backup back into a volume, or into a new one; the volume.
pub(crate) fn restore(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: BackupId,
    (into, name): (Option<VolumeId>, Option<String>),
) -> Result<Stored<Volume>, Error> {
    let mut found = show_for(caller, tx, id, "backup:restore")?;
    if found.phase != Phase::Available {
        return Err(Error::Backup("Backup status must be available".to_owned()));
    }
    let now = tx.now();
    let volume = match into {
        None => {
            check_service(tx, None)?;
            let name = name.unwrap_or_else(|| format!("restore_backup_{id}"));
            let description = Some("auto-created_from_restore_from_backup".to_owned());
            let draft = VolumeDraft { name: Some(name), description, ..VolumeDraft::default() };
            new_volume(caller, tx, &found, draft)?
        }
        Some(id) => {
            let mut volume = volume::ops::show(caller, tx, id)?;
            if volume.phase != VolumePhase::Available {
                return Err(Error::Volume("Volume to be restored to must be available".to_owned()));
            }
            if volume.size_gib < found.size_gib {
                let text = format!(
                    "Invalid input received: volume size {} is too small to restore backup of size {}.",
                    volume.size_gib, found.size_gib
                );
                return Err(Error::Invalid(text));
            }
            check_encryption(&found, &volume)?;
            check_service(tx, volume.host.as_ref())?;
            volume.enter(VolumePhase::RestoringBackup, now);
            VOLUMES.save(tx, &mut volume)?;
            volume
        }
    };
    begin_restore(tx, &mut found, &volume)?;
    Ok(volume)
}

/// Makes a volume that has what a backup has.
pub(crate) fn make_volume(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: BackupId,
    draft: VolumeDraft,
) -> Result<Stored<Volume>, Error> {
    let mut found = show(caller, tx, id)?;
    if draft.image_id.is_some() || draft.snapshot_id.is_some() || draft.source_volume_id.is_some() {
        let text =
            "Invalid input received: May specify only one of snapshot, imageRef, source volume or backup";
        return Err(Error::Invalid(text.to_owned()));
    }
    if found.phase != Phase::Available {
        return Err(Error::Backup("Originating backup status must be one of 'available' values".to_owned()));
    }
    let least = found.size_gib;
    if let Some(size) = draft.size_gib.filter(|size| *size < least && *size > 0) {
        let text = format!(
            "Invalid input received: Volume size {size}GB cannot be smaller than the backup size {least}GB. It must be \
             >= backup size."
        );
        return Err(Error::Invalid(text));
    }
    let volume = new_volume(caller, tx, &found, draft)?;
    begin_restore(tx, &mut found, &volume)?;
    Ok(volume)
}

/// A volume that can be used once the backup was put into it.
fn new_volume(
    caller: &Caller,
    tx: &mut Tx<'_>,
    found: &Backup,
    draft: VolumeDraft,
) -> Result<Stored<Volume>, Error> {
    // What was encrypted can be read nowhere else than in a volume that is encrypted in the same way.
    let like = found.encryption.as_ref().and(found.volume_type_id).map(|id| id.to_string());
    let draft = VolumeDraft {
        volume_type: draft.volume_type.or(like),
        size_gib: draft.size_gib.or(Some(found.size_gib)),
        watcher: Some(WorkKey { kind: KIND.to_owned(), id: found.id.to_string() }),
        backup_id: Some(found.id),
        ..draft
    };
    let volume = volume::ops::create(caller, tx, draft)?;
    check_encryption(found, &volume)?;
    Ok(volume)
}

fn begin_restore(tx: &mut Tx<'_>, found: &mut Stored<Backup>, volume: &Volume) -> Result<(), Error> {
    let now = tx.now();
    found.request_id = tx.request_id();
    found.restoring = Some(volume.id);
    found.enter(Phase::Restoring, now);
    BACKUPS.save(tx, found)?;
    Ok(tx.kick(KIND, found.id)?)
}

/// The record by which another cloud that reaches the same objects can have a backup.
pub(crate) fn export(caller: &Caller, tx: &mut Tx<'_>, id: BackupId) -> Result<Stored<Backup>, Error> {
    let found = show_for(caller, tx, id, "backup:export-import")?;
    if found.phase != Phase::Available {
        let text = format!("Backup status must be available and not {}.", found.phase.status());
        return Err(Error::Backup(text));
    }
    if found.encryption.is_some() {
        let text = "It is of an encrypted volume, and its key is in no record.";
        return Err(Error::Backup(text.to_owned()));
    }
    check_service(tx, None)?;
    Ok(found)
}

/// Takes in a backup that another cloud wrote, or this one before it lost its database. A host looks whether it is there.
/// One that another program wrote is in error from the start.
pub(crate) fn import(
    caller: &Caller,
    tx: &mut Tx<'_>,
    service: &str,
    record: &str,
) -> Result<Stored<Backup>, Error> {
    let project = caller.project_id().cloned();
    let project = project.ok_or_else(|| Error::Denied("backup:backup-import".to_owned()))?;
    RULES.check("backup:backup-import", caller, &Target::project(&project))?;
    if services::backup_hosts(tx)?.is_empty() {
        return Err(Error::Unavailable(format!("Service {service} could not be found.")));
    }
    let now = tx.now();
    let (record, owner) = (Record::parse(record)?, (&project, &caller.user_id));
    let backup = match service {
        SERVICE => record.decode(owner, now)?,
        other => record.of_another(owner, now, other),
    };
    if BACKUPS.load(tx, backup.id)?.is_some() {
        return Err(Error::Backup("Backup already exists in database.".to_owned()));
    }
    if let Some(parent) = backup.parent_id {
        let is_there = BACKUPS.load(tx, parent)?.is_some_and(|parent| parent.phase != Phase::Deleting);
        if !is_there {
            let text = format!("Backup {parent}, which it adds to, must be imported first.");
            return Err(Error::Backup(text));
        }
    }
    let size = i64::from(backup.size_gib);
    quota::ops::check(tx, &project, None, &[(Resource::Backups, 1), (Resource::BackupGigabytes, size)])?;
    let request_id = tx.request_id();
    let backup = BACKUPS.insert(tx, Backup { request_id, ..backup })?;
    tx.kick(KIND, backup.id)?;
    Ok(backup)
}

/// A backup of an encrypted volume becomes a volume that is encrypted in the same way.
fn check_encryption(backup: &Backup, volume: &Volume) -> Result<(), Error> {
    let Some(encryption) = &backup.encryption else { return Ok(()) };
    if volume.encryption.as_ref().is_some_and(|other| encryption.is_like(other)) {
        return Ok(());
    }
    let text = format!(
        "Backup {} is of an encrypted volume; the volume to be restored to must be of a type with the same encryption.",
        backup.id
    );
    Err(Error::Volume(text))
}

/// Says by hand that a backup is good, or that it is not.
pub(crate) fn reset_phase(caller: &Caller, tx: &mut Tx<'_>, id: BackupId, phase: Phase) -> Result<(), Error> {
    let mut found = show_for(caller, tx, id, "volume_extension:backup_admin_actions:reset_status")?;
    if found.phase.is_moving() {
        let text = format!("A host is busy with it: its status is {}.", found.phase.status());
        return Err(Error::Backup(text));
    }
    check_service(tx, None)?;
    let now = tx.now();
    found.enter(phase, now);
    BACKUPS.save(tx, &mut found)?;
    Ok(())
}
