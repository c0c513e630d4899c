//! Moves a volume step by step: waits for the moment that is held and for room where it goes, has the host copy it, says
//! that the volume is there, and has the host remove what is left over.

use std::sync::Arc;
use std::time::Duration;

use agent_api::block::{Copy, CopyFrom, CopyTo, ElsewhereSeen, ImageSource};
use nodes::documents::Owner;
use reconcile::{Next, Reconciler, StepError};
use store::{Error, Stored, Tx};
use types::VolumeId;

use super::store::{self as table, MIGRATIONS};
use super::{Anew, Migration, Phase, Reimage, live};
use crate::copies::{self, Copying};
use crate::encryption::{Keyring, ensure_key};
use crate::message::{Action, Detail, ops as messages};
use crate::snapshot::{self, store::SNAPSHOTS};
use crate::volume::reconcile::{KIND as VOLUME_KIND, seen, want};
use crate::volume::store::VOLUMES;
use crate::volume::{HOST_TIME_MAX, Phase as VolumePhase, Volume};

/// The reconciler's kind. Its keys are the volumes'.
pub(crate) const KIND: &str = "block_storage::migration";
/// How often to look whether the volume is still left alone.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The reconciler of migrations.
pub(crate) struct Migrations {
    /// Who makes and keeps the keys of volumes that come to be encrypted.
    pub(crate) keys: Arc<dyn Keyring>,
}

impl Reconciler for Migrations {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<VolumeId>() else { return Ok(Next::Done) };
        let Some(mut migration) = table::of_volume(tx, id)? else { return Ok(Next::Done) };
        let Some(mut volume) = VOLUMES.load(tx, id)?.filter(|volume| volume.is_wanted()) else {
            return Ok(forget(tx, &migration)?);
        };
        let both = (&mut migration, &mut volume);
        Ok(match both.0.phase {
            Phase::Holding if both.0.is_live() => live::make_room(tx, both)?,
            Phase::Copying if both.0.is_live() => live::follow(tx, both)?,
            Phase::Holding => hold(tx, both, self.keys.as_ref())?,
            Phase::Copying => copy(tx, both)?,
            Phase::Stopping => stop(tx, both)?,
            Phase::Undoing | Phase::Leaving => clear(tx, both)?,
        })
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::all(tx)?.iter().map(|migration| migration.volume_id.to_string()).collect())
    }
}

/// The migration of a volume, if it has one, looks again.
pub(crate) fn look(tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    match table::of_volume(tx, id)? {
        Some(_) => tx.kick(KIND, id),
        None => Ok(()),
    }
}

pub(super) type Both<'s> = (&'s mut Stored<Migration>, &'s mut Stored<Volume>);

/// What the host says of the other backend, if it is about what is wanted there now.
pub(super) fn elsewhere(
    tx: &mut Tx<'_>,
    migration: &Migration,
    volume: &Volume,
) -> Result<Option<ElsewhereSeen>, Error> {
    want(tx, volume, &migration.host)?;
    let found = seen(tx, volume, &migration.host)?.filter(|found| found.current && found.error.is_none());
    let there = found.and_then(|found| found.seen).and_then(|there| there.elsewhere);
    Ok(there.filter(|there| there.wish == migration.elsewhere()))
}

/// The host makes the snapshot, if there is to be one, and a blank volume where this one goes.
fn hold(tx: &mut Tx<'_>, (migration, volume): Both<'_>, keys: &dyn Keyring) -> Result<Next, Error> {
    if !migration.has(volume) {
        return give_up(tx, (migration, volume), "the volume was taken".to_owned());
    }
    let encryption = migration.anew.as_mut().and_then(|anew| anew.encryption.as_mut());
    match encryption.map(|encryption| ensure_key(keys, encryption)) {
        Some(Ok(true)) => MIGRATIONS.save(tx, migration)?,
        Some(Ok(false)) | None => {}
        Some(Err(reason)) => return give_up(tx, (migration, volume), format!("it gets no key: {reason}")),
    }
    let there = elsewhere(tx, migration, volume)?;
    if let Some(text) = cannot_make(migration, there.as_ref()) {
        return give_up(tx, (migration, volume), text);
    }
    let is_held = match is_held(tx, migration)? {
        Ok(is_held) => is_held,
        Err(fault) => return give_up(tx, (migration, volume), fault),
    };
    if is_held && there.is_some() {
        begin(tx, (migration, volume))?;
        return copy(tx, (migration, volume));
    }
    if tx.now().since(migration.heard_at) >= HOST_TIME_MAX {
        let text = format!("host {} did not make it on {} in time", migration.host, migration.to);
        return give_up(tx, (migration, volume), text);
    }
    Ok(Next::Again(LOOK_EVERY))
}

