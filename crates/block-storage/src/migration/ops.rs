//! What callers do about the place and the type of a volume.

use policy::{Caller, Target};
use store::{Stored, Tx};
use types::{HostId, VolumeId, VolumeTypeId};

use super::reconcile::KIND;
use super::store::{self as table, MIGRATIONS};
use super::{Anew, Migration, Phase, Policy};
use crate::ZONE;
use crate::encryption::is_as_secret;
use crate::error::Error;
use crate::message::{Action, Detail, ops as messages};
use crate::policy::RULES;
use crate::quota::{self, Resource};
use crate::service::ops as services;
use crate::snapshot::{self, store as snapshots};
use crate::volume::ops::{check_type, save, show_for};
use crate::volume::reconcile::KIND as VOLUME_KIND;
use crate::volume::{Attachment, Phase as VolumePhase, Retype, Volume, place};
use crate::volume_type::{self, VolumeType};

/// Gives a volume another type, by id or name: at once if it can stay where it is, also while a server has it.
pub(crate) fn retype(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    (wanted, policy): (&str, Policy),
) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume:retype")?;
    let new = volume_type::ops::by_id_or_name(caller, tx, wanted)?;
    check_type(&new, volume.size_gib, None)?;
    check_multiattach(caller, &volume, &new)?;
    let size = i64::from(volume.size_gib);
    let quota = [(Resource::GigabytesOf(new.id), size), (Resource::VolumesOf(new.id), 1)];
    quota::ops::check(tx, &volume.project_id, Some(&new), &quota)?;
    if !is_free(tx, &volume)? || volume.volume_type_id == new.id {
        let text = "Retype needs volume to be in available or in-use state, not be part of an active migration or a \
                    consistency group, requested type has to be different that the one from the volume, and for in-use \
                    volumes front-end qos specs cannot change.";
        return Err(Error::Volume(text.to_owned()));
    }
    let multiattach = new.is_multiattach();
    let (can_stay, anew) = (can_stay(tx, &volume, &new)?, encryption_of(tx, &volume, &new)?);
    if can_stay && anew.is_none() {
        if volume.multiattach != multiattach {
            check_no_snapshots(tx, id)?;
            let now = tx.now();
            volume.retype = Some(Retype { from: volume.volume_type_id, multiattach });
            volume.enter(VolumePhase::Retyping, now);
        }
        volume.volume_type_id = new.id;
        snapshots::set_type(tx, id, new.id)?;
        save(tx, &mut volume)?;
        return Ok(tx.kick(VOLUME_KIND, id)?);
    }
    if policy == Policy::Never {
        return Err(Error::Volume("Retype requires migration but is not allowed.".to_owned()));
    }
    check_no_snapshots(tx, id)?;
    let current = place::backend_of(tx, &volume)?;
    let near = can_stay && fits_again(tx, &volume, new.id, current.as_deref())?;
    let to = match near {
        true => current,
        false => other_backend(tx, &volume, new.id, current.as_deref())?,
    };
    let to = to.ok_or_else(|| {
        let text = format!("No valid backends for volume {id} with type {}", new.id);
        Error::Invalid(format!("No valid backend was found. {text}"))
    })?;
    let copy_id = near.then(|| runtime::new_uuid().into());
    let anew = anew.map(|anew| Anew { copy_id, ..anew });
    begin(caller, tx, &mut volume, (to, Some((&*new, anew))), Some(VolumePhase::Retyping))
}

pub(super) fn check_no_snapshots(tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    match snapshots::kept_of_volume(tx, id)?.is_empty() {
        true => Ok(()),
        false => Err(Error::Volume("Volume must not have snapshots.".to_owned())),
    }
}

/// How many servers a volume is for changes only while none has it; several get no encrypted one.
fn check_multiattach(caller: &Caller, volume: &Volume, new: &VolumeType) -> Result<(), Error> {
    let multiattach = new.is_multiattach();
    let free = volume.phase == VolumePhase::Available && volume.attachments.is_empty();
    if multiattach != volume.multiattach && !free {
        let text = format!(
            "Invalid input received: Invalid volume_type passed, retypes affecting multiattach are only allowed on \
             available volumes, the specified volume however currently has a status of: {}.",
            volume.phase
        );
        return Err(Error::Invalid(text));
    }
    if multiattach && !volume.multiattach {
        RULES.check("volume:multiattach", caller, &Target::project(&volume.project_id))?;
    }
    if multiattach && new.encryption.is_some() {
        let text = "Invalid input received: Retype requested both encryption and multi-attach, which is not supported.";
        return Err(Error::Invalid(text.to_owned()));
    }
    Ok(())
}

