//! Has hosts write backups, put them back and remove them.

use agent_api::block::{Copy, CopyFrom, CopyTo};
use nodes::documents::Owner;
use reconcile::{Next, Reconciler, StepError};
use store::{Error, Stored, Tx};
use types::{BackupId, CopyId, HostId};

use super::model::Job;
use super::store::{self as table, BACKUPS};
use super::{Backup, Phase};
use crate::copies::{self, Copying};
use crate::message::{Action, Detail, ops as messages};
use crate::service;
use crate::snapshot::store::SNAPSHOTS;
use crate::snapshot::{self, Phase as SnapshotPhase};
use crate::volume::reconcile::KIND as VOLUME_KIND;
use crate::volume::store::VOLUMES;
use crate::volume::{COPY_TIME_MAX, HOST_TIME_MAX, Phase as VolumePhase};

/// The reconciler's kind.
pub(crate) const KIND: &str = "block_storage::backup";

/// The reconciler of backups.
pub(crate) struct Backups;

impl Reconciler for Backups {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<BackupId>() else { return Ok(Next::Done) };
        let Some(mut backup) = BACKUPS.load(tx, id)? else { return Ok(Next::Done) };
        Ok(match backup.phase {
            Phase::Creating if backup.is_import => import(tx, &mut backup)?,
            Phase::Creating => create(tx, &mut backup)?,
            Phase::Restoring => restore(tx, &mut backup)?,
            Phase::Deleting => delete(tx, &mut backup)?,
            Phase::Available | Phase::Error | Phase::ErrorDeleting => Next::Done,
        })
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::moving(tx)?.iter().map(ToString::to_string).collect())
    }
}

/// A host writes it, once the snapshot is there that it reads.
fn create(tx: &mut Tx<'_>, backup: &mut Stored<Backup>) -> Result<Next, Error> {
    let snapshot = match backup.held {
        Some(id) => SNAPSHOTS.load(tx, id)?,
        None => None,
    };
    let volume = VOLUMES.load(tx, backup.volume_id)?;
    let (Some(snapshot), Some(host)) = (snapshot, volume.and_then(|volume| volume.host.clone())) else {
        return fail_create(tx, backup, "the volume went before it was read".to_owned());
    };
    if backup.job.is_none() && !service::ops::makes_backups(tx, &host)? {
        messages::leave_failure(tx, (Action::BackupCreate, Detail::BackupScheduleError), &**backup)?;
        backup.fail_reason = Some("Service not found for creating backup.".to_owned());
        return end_create(tx, backup, Phase::Error);
    }
    if !snapshot.made {
        return match snapshot.phase {
            SnapshotPhase::Creating => Ok(Next::Again(HOST_TIME_MAX)),
            _ => {
                let fault = snapshot.fault.clone().unwrap_or_else(|| "it was never made".to_owned());
                fail_create(tx, backup, format!("the volume cannot be read: {fault}"))
            }
        };
    }
    let from = CopyFrom::Snapshot { volume: snapshot.volume_id, id: snapshot.id };
    let parent = match backup.parent_id {
        Some(id) => Some(BACKUPS.load(tx, id)?.map_or(id, |parent| parent.objects_id())),
        None => None,
    };
    let to = CopyTo::Backup { id: backup.id, parent };
    match work(tx, backup, host, (from, to))? {
        Copying::Going(_) => Ok(Next::Again(HOST_TIME_MAX)),
        Copying::Failed(reason) => fail_create(tx, backup, reason),
        Copying::Done(copied) => {
            backup.objects = copied.objects;
            backup.fail_reason = None;
            end_create(tx, backup, Phase::Available)
        }
    }
}

fn fail_create(tx: &mut Tx<'_>, backup: &mut Stored<Backup>, reason: String) -> Result<Next, Error> {
    tracing::warn!(target: "block_storage::backup", backup = %backup.id, "{reason}");
    backup.fail_reason = Some(reason);
    messages::leave_failure(tx, (Action::BackupCreate, Detail::BackupCreateDriverError), &**backup)?;
    end_create(tx, backup, Phase::Error)
}

/// A host looks whether it is there.
fn import(tx: &mut Tx<'_>, backup: &mut Stored<Backup>) -> Result<Next, Error> {
    let Some(host) = any_host(tx)? else { return Ok(Next::Again(HOST_TIME_MAX)) };
    let from = CopyFrom::Backup(backup.objects_id());
    let reason = match work(tx, backup, host, (from, CopyTo::Check))? {
        Copying::Going(_) => return Ok(Next::Again(HOST_TIME_MAX)),
        Copying::Failed(reason) => reason,
        Copying::Done(copied) if !is_as_large(backup, copied.virtual_size_bytes) => {
            format!("its disk has {} bytes", copied.virtual_size_bytes)
        }
        Copying::Done(copied) => {
            backup.objects = copied.objects;
            backup.is_import = false;
            return end_create(tx, backup, Phase::Available);
        }
    };
    tracing::warn!(target: "block_storage::backup", backup = %backup.id, "it is not what its record says: {reason}");
    backup.fail_reason = Some(reason);
    end_create(tx, backup, Phase::Error)
}

