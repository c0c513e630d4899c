//! Makes snapshots be on their volumes' hosts, or no longer. What is wanted is said in the volume's document.

use agent_api::Kind;
use agent_api::block::VolumeSeen;
use nodes::documents::{self, Seen};
use reconcile::{Next, Reconciler, StepError};
use store::{Error, Stored, Tx};
use types::{HostId, SnapshotId, VolumeId};

use super::store::{self as table, SNAPSHOTS};
use super::{Phase, Purpose, Snapshot};
use crate::message::{Action, Detail, ops as messages};
use crate::volume::reconcile::{KIND as VOLUME_KIND, want, why};
use crate::volume::store::{VOLUMES, made_of};
use crate::volume::{HOST_TIME_MAX, Volume};
use crate::{group_snapshot, upload};

/// The reconciler's kind.
pub(crate) const KIND: &str = "block_storage::snapshot";

/// The reconciler of snapshots.
pub(crate) struct Snapshots;

impl Reconciler for Snapshots {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<SnapshotId>() else { return Ok(Next::Done) };
        let Some(mut snapshot) = SNAPSHOTS.load(tx, id)? else { return Ok(Next::Done) };
        Ok(match snapshot.phase {
            // One that is made is said to be so by an operator, who may say so.
            Phase::Creating if !snapshot.made => create(tx, &mut snapshot)?,
            Phase::Deleting | Phase::ErrorDeleting | Phase::Unmanaging if snapshot.unwanted => {
                delete(tx, &mut snapshot)?
            }
            _ => Next::Done,
        })
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::moving(tx)?.iter().map(ToString::to_string).collect())
    }
}

fn place(tx: &mut Tx<'_>, id: VolumeId) -> Result<Option<(Stored<Volume>, HostId)>, Error> {
    let volume = VOLUMES.load(tx, id)?;
    Ok(volume.and_then(|volume| volume.host.clone().map(|host| (volume, host))))
}

fn seen(tx: &mut Tx<'_>, volume: VolumeId, host: &HostId) -> Result<Option<Seen<VolumeSeen>>, Error> {
    documents::seen(tx, host, Kind::Volume, &volume.to_string())
}

fn create(tx: &mut Tx<'_>, snapshot: &mut Stored<Snapshot>) -> Result<Next, Error> {
    let now = tx.now();
    let Some((volume, host)) = place(tx, snapshot.volume_id)? else {
        return fail(tx, snapshot, "its volume is on no host".to_owned());
    };
    if siblings(tx, snapshot)?.iter().any(|other| other.phase == Phase::Error) {
        let fault = "another snapshot that was to be of the same moment could not be made";
        return fail(tx, snapshot, fault.to_owned());
    }
    want(tx, &volume, &host)?;
    let latest = seen(tx, volume.id, &host)?;
    let reason = why(latest.as_ref());
    let found = latest.filter(|found| found.current);
    let there = found.as_ref().and_then(|found| found.seen.as_ref());
    match (there, found.as_ref().and_then(|found| found.error.clone())) {
        (Some(there), None) if there.snapshots.contains(&snapshot.id) => {
            snapshot.made = true;
            snapshot.bytes_stay = false;
            snapshot.fault = None;
            snapshot.enter(Phase::Available, now);
            SNAPSHOTS.save(tx, snapshot)?;
            tell(tx, snapshot)?;
            Ok(Next::Done)
        }
        (_, Some(reason)) => fail(tx, snapshot, format!("host {host} cannot make it: {reason}")),
        _ if snapshot.is_overdue(now, volume.host_time_max()) => {
            let within = volume.host_time_max().as_secs();
            fail(tx, snapshot, format!("host {host} did not make it within {within} s{reason}"))
        }
        _ => Ok(Next::Again(HOST_TIME_MAX)),
    }
}

