//! Makes volumes be where and as large as they should: chooses a host, wants the volume there by a document, and reads
//! what the host reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_api::Kind;
use agent_api::block::{
    Copy, CopyFrom, CopySeen, CopyTo, ImageSource, Revert, Volume as Document, VolumeSeen, VolumeSource,
};
use nodes::documents::{self, Owner, Seen};
use nodes::hosts;
use reconcile::{Next, Reconciler, StepError};
use store::{Error, Stored, Tx};
use types::{HostId, SnapshotId, VolumeId, VolumeTypeId};

use super::place::{self, Choice};
use super::store::{self as table, VOLUMES};
use super::{HOST_TIME_MAX, PLACEMENT_TIME_MAX, Phase, SourceImage, Volume, limits};
use crate::encryption::{Formatting, Keyring, VolumeEncryption, ensure_key};
use crate::message::{Action, Detail, ops as messages};
use crate::snapshot::{self, Phase as SnapshotPhase, Snapshot};
use crate::{group, manageable, migration, upload, volume_type};

/// The reconciler's kind.
pub(crate) const KIND: &str = "block_storage::volume";
/// How often a volume without a host looks for one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Snapshots that are to be of one moment with those of other volumes, and which those are.
type Together = BTreeMap<SnapshotId, BTreeMap<VolumeId, SnapshotId>>;

/// The reconciler of volumes.
pub(crate) struct Volumes {
    /// Who makes and keeps the keys of encrypted ones.
    pub(crate) keys: Arc<dyn Keyring>,
}

impl Reconciler for Volumes {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<VolumeId>() else { return Ok(Next::Done) };
        let Some(mut volume) = VOLUMES.load(tx, id)? else { return Ok(Next::Done) };
        // What the host said of the volume says something of its snapshots.
        for snapshot in snapshot::store::of_volume(tx, id)? {
            if snapshot.phase.is_moving() {
                tx.kick(snapshot::reconcile::KIND, snapshot.id)?;
            }
        }
        migration::reconcile::look(tx, id)?;
        Ok(match volume.phase {
            Phase::Creating if !volume.made && volume.bytes_stay => {
                manageable::reconcile::manage(tx, &mut volume)?
            }
            // Where nothing is to be done, the phase is an operator's word.
            Phase::Creating if !volume.made => create(tx, &mut volume, self.keys.as_ref())?,
            Phase::Extending if volume.size_before_gib.is_some() => extend(tx, &mut volume)?,
            Phase::Reverting if volume.revert.is_some() => revert(tx, &mut volume)?,
            Phase::Retyping if volume.retype.is_some() => retype(tx, &mut volume)?,
            Phase::Deleting => delete(tx, &mut volume)?,
            Phase::ErrorDeleting | Phase::Unmanaging if volume.unwanted => delete(tx, &mut volume)?,
            _ if volume.bytes_stay => leave(tx, &volume)?,
            _ => refresh(tx, &volume)?,
        })
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::moving(tx)?.iter().map(ToString::to_string).collect())
    }
}

