//! How clients of the API hold a volume for purposes of their own: by attachments, or by the actions of old. Nothing
//! gets at the volume's bytes so, and nothing ends what compute began, for a VM has the disk then.

use policy::Caller;
use store::{Stored, Tx};
use types::{AttachmentId, ServerId, VolumeId};

use super::attach::{claim, not_in, release};
use super::ops::{save, show_for};
use super::store::{self as table, VOLUMES};
use super::{AttachMode, Attachment, Phase, Volume};
use crate::error::Error;

/// What a client says of the place from which it uses a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connector {
    /// Its name.
    pub(crate) host: Option<String>,
    /// `/dev/vdb`.
    pub(crate) device: Option<String>,
    /// How it uses the volume; without, it also writes.
    pub(crate) mode: Option<AttachMode>,
    /// Whether it comes on several paths.
    pub(crate) multipath: bool,
}

/// `os-reserve`: available → attaching.
pub(crate) fn reserve(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:reserve")?;
    if volume.phase != Phase::Available || volume.attachment.is_some() {
        return Err(not_in(&volume, "available", "reserve"));
    }
    let now = tx.now();
    volume.enter(Phase::Attaching, now);
    save(tx, &mut volume)
}

/// `os-unreserve`: attaching → what it was before. One that is not reserved stays as it is, as in Cinder.
pub(crate) fn unreserve(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:unreserve")?;
    if volume.phase != Phase::Attaching {
        return Ok(());
    }
    check_not_compute(&volume)?;
    let now = tx.now();
    let before = if volume.attachment.is_some() { Phase::InUse } else { Phase::Available };
    volume.enter(before, now);
    save(tx, &mut volume)
}

/// `os-attach`: available or attaching → in-use.
pub(crate) fn attach(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    (server_id, connector): (Option<ServerId>, Connector),
) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:attach")?;
    let mode = connector.mode.unwrap_or(AttachMode::ReadWrite);
    if volume.read_only == Some(true) && mode != AttachMode::ReadOnly {
        let text = format!("Invalid attaching mode '{}' for volume {id}.", mode.name());
        return Err(Error::Invalid(text));
    }
    let free = volume.attachment.is_none() && matches!(volume.phase, Phase::Available | Phase::Attaching);
    if !free {
        return Err(not_in(&volume, "available", "attach"));
    }
    let now = tx.now();
    volume.read_only = volume.read_only.or(Some(false));
    volume.attachment = Some(Attachment {
        host: connector.host,
        device: connector.device,
        attached_at: Some(now),
        mode: Some(mode),
        by_action: true,
        ..claim(server_id, false)
    });
    volume.enter(Phase::InUse, now);
    save(tx, &mut volume)
}

/// `os-begin_detaching`: in-use → detaching.
pub(crate) fn begin_detach(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:begin_detaching")?;
    check_not_compute(&volume)?;
    if volume.phase != Phase::InUse {
        let text = "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to \
                    detach.";
        return Err(Error::Volume(text.to_owned()));
    }
    let now = tx.now();
    volume.enter(Phase::Detaching, now);
    save(tx, &mut volume)
}

/// `os-roll_detaching`: detaching → in-use. One that is not detached stays as it is, as in Cinder.
pub(crate) fn cancel_detach(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:roll_detaching")?;
    if volume.phase != Phase::Detaching {
        return Ok(());
    }
    check_not_compute(&volume)?;
    let now = tx.now();
    volume.enter(Phase::InUse, now);
    save(tx, &mut volume)
}

/// `os-detach` and `os-force_detach`: whatever holds it → available, also from an operator's error. A volume that nobody
/// has, or an attachment that is gone, is no mistake, as in Cinder.
pub(crate) fn detach(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (VolumeId, &str),
    attachment: Option<AttachmentId>,
) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, rule)?;
    check_not_compute(&volume)?;
    if volume.phase == Phase::Maintenance {
        return Err(Error::Volume("The volume cannot be detached in maintenance mode.".to_owned()));
    }
    let held = volume.attachment.as_ref().map(|held| held.id);
    if let Some(asked) = attachment.filter(|asked| held != Some(*asked)) {
        if table::by_attachment(tx, asked)?.is_some() {
            let text = "Invalid input received: Mismatched volume and attachment";
            return Err(Error::Invalid(text.to_owned()));
        }
        if held.is_some() {
            return Ok(());
        }
    }
    if volume.phase == Phase::Error && volume.made && held.is_some() {
        volume.phase = Phase::InUse;
    }
    release(tx, &mut volume)
}