/// Whether nothing is done with a volume that a change of its type or place could come into the way of.
fn is_free(tx: &mut Tx<'_>, volume: &Volume) -> Result<bool, Error> {
    let idle = matches!(volume.phase, VolumePhase::Available | VolumePhase::InUse) && volume.made;
    let still = !volume.is_migrating() && table::of_volume(tx, volume.id)?.is_none();
    Ok(idle && still && volume.group_id.is_none())
}

/// How a volume is encrypted as one of a type, if otherwise than it is.
fn encryption_of(tx: &mut Tx<'_>, volume: &Volume, new: &VolumeType) -> Result<Option<Anew>, Error> {
    let old = volume_type::ops::load(tx, volume.volume_type_id)?;
    if is_as_secret(old.encryption.as_ref(), new.encryption.as_ref()) {
        return Ok(None);
    }
    let encryption = new.encryption.as_ref().map(|wanted| wanted.of_volume()).transpose();
    let encryption = encryption.map_err(|reason| {
        let name = &new.name;
        Error::Invalid(format!("Volume type {name} demands an encryption that cannot be had here: {reason}."))
    })?;
    Ok(Some(Anew { encryption, ..Anew::default() }))
}

/// Whether a volume can be of a type where it is.
fn can_stay(tx: &mut Tx<'_>, volume: &Volume, new: &VolumeType) -> Result<bool, Error> {
    let in_zone = new.zones().is_none_or(|zones| zones.contains(&volume.availability_zone.as_str()));
    Ok(in_zone && place::is_right(tx, volume, new.id)?)
}

/// The backend of a volume's host where one of this type can go, if there is one but where it is.
fn other_backend(
    tx: &mut Tx<'_>,
    volume: &Volume,
    volume_type: VolumeTypeId,
    current: Option<&str>,
) -> Result<Option<String>, Error> {
    let in_zone = volume_type::ops::load(tx, volume_type)?.zones().is_none_or(|zones| zones.contains(&ZONE));
    let places = place::all(tx, volume_type)?.into_iter();
    let fits = |found: &place::Place| {
        in_zone && Some(&found.host) == volume.host.as_ref() && found.fits(volume.size_gib)
    };
    let backends = places.filter(fits).filter_map(|found| found.backend);
    Ok(backends.into_iter().find(|backend| Some(backend.as_str()) != current))
}

/// Whether a volume's backend takes another of its size.
pub(super) fn fits_again(
    tx: &mut Tx<'_>,
    volume: &Volume,
    volume_type: VolumeTypeId,
    current: Option<&str>,
) -> Result<bool, Error> {
    let is_it = |found: &place::Place| {
        Some(&found.host) == volume.host.as_ref()
            && found.backend.is_some()
            && found.backend.as_deref() == current
    };
    Ok(place::all(tx, volume_type)?.iter().any(|found| is_it(found) && found.fits(volume.size_gib)))
}

/// Where an operator wants a volume, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    /// `host@backend#pool`, or without the pool.
    pub(crate) to: String,
    /// Whether nobody can take the volume meanwhile; who takes it otherwise ends the migration.
    pub(crate) lock: bool,
}

/// Moves a volume to another backend.
pub(crate) fn migrate(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, wanted: &Move) -> Result<(), Error> {
    let rule = "volume_extension:volume_admin_actions:migrate_volume";
    let mut volume = show_for(caller, tx, id, rule)?;
    let (host, backend) = place_of(tx, &wanted.to)?;
    let current = place::backend_of(tx, &volume)?;
    let elsewhere = volume.host.as_ref() != Some(&host) || current.as_ref() != Some(&backend);
    if !elsewhere || !is_free(tx, &volume)? || !snapshots::kept_of_volume(tx, id)?.is_empty() {
        let text = format!(
            "Volume {id} status must be available or in-use, must not be migrating, have snapshots, be replicated, be part \
             of a group and destination host/cluster must be different than the current one"
        );
        return Err(Error::Volume(text));
    }
    let fits = volume.host.as_ref() == Some(&host)
        && other_backend(tx, &volume, volume.volume_type_id, current.as_deref())?.as_ref() == Some(&backend);
    if !fits {
        // As in Cinder, whose scheduler learns of it after the request was answered.
        volume.request_id = tx.request_id();
        volume.migration_status = Some("error".to_owned());
        save(tx, &mut volume)?;
        let about = (Action::ScheduleAllocateVolume, Detail::NoBackendAvailable);
        messages::leave_failure(tx, about, &*volume)?;
        return Ok(());
    }
    let locked = wanted.lock.then_some(VolumePhase::Maintenance);
    begin(caller, tx, &mut volume, (backend, None), locked)
}

