//! Makes volumes be where and as large as they should: chooses a host, wants the volume there by a document, and reads
//! what the host reports.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_api::Kind;
use agent_api::block::{ImageSource, Limits, Volume as Document, VolumeSeen, VolumeSource};
use nodes::documents::{self, Owner, Seen};
use nodes::hosts;
use reconcile::{Next, Reconciler, StepError};
use store::{Error, Stored, Tx};
use types::{HostId, VolumeId};

use super::store::{self as table, VOLUMES};
use super::{HOST_TIME_MAX, PLACEMENT_TIME_MAX, Phase, Volume};

/// The reconciler's kind.
pub(crate) const KIND: &str = "block_storage::volume";
/// How often a volume without a host looks for one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The reconciler of volumes.
pub(crate) struct Volumes;

impl Reconciler for Volumes {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<VolumeId>() else { return Ok(Next::Done) };
        let Some(mut volume) = VOLUMES.load(tx, id)? else { return Ok(Next::Done) };
        Ok(match volume.phase {
            Phase::Creating => create(tx, &mut volume)?,
            Phase::Extending => extend(tx, &mut volume)?,
            Phase::Deleting | Phase::ErrorDeleting => delete(tx, &mut volume)?,
            Phase::Available
            | Phase::Reserved
            | Phase::Attaching
            | Phase::InUse
            | Phase::Detaching
            | Phase::Error
            | Phase::ErrorExtending => Next::Done,
        })
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::moving(tx)?.iter().map(ToString::to_string).collect())
    }
}