/// `os-initialize_connection`: the volume as it is told to whoever wants to use it.
pub(crate) fn connect(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<Stored<Volume>, Error> {
    let volume = show_for(caller, tx, id, "volume_extension:volume_actions:initialize_connection")?;
    if volume.phase == Phase::Maintenance {
        let text = "The volume connection cannot be initialized in maintenance mode.";
        return Err(Error::Volume(text.to_owned()));
    }
    Ok(volume)
}

/// `os-terminate_connection`: who reserved it gives it back.
pub(crate) fn disconnect(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let volume = show_for(caller, tx, id, "volume_extension:volume_actions:terminate_connection")?;
    check_not_compute(&volume)?;
    unreserve(caller, tx, id)
}

/// A client's attachment of its own: the volume is reserved until the client gives it back.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    (server_id, mode): (Option<ServerId>, Option<AttachMode>),
) -> Result<Stored<Volume>, Error> {
    let mut volume = show_for(caller, tx, id, "volume:attachment_create")?;
    if volume.phase != Phase::Available || volume.attachment.is_some() {
        return Err(not_in(&volume, "available", "reserve"));
    }
    let mode = if volume.read_only == Some(true) { Some(AttachMode::ReadOnly) } else { mode };
    volume.attachment = Some(Attachment { mode, ..claim(server_id, false) });
    let now = tx.now();
    volume.enter(Phase::Reserved, now);
    save(tx, &mut volume)?;
    Ok(volume)
}

/// A client says from where it uses the volume: reserved → attaching.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: AttachmentId,
    connector: Connector,
) -> Result<Stored<Volume>, Error> {
    let volume = find(caller, tx, id)?;
    let mut volume = show_for(caller, tx, volume.id, "volume:attachment_update")?;
    check_own(&volume)?;
    if !matches!(volume.phase, Phase::Reserved | Phase::Attaching | Phase::InUse) {
        let (volume, phase) = (volume.id, volume.phase);
        let text = format!(
            "Volume attachments can not be updated now. The Volume {volume} currently has a status of: {phase}"
        );
        return Err(Error::Conflict(text));
    }
    let now = tx.now();
    let Some(held) = &mut volume.attachment else { return Err(absent(id)) };
    held.host = connector.host.or(held.host.take());
    held.device = connector.device.or(held.device.take());
    // What was said when it was made counts.
    held.mode = held.mode.or(connector.mode).or(Some(AttachMode::ReadWrite));
    held.multipath = connector.multipath;
    held.connected_at = held.connected_at.or(Some(now));
    if volume.phase == Phase::Reserved {
        volume.enter(Phase::Attaching, now);
    }
    save(tx, &mut volume)?;
    Ok(volume)
}

/// `os-complete`: a client has the volume now. Done twice it changes nothing.
pub(crate) fn complete(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId) -> Result<(), Error> {
    let volume = find(caller, tx, id)?;
    let mut volume = show_for(caller, tx, volume.id, "volume:attachment_complete")?;
    if volume.is_attached() {
        return Ok(());
    }
    check_own(&volume)?;
    if !matches!(volume.phase, Phase::Reserved | Phase::Attaching) {
        return Err(not_in(&volume, "reserved or attaching", "complete its attachment"));
    }
    let now = tx.now();
    let Some(held) = &mut volume.attachment else { return Err(absent(id)) };
    held.attached_at = held.connected_at.or(Some(now));
    volume.enter(Phase::InUse, now);
    save(tx, &mut volume)
}

/// Ends a client's own attachment.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId) -> Result<(), Error> {
    let volume = find(caller, tx, id)?;
    let mut volume = show_for(caller, tx, volume.id, "volume:attachment_delete")?;
    check_not_compute(&volume)?;
    release(tx, &mut volume)
}

/// An attachment that is not there, or not for the caller's eyes.
pub(crate) fn absent(id: impl ToString) -> Error {
    let id = id.to_string();
    Error::NoSuch(format!("Volume attachment could not be found with filter: attachment_id = {id}."))
}

/// The volume that has this attachment, if the caller sees it.
pub(crate) fn find(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId) -> Result<Stored<Volume>, Error> {
    let volume = table::by_attachment(tx, id)?.ok_or_else(|| absent(id))?;
    let visible = caller.is_admin() || caller.project_id() == Some(&volume.project_id);
    if visible { VOLUMES.load(tx, volume.id)?.ok_or_else(|| absent(id)) } else { Err(absent(id)) }
}

/// As Cinder answers since it learnt that a disk must not be pulled from under a VM.
fn check_not_compute(volume: &Volume) -> Result<(), Error> {
    match by_compute(volume) {
        None => Ok(()),
        Some(server) => {
            Err(Error::Conflict(format!("Detach volume from instance {server} using the Compute API")))
        }
    }
}

/// What compute began only compute goes on with.
fn check_own(volume: &Volume) -> Result<(), Error> {
    match by_compute(volume) {
        None => Ok(()),
        Some(server) => {
            Err(Error::Conflict(format!("The volume is held for instance {server} by the Compute API")))
        }
    }
}

fn by_compute(volume: &Volume) -> Option<String> {
    let held = volume.attachment.as_ref().filter(|held| held.by_compute)?;
    Some(held.server_id.map(|id| id.to_string()).unwrap_or_default())
}