/// The host and the backend that `host@backend#pool` names, which must be in use.
fn place_of(tx: &mut Tx<'_>, name: &str) -> Result<(HostId, String), Error> {
    let absent = || Error::Invalid(format!("Invalid host: No available service named '{name}'"));
    let (service, pool) = name.split_once('#').map_or((name, None), |(service, pool)| (service, Some(pool)));
    let part = services::backend(tx, service)?.filter(|part| part.up && !part.switch.disabled);
    let (host, facts) = part.and_then(|part| part.backend).ok_or_else(absent)?;
    if pool.is_some_and(|pool| pool != facts.name) {
        return Err(absent());
    }
    Ok((host, facts.name))
}

fn begin(
    caller: &Caller,
    tx: &mut Tx<'_>,
    volume: &mut Stored<Volume>,
    (to, new): (String, Option<(&VolumeType, Option<Anew>)>),
    phase: Option<VolumePhase>,
) -> Result<(), Error> {
    let is_live = volume.phase == VolumePhase::InUse;
    if is_live {
        check_live(volume, new.as_ref().is_some_and(|(_, anew)| anew.is_some()))?;
    }
    let (Some(host), Some(from)) = (volume.host.clone(), place::backend_of(tx, volume)?) else {
        return Err(Error::Volume(format!("Volume {} is on no host.", volume.id)));
    };
    let now = tx.now();
    let snapshot_id = match is_live {
        true => None,
        false => Some(snapshot::ops::hold(caller, tx, volume)?.id),
    };
    let migration = Migration {
        id: runtime::new_uuid().into(),
        volume_id: volume.id,
        project_id: volume.project_id.clone(),
        size_gib: volume.size_gib,
        snapshot_id,
        host,
        from,
        to,
        volume_type_id: new.as_ref().map(|(new, _)| new.id),
        multiattach: new.as_ref().map_or(volume.multiattach, |(new, _)| new.is_multiattach()),
        anew: new.and_then(|(_, anew)| anew),
        reimage: None,
        phase: Phase::Holding,
        heard_at: now,
        percent: 0,
    };
    MIGRATIONS.insert(tx, migration)?;
    if let Some(phase) = phase {
        volume.enter(phase, now);
    }
    volume.request_id = tx.request_id();
    volume.migration_status = Some("starting".to_owned());
    save(tx, volume)?;
    Ok(tx.kick(KIND, volume.id)?)
}

/// A volume in use moves through the one server that has it, as it is.
fn check_live(volume: &Volume, is_encrypted_anew: bool) -> Result<(), Error> {
    let is_served = |held: &Attachment| held.by_compute && held.attached_at.is_some();
    let text = if volume.multiattach {
        "A volume for several servers cannot move to another backend while one has it; detach it first."
    } else if is_encrypted_anew {
        "A volume in a server cannot come to be encrypted otherwise; detach it first."
    } else if volume.encryption.is_some() {
        "An encrypted volume cannot move to another backend while a server has it; detach it first."
    } else if !matches!(volume.attachments.as_slice(), [held] if is_served(held)) {
        "A volume that is attached to anything but a server cannot move to another backend; detach it first."
    } else {
        return Ok(());
    };
    Err(Error::Volume(text.to_owned()))
}

/// What Cinder's parts tell one another of a migration; the id of the volume that stays. No volume here is ever the
/// destination of another.
pub(crate) fn complete(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    (new, failed): (VolumeId, bool),
) -> Result<VolumeId, Error> {
    let rule = "volume_extension:volume_admin_actions:migrate_volume_completion";
    let volume = show_for(caller, tx, id, rule)?;
    let target = show_for(caller, tx, new, rule)?;
    match (&volume.migration_status, &target.migration_status) {
        (None, None) if !volume.attachments.is_empty() && !failed => {
            let text = "A server's volume is not exchanged for another here.";
            Err(Error::Volume(text.to_owned()))
        }
        (None, None) => Ok(new),
        (None, _) => Err(Error::Volume("Source volume not mid-migration.".to_owned())),
        (_, None) => Err(Error::Volume("Destination volume not mid-migration.".to_owned())),
        (_, Some(status)) => {
            let text = format!("Destination has migration_status {status}, expected target:{id}.");
            Err(Error::Volume(text))
        }
    }
}