/// What a type asks of its volumes is another now: their hosts hear of it.
pub(crate) fn look_at_type(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<(), Error> {
    for volume in table::on_hosts(tx, id)? {
        tx.kick(KIND, volume)?;
    }
    Ok(())
}

/// A settled volume has a document that says what its row and its type say now.
fn refresh(tx: &mut Tx<'_>, volume: &Volume) -> Result<Next, Error> {
    if let (true, Some(host)) = (volume.is_wanted(), &volume.host) {
        want(tx, volume, host)?;
    }
    Ok(Next::Done)
}

/// Creates a volume. One that needs nothing but a host and a document there gets both at once, and what follows is the host's
/// word. In a database that others share a step of its own does that, so that requests do not wait for each other's hosts.
pub(crate) fn begin(tx: &mut Tx<'_>, mut volume: Volume) -> Result<Stored<Volume>, Error> {
    let needs_more = volume.host.is_some() || volume.from.is_some() || volume.encryption.is_some();
    if !needs_more
        && !tx.is_shared()
        && let Choice::Best(found) = place::choose(tx, (volume.volume_type_id, volume.size_gib))?
    {
        (volume.host, volume.backend) = (Some(found.host.clone()), found.backend);
        let volume = VOLUMES.insert(tx, volume)?;
        want(tx, &volume, &found.host)?;
        tx.look_after(KIND, volume.id, HOST_TIME_MAX)?;
        return Ok(volume);
    }
    let volume = VOLUMES.insert(tx, volume)?;
    tx.kick(KIND, volume.id)?;
    Ok(volume)
}

/// A volume without a host gets one; the host makes it, or says why not.
fn create(tx: &mut Tx<'_>, volume: &mut Stored<Volume>, keys: &dyn Keyring) -> Result<Next, Error> {
    let now = tx.now();
    let host = match volume.host.clone() {
        Some(host) => host,
        None => match find_host(tx, volume)? {
            Ok(host) => host,
            Err(next) => return Ok(next),
        },
    };
    if hosts::load(tx, &host)?.is_none() {
        return fail(tx, volume, format!("there is no host {host}"));
    }
    match source(tx, volume)? {
        Verdict::Done => {}
        Verdict::Waiting => return Ok(Next::Again(HOST_TIME_MAX)),
        Verdict::Refused(reason) => return fail(tx, volume, reason),
    }
    match volume.encryption.as_mut().map(|encryption| ensure_key(keys, encryption)) {
        Some(Ok(true)) => VOLUMES.save(tx, volume)?,
        Some(Ok(false)) | None => {}
        Some(Err(reason)) => return fail(tx, volume, format!("it gets no key: {reason}")),
    }
    want(tx, volume, &host)?;
    let said = seen(tx, volume, &host)?;
    let verdict = match verdict(volume, said.as_ref()) {
        Verdict::Done => encrypt(tx, volume, &host)?,
        verdict => verdict,
    };
    match verdict {
        Verdict::Done => {
            volume.made = true;
            volume.fault = None;
            let next = match volume.backup_id {
                Some(_) => Phase::RestoringBackup,
                None => volume.idle_phase(),
            };
            volume.enter(next, now);
            VOLUMES.save(tx, volume)?;
            release_source(tx, volume)?;
            tell_watcher(tx, volume)?;
            Ok(Next::Done)
        }
        Verdict::Refused(reason) => {
            messages::leave_failure(
                tx,
                (Action::CreateVolumeFromBackend, Detail::DriverFailedCreate),
                &**volume,
            )?;
            fail(tx, volume, format!("host {host} cannot make it: {reason}"))
        }
        Verdict::Waiting if volume.is_overdue(now, volume.host_time_max()) => {
            let (within, reason) = (volume.host_time_max().as_secs(), why(said.as_ref()));
            fail(tx, volume, format!("host {host} did not make it within {within} s{reason}"))
        }
        Verdict::Waiting => Ok(Next::Again(HOST_TIME_MAX)),
    }
}

/// The host that is to have a volume, or what comes of it that there is none.
fn find_host(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Result<HostId, Next>, Error> {
    let choice = place::choose(tx, (volume.volume_type_id, volume.size_gib))?;
    let full = choice == Choice::Full;
    if let Choice::Best(found) = choice {
        volume.host = Some(found.host.clone());
        volume.backend = found.backend;
        VOLUMES.save(tx, volume)?;
        return Ok(Ok(found.host));
    }
    let reason = if full {
        format!("no storage backend for it has {} GiB left", volume.size_gib)
    } else if place::is_impossible(tx, volume.volume_type_id)? {
        "no host has a storage backend that is what its type demands".to_owned()
    } else if volume.is_overdue(tx.now(), PLACEMENT_TIME_MAX) {
        "no host is up that could hold it; start or enable one".to_owned()
    } else {
        return Ok(Err(Next::Again(LOOK_EVERY)));
    };
    messages::leave_failure(tx, (Action::ScheduleAllocateVolume, Detail::NoBackendAvailable), &**volume)?;
    fail(tx, volume, reason).map(Err)
}

/// The host makes a new volume an encrypted one, with what it is to hold at first.
fn encrypt(tx: &mut Tx<'_>, volume: &mut Stored<Volume>, host: &HostId) -> Result<Verdict, Error> {
    let Some(encryption) = &volume.encryption else { return Ok(Verdict::Done) };
    let Some(formatting) = encryption.formatting else { return Ok(Verdict::Done) };
    let from = volume.image.as_ref().map_or(CopyFrom::Blank, |image| CopyFrom::Image(source_of(image)));
    let document = Copy { id: formatting.copy, from, to: CopyTo::Volume(volume.id), sealed: false };
    let (copy, id) = (formatting.copy.to_string(), volume.id.to_string());
    documents::put(tx, host, Kind::Copy, &copy, &document, Owner { kind: KIND, id: &id })?;
    let found = documents::seen::<CopySeen>(tx, host, Kind::Copy, &copy)?.filter(|found| found.current);
    let (seen, error) = found.map(|found| (found.seen, found.error)).unwrap_or_default();
    let seen = seen.unwrap_or_default();
    if let Some(reason) = error {
        return Ok(Verdict::Refused(reason));
    }
    let now = tx.now();
    let Some(encryption) = &mut volume.encryption else { return Ok(Verdict::Done) };
    if seen.done.is_some() {
        encryption.formatting = None;
        documents::remove(tx, host, Kind::Copy, &copy)?;
        return Ok(Verdict::Done);
    }
    if seen.percent != formatting.percent {
        encryption.formatting = Some(Formatting { percent: seen.percent, ..formatting });
        // As long as it gets on it is not overdue.
        volume.phase_since = now;
        VOLUMES.save(tx, volume)?;
    }
    Ok(Verdict::Waiting)
}

/// Nothing is written any more to a volume that was to be encrypted.
fn end_encrypting(tx: &mut Tx<'_>, volume: &Volume, host: &HostId) -> Result<(), Error> {
    match volume.encryption.as_ref().and_then(|encryption| encryption.formatting) {
        Some(formatting) => documents::remove(tx, host, Kind::Copy, &formatting.copy.to_string()),
        None => Ok(()),
    }
}

/// Whether the snapshot is there that the volume is to be made of.
fn source(tx: &mut Tx<'_>, volume: &Volume) -> Result<Verdict, Error> {
    let Some(from) = volume.from else { return Ok(Verdict::Done) };
    let found = snapshot::store::SNAPSHOTS.load(tx, from.id)?.filter(|found| !found.removing);
    Ok(match found {
        None => Verdict::Refused("what it was to be made of is gone".to_owned()),
        Some(found) if found.made => Verdict::Done,
        Some(found) if found.phase == SnapshotPhase::Creating => Verdict::Waiting,
        Some(found) => {
            let fault = found.fault.clone().unwrap_or_else(|| "it was never made".to_owned());
            Verdict::Refused(format!("its source cannot be read: {fault}"))
        }
    })
}

/// Nothing is made of the snapshot any more; one that was held for this volume goes.
fn release_source(tx: &mut Tx<'_>, volume: &Volume) -> Result<(), Error> {
    let Some(from) = volume.from else { return Ok(()) };
    if volume.is_clone {
        snapshot::ops::release(tx, from.id)?;
    }
    tx.kick(snapshot::reconcile::KIND, from.id)?;
    tx.kick(KIND, from.volume)
}

/// A volume that cannot be made is wanted nowhere any more.
pub(crate) fn fail(tx: &mut Tx<'_>, volume: &mut Stored<Volume>, fault: String) -> Result<Next, Error> {
    tracing::warn!(target: "block_storage::volume", volume = %volume.id, "{fault}");
    let now = tx.now();
    let uploads = upload::store::of_volume(tx, volume.id)?;
    if !uploads.is_empty() {
        for id in uploads {
            tx.kick(upload::reconcile::KIND, id)?;
        }
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    if let Some(host) = volume.host.clone().filter(|_| !volume.bytes_stay) {
        end_encrypting(tx, volume, &host)?;
        documents::remove(tx, &host, Kind::Volume, &volume.id.to_string())?;
    }
    volume.fail(Phase::Error, fault, now);
    VOLUMES.save(tx, volume)?;
    let next = leave(tx, volume)?;
    release_source(tx, volume)?;
    tell_watcher(tx, volume)?;
    Ok(next)
}

/// A volume that could not be managed is not on its host any more, where its bytes stay.
fn leave(tx: &mut Tx<'_>, volume: &Volume) -> Result<Next, Error> {
    let Some(host) = volume.host.as_ref().filter(|_| volume.is_left()) else { return Ok(Next::Done) };
    if !is_left(tx, volume, host)? {
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    documents::remove(tx, host, Kind::Volume, &volume.id.to_string())?;
    Ok(Next::Done)
}

/// Whether the host has left the bytes of a volume to others, so that nothing goes with its document; also where it never
/// had one.
fn is_left(tx: &mut Tx<'_>, volume: &Volume, host: &HostId) -> Result<bool, Error> {
    if seen(tx, volume, host)?.is_none_or(|seen| seen.removing) {
        return Ok(true);
    }
    want(tx, volume, host)?;
    let said = seen(tx, volume, host)?.filter(|said| said.current && said.error.is_none());
    Ok(said.and_then(|said| said.seen).is_some_and(|there| there.unmanaged))
}

/// The host makes it larger, through the VM that has it if there is one. If it cannot, the old size counts again.
fn extend(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Next, Error> {
    let now = tx.now();
    let Some(host) = volume.host.clone() else { return fail(tx, volume, "it is on no host".to_owned()) };
    want(tx, volume, &host)?;
    let seen = seen(tx, volume, &host)?;
    let reason = match verdict(volume, seen.as_ref()) {
        Verdict::Done => {
            volume.size_before_gib = None;
            let idle = volume.idle_phase();
            volume.enter(idle, now);
            VOLUMES.save(tx, volume)?;
            tell_watcher(tx, volume)?;
            return Ok(Next::Done);
        }
        Verdict::Waiting if !volume.is_overdue(now, HOST_TIME_MAX) => return Ok(Next::Again(HOST_TIME_MAX)),
        Verdict::Waiting => format!("host {host} did not make it larger in time{}", why(seen.as_ref())),
        Verdict::Refused(reason) => format!("host {host} cannot make it larger: {reason}"),
    };
    tracing::warn!(target: "block_storage::volume", volume = %volume.id, "{reason}");
    volume.size_gib = volume.size_before_gib.take().unwrap_or(volume.size_gib);
    volume.fail(Phase::ErrorExtending, reason, now);
    VOLUMES.save(tx, volume)?;
    messages::leave_failure(tx, (Action::ExtendVolume, Detail::DriverFailedExtend), &**volume)?;
    refresh(tx, volume)
}

/// The host puts it back to a snapshot.
fn revert(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Next, Error> {
    let now = tx.now();
    let (Some(host), Some(revert)) = (volume.host.clone(), volume.revert.clone()) else {
        let idle = volume.idle_phase();
        volume.enter(idle, now);
        VOLUMES.save(tx, volume)?;
        return Ok(Next::Done);
    };
    want(tx, volume, &host)?;
    let found = seen(tx, volume, &host)?.filter(|found| found.current);
    let (error, there) = found.map(|found| (found.error, found.seen)).unwrap_or_default();
    let done = there.is_some_and(|there| there.reverted.as_ref() == Some(&revert.token));
    let fault = match (done, error) {
        (true, _) => None,
        (false, Some(reason)) => Some(format!("host {host} cannot revert it: {reason}")),
        (false, None) if volume.is_overdue(now, volume.host_time_max()) => {
            Some(format!("host {host} did not revert it in time"))
        }
        (false, None) => return Ok(Next::Again(HOST_TIME_MAX)),
    };
    volume.revert = None;
    match fault {
        None => {
            let idle = volume.idle_phase();
            volume.enter(idle, now);
        }
        Some(fault) => {
            tracing::warn!(target: "block_storage::volume", volume = %volume.id, "{fault}");
            volume.fail(Phase::Error, fault, now);
        }
    }
    VOLUMES.save(tx, volume)?;
    snapshot::ops::end_restoring(tx, revert.snapshot)?;
    refresh(tx, volume)
}

/// The host has it be for several servers, or for one again, once nobody reads it any more. If it cannot, the volume has
/// its old type again.
fn retype(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Next, Error> {
    let now = tx.now();
    let (Some(host), Some(retype)) = (volume.host.clone(), volume.retype) else {
        return fail(tx, volume, "it is on no host".to_owned());
    };
    if volume.multiattach != retype.multiattach {
        if !snapshot::store::of_volume(tx, volume.id)?.is_empty() {
            return Ok(Next::Again(LOOK_EVERY));
        }
        volume.multiattach = retype.multiattach;
        volume.phase_since = now;
    }
    want(tx, volume, &host)?;
    let seen = seen(tx, volume, &host)?;
    let reason = match verdict(volume, seen.as_ref()) {
        Verdict::Done => None,
        Verdict::Waiting if !volume.is_overdue(now, volume.host_time_max()) => {
            VOLUMES.save(tx, volume)?;
            return Ok(Next::Again(HOST_TIME_MAX));
        }
        Verdict::Waiting => Some(format!("host {host} did not do it in time{}", why(seen.as_ref()))),
        Verdict::Refused(reason) => Some(format!("host {host} cannot do it: {reason}")),
    };
    volume.retype = None;
    let idle = volume.idle_phase();
    volume.enter(idle, now);
    if let Some(reason) = reason {
        tracing::warn!(target: "block_storage::volume", volume = %volume.id, "it keeps its type: {reason}");
        volume.multiattach = !retype.multiattach;
        volume.volume_type_id = retype.from;
        volume.fault = Some(reason);
        messages::leave_failure(tx, (Action::ScheduleAllocateVolume, Detail::UnknownError), &**volume)?;
    }
    VOLUMES.save(tx, volume)?;
    refresh(tx, volume)
}

/// The row goes once the host has reported that nothing is left. What is being made of its snapshots goes first.
fn delete(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Next, Error> {
    let now = tx.now();
    if migration::store::of_volume(tx, volume.id)?.is_some() {
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    let snapshots = snapshot::store::of_volume(tx, volume.id)?;
    for snapshot in &snapshots {
        let is_read = !crate::backup::store::readers(tx, snapshot.id)?.is_empty();
        if is_read || !table::made_of(tx, snapshot.id)?.is_empty() {
            return Ok(Next::Again(HOST_TIME_MAX));
        }
    }
    if let Some(host) = volume.host.clone() {
        end_encrypting(tx, volume, &host)?;
        if volume.bytes_stay && !is_left(tx, volume, &host)? {
            return still_there(tx, volume, &host);
        }
        documents::remove(tx, &host, Kind::Volume, &volume.id.to_string())?;
        if let Some(seen) = seen(tx, volume, &host)? {
            if volume.phase == Phase::Deleting && volume.is_overdue(now, HOST_TIME_MAX) {
                let reason = seen.error.unwrap_or_else(|| "it does not answer".to_owned());
                volume.fail(Phase::ErrorDeleting, format!("host {host} has not removed it: {reason}"), now);
                VOLUMES.save(tx, volume)?;
                tell_group(tx, volume)?;
            }
            return Ok(Next::Again(HOST_TIME_MAX));
        }
    }
    for mut snapshot in snapshots {
        snapshot::reconcile::remove(tx, &mut snapshot)?;
    }
    VOLUMES.remove(tx, volume)?;
    release_source(tx, volume)?;
    tell_group(tx, volume)?;
    Ok(Next::Done)
}

/// A host that takes long to leave a volume to others says why.
fn still_there(tx: &mut Tx<'_>, volume: &mut Stored<Volume>, host: &HostId) -> Result<Next, Error> {
    if volume.fault.is_none() && volume.is_overdue(tx.now(), HOST_TIME_MAX) {
        let said = seen(tx, volume, host)?;
        volume.fault = Some(format!("host {host} has not left it to others{}", why(said.as_ref())));
        tracing::warn!(target: "block_storage::volume", volume = %volume.id, "{:?}", volume.fault);
        VOLUMES.save(tx, volume)?;
    }
    Ok(Next::Again(HOST_TIME_MAX))
}

/// What the host's last word means.
pub(crate) enum Verdict {
    Done,
    Waiting,
    Refused(String),
}

/// What a host says that it waits for.
pub(crate) fn why(seen: Option<&Seen<VolumeSeen>>) -> String {
    let said = seen.and_then(|seen| seen.error.as_ref());
    said.map(|said| format!(": {said}")).unwrap_or_default()
}

/// What a host has not acted on yet, for it waits for its storage, may still become so.
pub(crate) fn verdict(volume: &Volume, seen: Option<&Seen<VolumeSeen>>) -> Verdict {
    let Some(seen) = seen.filter(|seen| seen.current) else { return Verdict::Waiting };
    match (&seen.error, &seen.seen) {
        (Some(reason), _) => Verdict::Refused(reason.clone()),
        (None, Some(there)) if there.size_gib >= u64::from(volume.size_gib) => Verdict::Done,
        (None, _) => Verdict::Waiting,
    }
}

/// Says on its host what is wanted of a volume.
pub(crate) fn want(tx: &mut Tx<'_>, volume: &Volume, host: &HostId) -> Result<(), Error> {
    let recipe = volume_type::ops::recipe(tx, volume.volume_type_id).map_err(|error| error.into_store())?;
    // What is clear would stay so below what the guest writes: an image is copied into an encrypted volume.
    let is_as_secret = volume.encryption.as_ref().is_none_or(|encryption| encryption.of_encrypted_image);
    let is_clone = volume.from.is_none() && is_as_secret && !volume.is_whole;
    let image = volume.image.as_ref().filter(|_| is_clone);
    let image = image.map(|image| VolumeSource::Image(source_of(image)));
    let source = volume.from.filter(|_| !volume.is_whole);
    let snapshot = source.map(|from| VolumeSource::Snapshot { volume: from.volume, id: from.id });
    let unmanaged = volume.managed_from.clone().filter(|_| !volume.is_whole).map(VolumeSource::Unmanaged);
    let held = snapshot::store::of_volume(tx, volume.id)?;
    let revert = volume.revert.as_ref();
    let document = Document {
        id: volume.id,
        backend: volume.backend.clone(),
        elsewhere: migration::store::elsewhere(tx, volume.id)?,
        size_gib: volume.size_gib.into(),
        source: snapshot.or(image).or(unmanaged).unwrap_or_default(),
        unmanaged: volume.is_left(),
        snapshots: held.iter().filter(|one| one.is_on_host()).map(|one| one.id).collect(),
        together: together(tx, &held)?,
        managed_snapshots: held
            .iter()
            .filter_map(|one| Some((one.id, one.to_be_managed()?.to_owned())))
            .collect(),
        unmanaged_snapshots: held.iter().filter(|one| one.is_left()).map(|one| one.id).collect(),
        revert: revert.map(|revert| Revert { token: revert.token.clone(), snapshot: revert.snapshot }),
        encryption: volume.encryption.as_ref().map(VolumeEncryption::for_host),
        read_only: volume.read_only == Some(true),
        multiattach: volume.multiattach,
        limits: recipe.qos_specs.as_ref().map(limits::of).unwrap_or_default(),
    };
    let id = volume.id.to_string();
    documents::put(tx, host, Kind::Volume, &id, &document, Owner { kind: KIND, id: &id })
}

/// Those of its snapshots that are still to be made, of one moment with others, and which those are.
fn together(tx: &mut Tx<'_>, held: &[Stored<Snapshot>]) -> Result<Together, Error> {
    let mut together = Together::new();
    for one in held.iter().filter(|one| one.together && one.phase == SnapshotPhase::Creating) {
        let Some(id) = one.group_snapshot_id.filter(|_| !one.made) else { continue };
        let all = snapshot::store::of_group(tx, id)?;
        together.insert(one.id, all.iter().map(|part| (part.volume_id, part.id)).collect());
    }
    Ok(together)
}

fn source_of(image: &SourceImage) -> ImageSource {
    ImageSource { id: image.id, format: image.format.clone() }
}

/// What the host says of a volume.
pub(crate) fn seen(
    tx: &mut Tx<'_>,
    volume: &Volume,
    host: &HostId,
) -> Result<Option<Seen<VolumeSeen>>, Error> {
    documents::seen(tx, host, Kind::Volume, &volume.id.to_string())
}

/// Those look again that wait for the volume to be made, or to be larger.
pub(crate) fn tell_watcher(tx: &mut Tx<'_>, volume: &Volume) -> Result<(), Error> {
    tell_group(tx, volume)?;
    let watchers = volume.attachments.iter().map(|held| &held.watcher).chain([&volume.watcher]);
    watchers.flatten().try_for_each(|key| tx.kick(&key.kind, &key.id))
}

fn tell_group(tx: &mut Tx<'_>, volume: &Volume) -> Result<(), Error> {
    match volume.group_id {
        Some(id) => tx.kick(group::reconcile::KIND, id),
        None => Ok(()),
    }
}