/// A volume without a host gets one; the host makes it, or says why not.
fn create(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Next, Error> {
    let now = tx.now();
    let host = match volume.host.clone() {
        Some(host) => host,
        None => match choose(tx)? {
            Some(host) => {
                volume.host = Some(host.clone());
                VOLUMES.save(tx, volume)?;
                host
            }
            None if volume.is_overdue(now, PLACEMENT_TIME_MAX) => {
                return fail(tx, volume, "no host is up that could hold it; start or enable one".to_owned());
            }
            None => return Ok(Next::Again(LOOK_EVERY)),
        },
    };
    if hosts::load(tx, &host)?.is_none() {
        return fail(tx, volume, format!("there is no host {host}"));
    }
    want(tx, volume, &host)?;
    let seen = seen(tx, volume, &host)?;
    match verdict(volume, seen.as_ref()) {
        Verdict::Done => {
            volume.made = true;
            volume.fault = None;
            let held = volume.attachment.is_some();
            volume.enter(if held { Phase::Reserved } else { Phase::Available }, now);
            VOLUMES.save(tx, volume)?;
            tell_watcher(tx, volume)?;
            Ok(Next::Done)
        }
        Verdict::Refused(reason) => fail(tx, volume, format!("host {host} cannot make it: {reason}")),
        Verdict::Waiting if volume.is_overdue(now, HOST_TIME_MAX) => {
            fail(tx, volume, format!("host {host} did not make it within {} s", HOST_TIME_MAX.as_secs()))
        }
        Verdict::Waiting => Ok(Next::Again(HOST_TIME_MAX)),
    }
}

/// A volume that cannot be made is wanted nowhere any more.
fn fail(tx: &mut Tx<'_>, volume: &mut Stored<Volume>, fault: String) -> Result<Next, Error> {
    tracing::warn!(target: "block_storage::volume", volume = %volume.id, "{fault}");
    let now = tx.now();
    if let Some(host) = volume.host.clone() {
        documents::remove(tx, &host, Kind::Volume, &volume.id.to_string())?;
    }
    volume.fail(Phase::Error, fault, now);
    VOLUMES.save(tx, volume)?;
    tell_watcher(tx, volume)?;
    Ok(Next::Done)
}

fn extend(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Next, Error> {
    let now = tx.now();
    let Some(host) = volume.host.clone() else { return fail(tx, volume, "it is on no host".to_owned()) };
    want(tx, volume, &host)?;
    let seen = seen(tx, volume, &host)?;
    let reason = match verdict(volume, seen.as_ref()) {
        Verdict::Done => {
            volume.enter(Phase::Available, now);
            VOLUMES.save(tx, volume)?;
            return Ok(Next::Done);
        }
        Verdict::Waiting if !volume.is_overdue(now, HOST_TIME_MAX) => return Ok(Next::Again(HOST_TIME_MAX)),
        Verdict::Waiting => format!("host {host} did not make it larger in time"),
        Verdict::Refused(reason) => format!("host {host} cannot make it larger: {reason}"),
    };
    tracing::warn!(target: "block_storage::volume", volume = %volume.id, "{reason}");
    volume.fail(Phase::ErrorExtending, reason, now);
    VOLUMES.save(tx, volume)?;
    Ok(Next::Done)
}

/// The row goes once the host has reported that nothing is left.
fn delete(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<Next, Error> {
    let now = tx.now();
    let Some(host) = volume.host.clone() else {
        VOLUMES.remove(tx, volume)?;
        return Ok(Next::Done);
    };
    documents::remove(tx, &host, Kind::Volume, &volume.id.to_string())?;
    match seen(tx, volume, &host)? {
        None => {
            VOLUMES.remove(tx, volume)?;
            Ok(Next::Done)
        }
        Some(seen) if volume.phase == Phase::Deleting && volume.is_overdue(now, HOST_TIME_MAX) => {
            let reason = seen.error.unwrap_or_else(|| "it does not answer".to_owned());
            volume.fail(Phase::ErrorDeleting, format!("host {host} has not removed it: {reason}"), now);
            VOLUMES.save(tx, volume)?;
            Ok(Next::Again(HOST_TIME_MAX))
        }
        Some(_) => Ok(Next::Again(HOST_TIME_MAX)),
    }
}

/// What the host's last word means.
enum Verdict {
    Done,
    Waiting,
    Refused(String),
}

fn verdict(volume: &Volume, seen: Option<&Seen<VolumeSeen>>) -> Verdict {
    let Some(seen) = seen.filter(|seen| seen.current) else { return Verdict::Waiting };
    match (&seen.error, &seen.seen) {
        (Some(reason), _) => Verdict::Refused(reason.clone()),
        (None, Some(there)) if there.size_gib >= u64::from(volume.size_gib) => Verdict::Done,
        (None, _) => Verdict::Waiting,
    }
}

fn want(tx: &mut Tx<'_>, volume: &Volume, host: &HostId) -> Result<(), Error> {
    let image = volume.image.as_ref();
    let image = image.map(|image| ImageSource { id: image.id, format: image.format.clone() });
    let document = Document {
        id: volume.id,
        backend: None,
        size_gib: volume.size_gib.into(),
        source: image.map_or(VolumeSource::Blank, VolumeSource::Image),
        snapshots: BTreeSet::new(),
        revert: None,
        encryption: None,
        read_only: volume.read_only == Some(true),
        limits: Limits::new(),
    };
    let id = volume.id.to_string();
    documents::put(tx, host, Kind::Volume, &id, &document, Owner { kind: KIND, id: &id })
}

fn seen(tx: &mut Tx<'_>, volume: &Volume, host: &HostId) -> Result<Option<Seen<VolumeSeen>>, Error> {
    documents::seen(tx, host, Kind::Volume, &volume.id.to_string())
}

/// The host with the most room left of those that are up, counting what volumes were promised.
fn choose(tx: &mut Tx<'_>) -> Result<Option<HostId>, Error> {
    let now = tx.now();
    let mut best: Option<(i64, HostId)> = None;
    for host in hosts::list(tx)? {
        if !host.enabled || !host.is_up(now) {
            continue;
        }
        let total = i64::try_from(host.facts.disk_gib).unwrap_or(i64::MAX);
        let room = total.saturating_sub(table::promised_gib(tx, &host.id)?);
        if best.as_ref().is_none_or(|(most, _)| room > *most) {
            best = Some((room, host.id.clone()));
        }
    }
    Ok(best.map(|(_, host)| host))
}

fn tell_watcher(tx: &mut Tx<'_>, volume: &Volume) -> Result<(), Error> {
    match &volume.watcher {
        Some(key) => tx.kick(&key.kind, &key.id),
        None => Ok(()),
    }
}