/// Why the host cannot make a blank volume where this one goes, if it says so.
pub(super) fn cannot_make(migration: &Migration, there: Option<&ElsewhereSeen>) -> Option<String> {
    let error = there?.error.as_ref()?;
    Some(format!("host {} cannot make it on {}: {error}", migration.host, migration.to))
}

/// Whether the moment is there that is to be copied, if one is; or why there will be none.
fn is_held(tx: &mut Tx<'_>, migration: &Migration) -> Result<Result<bool, String>, Error> {
    let Some(snapshot_id) = migration.snapshot_id else { return Ok(Ok(true)) };
    Ok(match SNAPSHOTS.load(tx, snapshot_id)? {
        Some(held) if held.made || held.phase == snapshot::Phase::Creating => Ok(held.made),
        Some(held) => Err(held.fault.clone().unwrap_or_else(|| "it was never held".to_owned())),
        None => Err("what was held of it is gone".to_owned()),
    })
}

/// From now on it is on its way.
pub(super) fn begin(tx: &mut Tx<'_>, (migration, volume): Both<'_>) -> Result<(), Error> {
    let now = tx.now();
    migration.enter(Phase::Copying, now);
    MIGRATIONS.save(tx, migration)?;
    if migration.reimage.is_some() {
        return Ok(());
    }
    volume.migration_status = Some("migrating".to_owned());
    VOLUMES.save(tx, volume)
}

/// The host copies it.
fn copy(tx: &mut Tx<'_>, (migration, volume): Both<'_>) -> Result<Next, Error> {
    if !migration.has(volume) {
        return give_up(tx, (migration, volume), "the volume was taken".to_owned());
    }
    let from = match (&migration.reimage, migration.snapshot_id) {
        (Some(Reimage { image, .. }), _) => {
            CopyFrom::Image(ImageSource { id: image.id, format: image.format.clone() })
        }
        (None, Some(id)) => CopyFrom::Snapshot { volume: volume.id, id },
        (None, None) => return Ok(Next::Done),
    };
    let sealed = migration.anew.as_ref().is_none_or(Anew::is_sealed);
    let document = Copy { id: migration.id, from, to: CopyTo::Elsewhere(volume.id), sealed };
    let owner = volume.id.to_string();
    match copies::ask(tx, &migration.host, &document, Owner { kind: KIND, id: &owner })? {
        Copying::Done(_) => arrive(tx, (migration, volume)),
        Copying::Failed(reason) => give_up(tx, (migration, volume), reason),
        Copying::Going(percent) => go_on(tx, (migration, volume), percent),
    }
}

/// It is so far, in percent.
pub(super) fn go_on(tx: &mut Tx<'_>, (migration, volume): Both<'_>, percent: u8) -> Result<Next, Error> {
    let now = tx.now();
    if percent != migration.percent {
        (migration.percent, migration.heard_at) = (percent, now);
        MIGRATIONS.save(tx, migration)?;
    }
    if migration.is_overdue(now) {
        let text = format!("host {} does not get on with its copy", migration.host);
        return give_up(tx, (migration, volume), text);
    }
    Ok(Next::Again(LOOK_EVERY))
}

/// From now on the volume is what was copied, for nobody has written to it since. Who still reads the old one is waited for.
fn arrive(tx: &mut Tx<'_>, (migration, volume): Both<'_>) -> Result<Next, Error> {
    let mut moments = snapshot::store::of_volume(tx, volume.id)?;
    let at = moments.iter().position(|moment| Some(moment.id) == migration.snapshot_id);
    let held = at.map(|at| moments.remove(at));
    if held.is_none() && migration.snapshot_id.is_some() {
        return give_up(tx, (migration, volume), "what was held of it is gone".to_owned());
    }
    if !moments.is_empty() {
        return Ok(Next::Again(LOOK_EVERY));
    }
    let is_locked = matches!(volume.phase, VolumePhase::Retyping | VolumePhase::Downloading);
    if migration.copy_id().is_some() && !is_locked {
        return give_up(tx, (migration, volume), "the volume was taken".to_owned());
    }
    if let Some(mut held) = held {
        snapshot::reconcile::remove(tx, &mut held)?;
    }
    settle(tx, (migration, volume))
}

