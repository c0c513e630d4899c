//! What operators do with what lies on backends.

use std::collections::BTreeMap;

use agent_api::block::{UnmanagedSnapshot, UnmanagedVolume};
use nodes::hosts;
use policy::{Caller, Target};
use store::{Select, Stored, Tx};
use types::VolumeId;

use super::model::{name_of_snapshot, name_of_volume, volume_of_name};
use super::{Backend, Entry, Reference};
use crate::error::Error;
use crate::migration::store as migrations;
use crate::policy::{RULES, own};
use crate::service::{VOLUME, ops as services};
use crate::snapshot::{self, Snapshot, SnapshotDraft};
use crate::volume::store::VOLUMES;
use crate::volume::{self, Phase, Volume, VolumeDraft, place};
use crate::{quota, volume_type};

/// Where operators want something from: the host of a service, or a cluster of them, of which there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    /// `host@backend#pool`, or without the pool.
    Host(String),
    /// The same of a cluster.
    Cluster(String),
}

/// A volume that is to be managed.
#[derive(Debug, Clone)]
pub(crate) struct Managed {
    /// Where it is.
    pub(crate) at: At,
    /// What it is there.
    pub(crate) reference: Reference,
    /// What is said of it.
    pub(crate) draft: VolumeDraft,
    /// Whether servers can boot from it.
    pub(crate) bootable: bool,
}

/// Whether a rule lets the caller do this at all.
pub(crate) fn check(caller: &Caller, rule: &str) -> Result<(), Error> {
    Ok(RULES.check(rule, caller, &own(caller))?)
}

/// The backend of which somebody wants a list.
pub(crate) fn backend_to_list(tx: &mut Tx<'_>, at: &At) -> Result<Backend, Error> {
    match (backend(tx, at)?, at) {
        (Some(found), _) => Ok(found),
        (None, At::Host(name)) => Err(services::absent(VOLUME, service_of(name))),
        (None, At::Cluster(_)) => Err(Error::NoSuch(format!("Service {VOLUME} could not be found."))),
    }
}

/// The backend of a name, if there is one of that name, which must be in use and up.
fn backend(tx: &mut Tx<'_>, at: &At) -> Result<Option<Backend>, Error> {
    let At::Host(name) = at else { return Ok(None) };
    let Some(part) = services::backend(tx, service_of(name))? else { return Ok(None) };
    let Some((host, facts)) = part.backend else { return Ok(None) };
    if part.switch.disabled || !part.up {
        return Err(Error::Invalid("Service is unavailable at this time.".to_owned()));
    }
    let names_any = hosts::load(tx, &host)?.is_some_and(|host| !host.facts.backends.is_empty());
    let named = names_any.then(|| facts.name.clone());
    Ok(Some(Backend { host, named, name: facts.name, is_default: facts.is_default }))
}

/// `host@backend` of `host@backend#pool`.
fn service_of(name: &str) -> &str {
    name.split('#').next().unwrap_or_default()
}

/// Begins to manage a volume. Whether there is anything of that name is found out afterwards.
pub(crate) fn manage(caller: &Caller, tx: &mut Tx<'_>, wanted: Managed) -> Result<Stored<Volume>, Error> {
    let rule = "volume_extension:volume_manage";
    check(caller, rule)?;
    let project = caller.project_id().cloned().ok_or_else(|| Error::Denied(rule.to_owned()))?;
    let volume_type = match wanted.draft.volume_type.as_deref() {
        None => volume_type::ops::choose(caller, tx, None)?,
        Some(name) => volume_type::ops::by_id_or_name(caller, tx, name).map_err(|error| match error {
            Error::NoSuch(_) | Error::NotFound { .. } => {
                let text = format!("Invalid volume type: Cannot find requested '{name}' volume type");
                Error::Invalid(text)
            }
            other => other,
        })?,
    };
    let name = wanted.reference.of_volume();
    if let Some(id) = volume_of_name(&name)
        && (VOLUMES.load(tx, id)?.is_some() || migrations::is_copy(tx, id)?)
    {
        let text = "Unable to manage existing volume. The volume is already managed".to_owned();
        return Err(Error::Volume(text));
    }
    if volume_type::ops::recipe(tx, volume_type.id)?.encryption.is_some() {
        let text = "Invalid volume type: Managing to an encrypted volume type is not supported.";
        return Err(Error::Invalid(text.to_owned()));
    }
    if volume_type.is_multiattach() {
        let text = "Invalid volume type: Managing to a multiattach volume type is not supported.";
        return Err(Error::Invalid(text.to_owned()));
    }
    let found = backend(tx, &wanted.at)?.ok_or_else(|| {
        let (what, name) = match &wanted.at {
            At::Host(name) => ("Host", name),
            At::Cluster(name) => ("Cluster", name),
        };
        Error::Invalid(format!("{what} '{name}' not found"))
    })?;
    quota::ops::check_volumes(tx, &project, &volume_type, 0)?;
    volume::ops::insert_managed(caller, tx, (wanted.draft, volume_type.id), |row| Volume {
        bootable: wanted.bootable,
        host: Some(found.host),
        backend: found.named,
        managed_from: Some(name),
        bytes_stay: true,
        ..row
    })
}