/// Whether its disk is as large as it says. That in a snapshot may be smaller, for the volume grew since.
fn is_as_large(backup: &Backup, disk_bytes: u64) -> bool {
    let said_bytes = u64::from(backup.size_gib) << 30;
    if backup.snapshot_id.is_some() { disk_bytes <= said_bytes } else { disk_bytes == said_bytes }
}

/// Nothing is read any more: what was held is let go, and the volume is as it was.
fn end_create(tx: &mut Tx<'_>, backup: &mut Stored<Backup>, phase: Phase) -> Result<Next, Error> {
    let now = tx.now();
    end_job(tx, backup)?;
    let held = backup.held.take();
    backup.enter(phase, now);
    BACKUPS.save(tx, backup)?;
    if let Some(held) = held {
        snapshot::ops::release(tx, held)?;
        tx.kick(snapshot::reconcile::KIND, held)?;
    }
    settle_volume(tx, backup, VolumePhase::BackingUp)?;
    Ok(Next::Done)
}

/// The volume of a backup that was made is idle again.
fn settle_volume(tx: &mut Tx<'_>, backup: &Backup, from: VolumePhase) -> Result<(), Error> {
    if let Some(mut volume) = VOLUMES.load(tx, backup.volume_id)?.filter(|volume| volume.phase == from) {
        let now = tx.now();
        let idle = volume.idle_phase();
        volume.enter(idle, now);
        VOLUMES.save(tx, &mut volume)?;
        tx.kick(VOLUME_KIND, volume.id)?;
    }
    Ok(())
}

/// A host puts it back, once the volume is there that it goes to.
fn restore(tx: &mut Tx<'_>, backup: &mut Stored<Backup>) -> Result<Next, Error> {
    let now = tx.now();
    let volume = match backup.restoring {
        Some(id) => VOLUMES.load(tx, id)?,
        None => None,
    };
    let Some(mut volume) = volume else { return end_restore(tx, backup, Some("the volume went".to_owned())) };
    match volume.phase {
        VolumePhase::Creating => return Ok(Next::Again(HOST_TIME_MAX)),
        VolumePhase::RestoringBackup => {}
        VolumePhase::Available => {
            volume.watcher = None;
            volume.enter(VolumePhase::RestoringBackup, now);
            VOLUMES.save(tx, &mut volume)?;
        }
        phase => {
            let reason = format!("the volume is {phase}: {}", volume.fault.as_deref().unwrap_or("in use"));
            return end_restore(tx, backup, Some(reason));
        }
    }
    let Some(host) = volume.host.clone() else {
        return end_restore(tx, backup, Some("the volume is on no host".to_owned()));
    };
    // That of a volume that was there before was asked for when it was promised.
    let is_new = volume.backup_id == Some(backup.id);
    if is_new && backup.job.is_none() && !service::ops::makes_backups(tx, &host)? {
        return end_restore(tx, backup, Some(format!("the backup service of host {host} is out of use")));
    }
    let from = CopyFrom::Backup(backup.objects_id());
    match work(tx, backup, host, (from, CopyTo::Volume(volume.id)))? {
        Copying::Going(_) => Ok(Next::Again(HOST_TIME_MAX)),
        Copying::Failed(reason) => end_restore(tx, backup, Some(reason)),
        Copying::Done(_) => end_restore(tx, backup, None),
    }
}