/// The volume is where it went; its host removes it from where it was.
pub(super) fn settle(tx: &mut Tx<'_>, (migration, volume): Both<'_>) -> Result<Next, Error> {
    let now = tx.now();
    volume.backend = Some(migration.to.clone());
    volume.is_whole = true;
    volume.volume_type_id = migration.volume_type_id.unwrap_or(volume.volume_type_id);
    volume.multiattach = migration.multiattach;
    if let Some(anew) = &mut migration.anew {
        anew.before = std::mem::replace(&mut volume.encryption, anew.encryption.clone());
    }
    if let Some(Reimage { metadata, .. }) = &migration.reimage {
        volume.image_metadata = metadata.clone();
        volume.bootable = true;
    }
    migration.enter(Phase::Leaving, now);
    MIGRATIONS.save(tx, migration)?;
    match (migration.is_replacing(), &migration.reimage) {
        (true, Some(_)) => {}
        (true, None) => volume.migration_status = Some("completing".to_owned()),
        (false, _) => end(volume, "success", now),
    }
    VOLUMES.save(tx, volume)?;
    tracing::info!(target: "block_storage::migration", volume = %volume.id, "it is on {} now", migration.to);
    clear(tx, (migration, volume))
}

/// The volume is its users' again.
fn end(volume: &mut Volume, status: &str, now: types::Timestamp) {
    if matches!(volume.phase, VolumePhase::Retyping | VolumePhase::Maintenance) && volume.is_migrating() {
        let idle = volume.idle_phase();
        volume.enter(idle, now);
    }
    volume.migration_status = Some(status.to_owned());
    volume.updated_at = now;
}

/// The volume holds the image, unless an operator said meanwhile that it is to be left alone.
fn end_reimage(volume: &mut Volume, now: types::Timestamp) {
    volume.updated_at = now;
    if volume.phase == VolumePhase::Downloading {
        let idle = volume.idle_phase();
        volume.fault = None;
        volume.enter(idle, now);
    }
}

/// The volume stays where it is, and keeps what it holds.
pub(super) fn give_up(tx: &mut Tx<'_>, (migration, volume): Both<'_>, reason: String) -> Result<Next, Error> {
    tracing::warn!(target: "block_storage::migration", volume = %volume.id, "it does not move to {}: {reason}", migration.to);
    let now = tx.now();
    if migration.has(volume) {
        let action = match migration.reimage {
            Some(_) => {
                let fault = format!("no image was put into it, so that it holds what it held: {reason}");
                volume.fail(VolumePhase::Error, fault, now);
                Action::ReimageVolume
            }
            None => {
                end(volume, "error", now);
                Action::ScheduleAllocateVolume
            }
        };
        VOLUMES.save(tx, volume)?;
        messages::leave_failure(tx, (action, Detail::UnknownError), &**volume)?;
    }
    // A mirror ends when what it wrote is to go.
    if migration.is_live() {
        migration.enter(Phase::Undoing, now);
        MIGRATIONS.save(tx, migration)?;
        return clear(tx, (migration, volume));
    }
    migration.enter(Phase::Stopping, now);
    MIGRATIONS.save(tx, migration)?;
    stop(tx, (migration, volume))
}

/// The host ends the copy before it removes what was copied.
fn stop(tx: &mut Tx<'_>, (migration, volume): Both<'_>) -> Result<Next, Error> {
    if !copies::end(tx, &migration.host, migration.id)? {
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    let now = tx.now();
    migration.enter(Phase::Undoing, now);
    MIGRATIONS.save(tx, migration)?;
    clear(tx, (migration, volume))
}

/// The host removes what is left over: the row goes once it has.
fn clear(tx: &mut Tx<'_>, (migration, volume): Both<'_>) -> Result<Next, Error> {
    let ended = copies::end(tx, &migration.host, migration.id)?;
    let there = elsewhere(tx, migration, volume)?;
    // It was there before it was given up.
    if migration.phase == Phase::Undoing && there.as_ref().is_some_and(|there| there.arrived) {
        return settle(tx, (migration, volume));
    }
    if !ended || there.is_none_or(|there| there.error.is_some()) {
        return Ok(Next::Again(LOOK_EVERY));
    }
    if migration.is_replacing() {
        let now = tx.now();
        if migration.reimage.is_some() {
            end_reimage(volume, now);
        } else {
            // Whatever an operator said of it meanwhile.
            volume.migration_status = Some("completing".to_owned());
            end(volume, "success", now);
        }
        VOLUMES.save(tx, volume)?;
    }
    let next = forget(tx, migration)?;
    want(tx, volume, &migration.host)?;
    Ok(next)
}

/// The row goes, with what was held. What there is of a volume that goes itself goes with it, once nothing copies it.
fn forget(tx: &mut Tx<'_>, migration: &Stored<Migration>) -> Result<Next, Error> {
    if !copies::end(tx, &migration.host, migration.id)? {
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    if let Some(held) = migration.snapshot_id {
        snapshot::ops::release(tx, held)?;
    }
    MIGRATIONS.remove(tx, migration)?;
    tx.kick(VOLUME_KIND, migration.volume_id)?;
    Ok(Next::Done)
}