/// Whether something else is about to become a volume from the same thing.
pub(super) fn is_claimed(tx: &mut Tx<'_>, volume: &Volume) -> Result<bool, store::Error> {
    let others = VOLUMES.query(tx, &Select::all().eq("status", Phase::Creating.status()))?;
    let same = |other: &Stored<Volume>| {
        other.id != volume.id
            && other.bytes_stay
            && (&other.host, &other.backend) == (&volume.host, &volume.backend)
            && other.managed_from == volume.managed_from
            // Of two, the one that was there first goes on.
            && (other.created_at, other.id) < (volume.created_at, volume.id)
    };
    Ok(others.iter().any(same))
}

/// Begins to manage a snapshot of a volume.
pub(crate) fn manage_snapshot(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, reference): (VolumeId, Reference),
    draft: SnapshotDraft,
) -> Result<Stored<Snapshot>, Error> {
    let found = volume::ops::show(caller, tx, id)?;
    let rule = "snapshot_extension:snapshot_manage";
    RULES.check(rule, caller, &Target::project(&found.project_id))?;
    if found.multiattach {
        let text = "Managing snapshots of multiattach volumes is not supported.".to_owned();
        return Err(Error::Invalid(text));
    }
    if let (Some(host), Some(name)) = (&found.host, place::backend_of(tx, &found)?) {
        let at = At::Host(crate::api::pool_of(host, Some(&name)));
        backend(tx, &at)?.ok_or_else(|| services::absent(VOLUME, &name))?;
    }
    let draft = SnapshotDraft { managed_from: Some(reference.of_snapshot()), in_use: true, ..draft };
    snapshot::ops::create(caller, tx, id, draft)
}

/// Volumes that are on a backend.
fn on(tx: &mut Tx<'_>, backend: &Backend) -> Result<Vec<Stored<Volume>>, Error> {
    let mut all = VOLUMES.query(tx, &Select::all().eq("host", &backend.host))?;
    let is_there = |volume: &Stored<Volume>| match volume.backend.as_deref() {
        None => backend.is_default,
        Some(name) => name == backend.name,
    };
    all.retain(|volume| volume.made && is_there(volume));
    Ok(all)
}

/// What is on a backend, with what its host says to be there.
pub(crate) fn volumes(
    tx: &mut Tx<'_>,
    backend: &Backend,
    there: Vec<UnmanagedVolume>,
) -> Result<Vec<Entry>, Error> {
    let entry = |volume: &Stored<Volume>| Entry {
        name: name_of_volume(volume.id),
        size_gib: volume.size_gib.into(),
        managed: Some(volume.id.to_string()),
        refused: None,
        source: None,
    };
    let mut all: BTreeMap<String, Entry> =
        on(tx, backend)?.iter().map(entry).map(|entry| (entry.name.clone(), entry)).collect();
    for found in there {
        // Where others keep volumes, too, some are those of this cloud's other hosts.
        let id = volume_of_name(&found.name);
        if id.map_or(Ok(false), |id| migrations::is_copy(tx, id))? {
            continue;
        }
        let managed = id.map(|id| VOLUMES.load(tx, id)).transpose()?.flatten().map(|row| row.id.to_string());
        let UnmanagedVolume { name, size_gib, refused } = found;
        let entry = Entry { name: name.clone(), size_gib, managed, refused, source: None };
        all.entry(name).or_insert(entry);
    }
    Ok(all.into_values().collect())
}

/// The snapshots on a backend, with what its host says to be there.
pub(crate) fn snapshots(
    tx: &mut Tx<'_>,
    backend: &Backend,
    there: Vec<UnmanagedSnapshot>,
) -> Result<Vec<Entry>, Error> {
    let mut all = Vec::new();
    for volume in on(tx, backend)? {
        for held in snapshot::store::kept_of_volume(tx, volume.id)? {
            if held.made && !held.is_left() {
                all.push(Entry {
                    name: name_of_snapshot(held.id),
                    size_gib: held.size_gib.into(),
                    managed: Some(held.id.to_string()),
                    refused: None,
                    source: Some(volume.id),
                });
            }
        }
    }
    all.extend(there.into_iter().map(|found| Entry {
        name: found.name,
        size_gib: found.size_gib,
        managed: None,
        refused: None,
        source: Some(found.volume),
    }));
    Ok(all)
}