/// A snapshot that cannot be made is wanted nowhere any more.
fn fail(tx: &mut Tx<'_>, snapshot: &mut Stored<Snapshot>, fault: String) -> Result<Next, Error> {
    tracing::warn!(target: "block_storage::snapshot", snapshot = %snapshot.id, "{fault}");
    let now = tx.now();
    snapshot.fault = Some(fault);
    snapshot.enter(Phase::Error, now);
    SNAPSHOTS.save(tx, snapshot)?;
    if let Some((volume, host)) = place(tx, snapshot.volume_id)? {
        want(tx, &volume, &host)?;
    }
    leave_message(tx, snapshot, Action::SnapshotCreate, Detail::SnapshotCreateError)?;
    for other in siblings(tx, snapshot)? {
        tx.kick(KIND, other.id)?;
    }
    tell(tx, snapshot)?;
    Ok(Next::Done)
}

/// The other snapshots that are to be of the same moment.
fn siblings(tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<Vec<Stored<Snapshot>>, Error> {
    let Some(id) = snapshot.group_snapshot_id.filter(|_| snapshot.together) else { return Ok(Vec::new()) };
    let mut all = table::of_group(tx, id)?;
    all.retain(|other| other.id != snapshot.id);
    Ok(all)
}

/// The row goes once the host has reported that the snapshot is not there.
fn delete(tx: &mut Tx<'_>, snapshot: &mut Stored<Snapshot>) -> Result<Next, Error> {
    let now = tx.now();
    if !snapshot.removing {
        let is_read = !crate::backup::store::readers(tx, snapshot.id)?.is_empty();
        if is_read || !made_of(tx, snapshot.id)?.is_empty() {
            return Ok(Next::Again(HOST_TIME_MAX));
        }
        snapshot.removing = true;
        SNAPSHOTS.save(tx, snapshot)?;
    }
    let is_left = snapshot.is_left();
    let Some((volume, host)) = place(tx, snapshot.volume_id)? else { return remove(tx, snapshot) };
    if volume.is_wanted() {
        want(tx, &volume, &host)?;
    }
    match seen(tx, volume.id, &host)? {
        None => remove(tx, snapshot),
        Some(Seen { current: true, error: None, seen: Some(there), .. })
            if !there.snapshots.contains(&snapshot.id)
                && (!is_left || there.unmanaged_snapshots.contains(&snapshot.id)) =>
        {
            remove(tx, snapshot)
        }
        Some(found) if snapshot.phase == Phase::Deleting && snapshot.is_overdue(now, HOST_TIME_MAX) => {
            let reason = found.error.unwrap_or_else(|| "it does not answer".to_owned());
            snapshot.fault = Some(format!("host {host} has not removed it: {reason}"));
            snapshot.enter(Phase::ErrorDeleting, now);
            SNAPSHOTS.save(tx, snapshot)?;
            leave_message(tx, snapshot, Action::SnapshotDelete, Detail::SnapshotDeleteError)?;
            tell_group(tx, snapshot)?;
            Ok(Next::Again(HOST_TIME_MAX))
        }
        Some(_) => Ok(Next::Again(HOST_TIME_MAX)),
    }
}

/// Drops the row of a snapshot that is nowhere.
pub(crate) fn remove(tx: &mut Tx<'_>, snapshot: &mut Stored<Snapshot>) -> Result<Next, Error> {
    SNAPSHOTS.remove(tx, snapshot)?;
    tell(tx, snapshot)?;
    Ok(Next::Done)
}

/// Those that wait for the snapshot look again.
fn tell(tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    for backup in crate::backup::store::readers(tx, snapshot.id)? {
        tx.kick(crate::backup::reconcile::KIND, backup)?;
    }
    for volume in made_of(tx, snapshot.id)? {
        tx.kick(VOLUME_KIND, volume.id)?;
    }
    for upload in upload::store::of_volume(tx, snapshot.volume_id)? {
        tx.kick(upload::reconcile::KIND, upload)?;
    }
    tell_group(tx, snapshot)?;
    tx.kick(VOLUME_KIND, snapshot.volume_id)
}

fn tell_group(tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    match snapshot.group_snapshot_id {
        Some(id) => tx.kick(group_snapshot::reconcile::KIND, id),
        None => Ok(()),
    }
}

fn leave_message(tx: &mut Tx<'_>, snapshot: &Snapshot, action: Action, detail: Detail) -> Result<(), Error> {
    if snapshot.purpose == Purpose::Passing {
        return Ok(());
    }
    messages::leave_failure(tx, (action, detail), snapshot)
}