/// The backup is as good as before; what became of the volume it says itself.
fn end_restore(tx: &mut Tx<'_>, backup: &mut Stored<Backup>, fault: Option<String>) -> Result<Next, Error> {
    let now = tx.now();
    end_job(tx, backup)?;
    let volume = backup.restoring.take();
    if let Some(reason) = &fault {
        tracing::warn!(target: "block_storage::backup", backup = %backup.id, "it was not put back: {reason}");
        messages::leave_failure(tx, (Action::BackupRestore, Detail::BackupRestoreError), &**backup)?;
    }
    backup.fail_reason.clone_from(&fault);
    backup.enter(Phase::Available, now);
    BACKUPS.save(tx, backup)?;
    let Some(id) = volume else { return Ok(Next::Done) };
    let Some(mut volume) = VOLUMES.load(tx, id)? else { return Ok(Next::Done) };
    if volume.phase == VolumePhase::RestoringBackup {
        let is_new = volume.backup_id.take() == Some(backup.id);
        volume.watcher = volume.watcher.take().filter(|_| !is_new);
        match fault {
            None => {
                if let Some(encryption) = &backup.encryption {
                    // It has the header of the volume that was backed up, which opens with that one's key.
                    volume.encryption = Some(encryption.cloned());
                }
                if let Some(said) = backup.of_volume.clone() {
                    volume.metadata = said.metadata;
                    volume.bootable |= !said.image_metadata.is_empty();
                    volume.image_metadata = said.image_metadata;
                }
                volume.enter(VolumePhase::Available, now);
                tx.kick(VOLUME_KIND, id)?;
            }
            Some(reason) if is_new => volume.fail(VolumePhase::Error, reason, now),
            Some(reason) => volume.fail(VolumePhase::ErrorRestoring, reason, now),
        }
        VOLUMES.save(tx, &mut volume)?;
    }
    Ok(Next::Done)
}

/// The row goes once a host has removed all objects. Which host is nothing to them.
fn delete(tx: &mut Tx<'_>, backup: &mut Stored<Backup>) -> Result<Next, Error> {
    if let Some(held) = backup.held.take() {
        end_job(tx, backup)?;
        BACKUPS.save(tx, backup)?;
        snapshot::ops::release(tx, held)?;
        tx.kick(snapshot::reconcile::KIND, held)?;
        settle_volume(tx, backup, VolumePhase::BackingUp)?;
    }
    // What was never seen to be the record's is nothing to remove, nor is what another backup is made of.
    if backup.is_import || table::shares_objects(tx, backup)? {
        end_job(tx, backup)?;
        return remove(tx, backup);
    }
    let now = tx.now();
    let Some(host) = any_host(tx)? else { return remove(tx, backup) };
    let from = CopyFrom::Backup(backup.objects_id());
    match work(tx, backup, host, (from, CopyTo::Nothing))? {
        Copying::Going(_) => Ok(Next::Again(HOST_TIME_MAX)),
        Copying::Done(_) => {
            end_job(tx, backup)?;
            remove(tx, backup)
        }
        Copying::Failed(reason) => {
            end_job(tx, backup)?;
            backup.fail_reason = Some(reason);
            backup.enter(Phase::ErrorDeleting, now);
            messages::leave_failure(tx, (Action::BackupDelete, Detail::BackupDeleteDriverError), &**backup)?;
            BACKUPS.save(tx, backup)?;
            Ok(Next::Done)
        }
    }
}

/// A host, for what each can do: one that makes backups, as long as there is one. What was promised others do, too.
fn any_host(tx: &mut Tx<'_>) -> Result<Option<HostId>, Error> {
    if let Some(host) = service::ops::backup_hosts(tx)?.into_iter().next() {
        return Ok(Some(host));
    }
    let (now, hosts) = (tx.now(), nodes::hosts::list(tx)?);
    let host = hosts.iter().find(|host| host.is_up(now)).or(hosts.first());
    Ok(host.map(|host| host.id.clone()))
}

fn remove(tx: &mut Tx<'_>, backup: &mut Stored<Backup>) -> Result<Next, Error> {
    BACKUPS.remove(tx, backup)?;
    Ok(Next::Done)
}

/// Has a host make a copy, which is the backup's job until it ends.
fn work(
    tx: &mut Tx<'_>,
    backup: &mut Stored<Backup>,
    host: HostId,
    (from, to): (CopyFrom, CopyTo),
) -> Result<Copying, Error> {
    let job = match backup.job.clone() {
        Some(job) => job,
        None => {
            let job = Job { copy: CopyId(runtime::new_uuid()), host };
            backup.job = Some(job.clone());
            BACKUPS.save(tx, backup)?;
            job
        }
    };
    let owner = backup.id.to_string();
    let document = Copy { id: job.copy, from, to, sealed: backup.encryption.is_some() };
    Ok(match copies::ask(tx, &job.host, &document, Owner { kind: KIND, id: &owner })? {
        Copying::Going(_) if backup.is_overdue(tx.now(), COPY_TIME_MAX) => {
            Copying::Failed(format!("host {} has not done it in time", job.host))
        }
        copying => copying,
    })
}

fn end_job(tx: &mut Tx<'_>, backup: &mut Stored<Backup>) -> Result<(), Error> {
    match backup.job.take() {
        Some(job) => copies::end(tx, &job.host, job.copy).map(drop),
        None => Ok(()),
    }
}
