//! Makes volumes of what lies on backends: first its host looks at it, then it is taken in.

use reconcile::Next;
use store::{Error, Stored, Tx};

use super::model::name_of_volume;
use super::ops;
use crate::message::{Action, Detail, ops as messages};
use crate::volume::ops::check_type;
use crate::volume::reconcile::{Verdict, fail, seen, tell_watcher, verdict, want, why};
use crate::volume::store::VOLUMES;
use crate::volume::{HOST_TIME_MAX, SIZE_GIB_MAX, Volume, place};
use crate::{quota, volume_type};

/// One step of a volume that is being managed.
pub(crate) fn manage(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Next, Error> {
    let now = tx.now();
    let Some(host) = volume.host.clone() else { return refuse(tx, volume, "it is on no host".to_owned()) };
    if volume.size_gib == 0 {
        if let Some(reason) = cannot_be(tx, volume)? {
            return refuse(tx, volume, reason);
        }
        if !place::is_right(tx, volume, volume.volume_type_id)? {
            let reason = "the storage backend is not what its type demands".to_owned();
            return end(tx, volume, (Action::ScheduleAllocateVolume, Detail::NoBackendAvailable), reason);
        }
    }
    want(tx, volume, &host)?;
    let said = seen(tx, volume, &host)?;
    match verdict(volume, said.as_ref()) {
        Verdict::Done if volume.size_gib == 0 => {
            let found = said.and_then(|said| said.seen).map_or(0, |there| there.size_gib);
            measured(tx, volume, found)
        }
        Verdict::Done => {
            volume.made = true;
            volume.bytes_stay = false;
            // Another thing may get the name that it had.
            volume.managed_from = Some(name_of_volume(volume.id));
            volume.fault = None;
            let next = volume.idle_phase();
            volume.enter(next, now);
            VOLUMES.save(tx, volume)?;
            want(tx, volume, &host)?;
            tell_watcher(tx, volume)?;
            Ok(Next::Done)
        }
        Verdict::Refused(reason) => refuse(tx, volume, format!("host {host} cannot manage it: {reason}")),
        Verdict::Waiting if volume.is_overdue(now, HOST_TIME_MAX) => {
            let (within, reason) = (HOST_TIME_MAX.as_secs(), why(said.as_ref()));
            refuse(tx, volume, format!("host {host} did not manage it within {within} s{reason}"))
        }
        Verdict::Waiting => Ok(Next::Again(HOST_TIME_MAX)),
    }
}

/// Why nothing can be managed as this volume.
fn cannot_be(tx: &mut Tx<'_>, volume: &Volume) -> Result<Option<String>, Error> {
    if volume.managed_from.as_deref().is_none_or(str::is_empty) {
        return Ok(Some("its reference has neither source-name nor source-id".to_owned()));
    }
    Ok(ops::is_claimed(tx, volume)?.then(|| "it becomes another volume already".to_owned()))
}

/// Takes note of how large it is, if that may be.
fn measured(tx: &mut Tx<'_>, volume: &mut Stored<Volume>, found_gib: u64) -> Result<Next, Error> {
    let size_gib = u32::try_from(found_gib).ok().filter(|size| (1..=SIZE_GIB_MAX).contains(size));
    let Some(size_gib) = size_gib else {
        return refuse(tx, volume, format!("no volume can have its {found_gib} GiB"));
    };
    let volume_type =
        volume_type::ops::load(tx, volume.volume_type_id).map_err(|error| error.into_store())?;
    if let Err(refusal) = check_type(&volume_type, size_gib, None) {
        return refuse(tx, volume, refusal.to_string());
    }
    match quota::ops::check_growth(tx, &volume.project_id, &volume_type, (0, size_gib)) {
        Ok(()) => {}
        Err(crate::Error::OverLimit(reason)) => {
            return end(tx, volume, (Action::CreateVolumeFromBackend, Detail::QuotaExceed), reason);
        }
        Err(error) => return Err(error.into_store()),
    }
    volume.size_gib = size_gib;
    volume.updated_at = tx.now();
    VOLUMES.save(tx, volume)?;
    let Some(host) = volume.host.clone() else { return Ok(Next::Done) };
    want(tx, volume, &host)?;
    Ok(Next::Again(HOST_TIME_MAX))
}

fn refuse(tx: &mut Tx<'_>, volume: &mut Stored<Volume>, reason: String) -> Result<Next, Error> {
    end(tx, volume, (Action::CreateVolumeFromBackend, Detail::DriverFailedCreate), reason)
}

/// A volume that cannot be managed is none, and has no size. What its users may know of the reason is in the message.
fn end(
    tx: &mut Tx<'_>,
    volume: &mut Stored<Volume>,
    told: (Action, Detail),
    reason: String,
) -> Result<Next, Error> {
    volume.size_gib = 0;
    messages::leave_failure(tx, told, &**volume)?;
    fail(tx, volume, reason)
}
