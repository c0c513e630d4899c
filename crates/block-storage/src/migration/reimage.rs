//! Putting an image into a volume in place of what it holds: it is copied beside the volume, on the same backend, and takes
//! the volume's place once it is whole. Until then the volume keeps what it has.

#[cfg(test)]
mod tests;

use ::image::image::ops as images;
use policy::{Caller, Target};
use store::{Stored, Tx};
use types::{ImageId, VolumeId};

use super::ops::{check_no_snapshots, fits_again};
use super::reconcile::KIND;
use super::store::{self as table, MIGRATIONS};
use super::{Anew, Migration, Phase, Reimage};
use crate::encryption::VolumeEncryption;
use crate::error::Error;
use crate::policy::RULES;
use crate::volume::ops::{encryption_of, is_in_server, save, show};
use crate::volume::{Phase as VolumePhase, Volume, place, source};
use crate::volume_type;

/// Puts an image into a volume; into one that is reserved only if that was said.
pub(crate) fn reimage(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    (image, reserved): (ImageId, bool),
) -> Result<(), Error> {
    let mut volume = show(caller, tx, id)?;
    check(caller, &volume, reserved)?;
    images::show(caller, tx, image).map_err(|error| absent(image, error))?;
    let source = source::of_image(caller, tx, image, volume.size_gib)?;
    check_free(tx, &volume)?;
    check_no_snapshots(tx, id)?;
    let volume_type = volume_type::ops::load(tx, volume.volume_type_id)?;
    let encryption = encryption_of(tx, &source, &volume_type)?;
    if encryption.is_some() != volume.encryption.is_some() {
        let text = format!("Volume {id} is encrypted otherwise than its type asks for; retype it first.");
        return Err(Error::Volume(text));
    }
    let Some(found) = place::backend_of(tx, &volume)?.zip(volume.host.clone()).zip(source.image) else {
        return Err(Error::Volume(format!("Volume {id} is on no host.")));
    };
    let ((backend, host), image) = found;
    if !fits_again(tx, &volume, volume_type.id, Some(&backend))? {
        let text =
            format!("The backend of volume {id} is not in use, or has no room for another of its size.");
        return Err(Error::Volume(text));
    }
    let now = tx.now();
    let encryption = encryption.map(|encryption| VolumeEncryption { formatting: None, ..encryption });
    let migration = Migration {
        id: runtime::new_uuid().into(),
        volume_id: id,
        project_id: volume.project_id.clone(),
        size_gib: volume.size_gib,
        snapshot_id: None,
        host,
        from: backend.clone(),
        to: backend,
        volume_type_id: None,
        multiattach: volume.multiattach,
        anew: Some(Anew { encryption, before: None, copy_id: Some(runtime::new_uuid().into()) }),
        reimage: Some(Reimage { image, metadata: source.image_metadata }),
        phase: Phase::Holding,
        heard_at: now,
        percent: 0,
    };
    MIGRATIONS.insert(tx, migration)?;
    volume.request_id = tx.request_id();
    volume.enter(VolumePhase::Downloading, now);
    save(tx, &mut volume)?;
    Ok(tx.kick(KIND, id)?)
}

/// A new volume of an image that is not there is a bad request; this is about one that is there.
fn absent(id: ImageId, error: ::image::Error) -> Error {
    match error {
        ::image::Error::NotFound(_) => Error::NotFound { what: "Image", id: id.to_string() },
        other => other.into(),
    }
}

/// What Cinder asks for.
fn check(caller: &Caller, volume: &Volume, reserved: bool) -> Result<(), Error> {
    let is_reserved = volume.phase == VolumePhase::Reserved;
    let rule = if is_reserved { "volume:reimage_reserved" } else { "volume:reimage" };
    RULES.check(rule, caller, &Target::project(&volume.project_id))?;
    if volume.attachments.len() > 1 {
        let text = "Cannot re-image a volume which is attached to more than one server.";
        return Err(Error::Conflict(text.to_owned()));
    }
    let idle = matches!(volume.phase, VolumePhase::Available | VolumePhase::Error);
    if idle || reserved && is_reserved {
        return Ok(());
    }
    let wanted = if reserved { "available or error or reserved" } else { "available or error" };
    let (id, phase) = (volume.id, volume.phase);
    Err(Error::Volume(format!("Volume {id} status must be {wanted}, but current status is {phase}.")))
}

/// Whether there is a volume to put an image into, and nobody but its reconcilers has to do with its bytes. A server that
/// compute holds it for may start at any moment.
fn check_free(tx: &mut Tx<'_>, volume: &Stored<Volume>) -> Result<(), Error> {
    let id = volume.id;
    if is_in_server(volume) {
        let text = format!("Volume {id} is held for a server; detach it first.");
        return Err(Error::Conflict(text));
    }
    if !volume.is_wanted() || volume.bytes_stay {
        return Err(Error::Volume(format!("Volume {id} was never made, or is being removed.")));
    }
    if volume.is_migrating() || table::of_volume(tx, id)?.is_some() {
        return Err(Error::Volume(format!(
            "Volume {id} is migrating, or what was copied of it is being removed."
        )));
    }
    Ok(())
}
