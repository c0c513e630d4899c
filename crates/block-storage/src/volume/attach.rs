//! How a volume gets into a server and out again, which compute does in its own transactions.

use policy::{Caller, Target};
use store::{Stored, Tx};
use types::{AttachmentId, HostId, ServerId, VolumeId};

use super::ops::show_for;
use super::store::VOLUMES;
use super::{Attachment, Phase, Volume, WorkKey};
use crate::attachment::store as attachments;
use crate::error::Error;
use crate::policy::RULES;

/// What compute says when a server has a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// The server.
    pub server_id: ServerId,
    /// `/dev/vdb`.
    pub device: String,
    /// The server's host.
    pub host: HostId,
    /// Who is kicked when something becomes of the volume.
    pub watcher: Option<WorkKey>,
}

/// Holds an available volume for a server: from now on no other server can have it, unless it is for several. A volume that
/// is still being made can be held by the one server that it is made for, its watcher, which is kicked when that ends.
pub fn reserve(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    server: ServerId,
) -> Result<Stored<Volume>, Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:reserve")?;
    let made_for_it = volume.watcher.as_ref().is_some_and(|watcher| watcher.id == server.to_string());
    if volume.phase != Phase::Creating || !made_for_it || !volume.attachments.is_empty() {
        check_free(caller, &volume, Some(server))?;
        let now = tx.now();
        volume.enter(Phase::Reserved, now);
    }
    volume.attachments.push(claim(Some(server), true));
    save(tx, &mut volume)?;
    Ok(volume)
}

/// Refuses to hold a volume for a server that somebody has already: also for one that is for several as long as another is
/// on its way to it, or for a server that has it itself.
pub(super) fn check_free(caller: &Caller, volume: &Volume, server: Option<ServerId>) -> Result<(), Error> {
    let wanted = if volume.multiattach { "available or in-use" } else { "available" };
    let one_more = volume.multiattach && matches!(volume.phase, Phase::Available | Phase::InUse);
    let free = volume.phase == Phase::Available && volume.attachments.is_empty() || one_more;
    if !free {
        return Err(not_in(volume, wanted, "reserve"));
    }
    if server.is_some() && volume.attachments.iter().any(|held| held.server_id == server) {
        let (id, server) = (volume.id, server.map(|server| server.to_string()).unwrap_or_default());
        return Err(Error::Volume(format!("Volume {id} is already attached to instance {server}.")));
    }
    if volume.bootable && volume.phase == Phase::InUse {
        let target = Target::project(&volume.project_id);
        RULES.check("volume:multiattach_bootable_volume", caller, &target)?;
    }
    Ok(())
}

/// Lets go of a volume that was reserved for a server and never attached. Done twice it changes nothing.
pub fn unreserve(tx: &mut Tx<'_>, id: VolumeId, server: ServerId) -> Result<(), Error> {
    let Some(mut volume) = held_by(tx, id, server)? else { return Ok(()) };
    match volume.attachment_of(server).filter(|held| held.attached_at.is_none()).map(|held| held.id) {
        Some(held) => release(tx, &mut volume, held),
        None => Ok(()),
    }
}

/// A server has a volume now, which must have been made. It need not have been reserved.
pub fn attach(tx: &mut Tx<'_>, id: VolumeId, new: NewAttachment) -> Result<Stored<Volume>, Error> {
    let mut volume = VOLUMES.load(tx, id)?.ok_or_else(|| Error::no_volume(id))?;
    let server = new.server_id;
    let ours = volume.attachment_of(server).is_some();
    let ready = matches!(volume.phase, Phase::Available | Phase::Reserved | Phase::Attaching | Phase::InUse);
    let free = ours || volume.multiattach || volume.attachments.is_empty();
    if !free || !ready || !volume.made {
        return Err(not_in(&volume, "available", "attach"));
    }
    let now = tx.now();
    if !ours {
        volume.attachments.push(claim(Some(server), true));
    }
    let is_ours = |held: &&mut Attachment| held.by_compute && held.server_id == Some(server);
    if let Some(held) = volume.attachments.iter_mut().find(is_ours) {
        held.device = Some(new.device);
        held.host = Some(new.host.to_string());
        held.attached_at = held.attached_at.or(Some(now));
        held.watcher = new.watcher;
    }
    // It is made, and its attachments say who looks at it.
    volume.watcher = None;
    if volume.phase != Phase::InUse {
        volume.enter(Phase::InUse, now);
    }
    save(tx, &mut volume)?;
    Ok(volume)
}

/// A volume is to leave its server.
pub fn begin_detach(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, server: ServerId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:begin_detaching")?;
    let held = volume.attachments.iter().any(|held| held.server_id == Some(server));
    if !held || volume.phase != Phase::InUse {
        return Err(not_in(&volume, "in-use", "detach"));
    }
    if volume.is_migrating() {
        let text = format!("Volume {id} is migrating, so that it cannot be detached.");
        return Err(Error::Volume(text));
    }
    let now = tx.now();
    volume.enter(Phase::Detaching, now);
    save(tx, &mut volume)
}

/// A volume stays in its server after all.
pub fn cancel_detach(tx: &mut Tx<'_>, id: VolumeId, server: ServerId) -> Result<(), Error> {
    let Some(mut volume) = held_by(tx, id, server)? else { return Ok(()) };
    if volume.phase == Phase::Detaching {
        let now = tx.now();
        volume.enter(Phase::InUse, now);
        save(tx, &mut volume)?;
    }
    Ok(())
}

/// A server has a volume no longer. Done twice, or after the volume went, it changes nothing.
pub fn detach(tx: &mut Tx<'_>, id: VolumeId, server: ServerId) -> Result<(), Error> {
    let Some(mut volume) = held_by(tx, id, server)? else { return Ok(()) };
    match volume.attachment_of(server).map(|held| held.id) {
        Some(held) => release(tx, &mut volume, held),
        None => Ok(()),
    }
}

/// Writes back a volume whose attachments changed.
pub(super) fn save(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<(), Error> {
    Ok(attachments::save(tx, volume)?)
}

fn held_by(tx: &mut Tx<'_>, id: VolumeId, server: ServerId) -> Result<Option<Stored<Volume>>, Error> {
    Ok(VOLUMES.load(tx, id)?.filter(|volume| volume.attachment_of(server).is_some()))
}

/// Ends a claim; a volume that was usable is again what the others make of it.
pub(super) fn release(
    tx: &mut Tx<'_>,
    volume: &mut Stored<Volume>,
    attachment: AttachmentId,
) -> Result<(), Error> {
    volume.attachments.retain(|held| held.id != attachment);
    // Whoever it was made for has no more to wait for.
    volume.watcher = None;
    if volume.is_migrating() && matches!(volume.phase, Phase::Retyping | Phase::Maintenance) {
        // Its server was taking it to another backend.
        let (idle, now) = (volume.idle_phase(), tx.now());
        volume.enter(idle, now);
    }
    settle(tx, volume);
    save(tx, volume)
}

/// A volume with which nothing but attaching and detaching was done is what its attachments make of it.
pub(super) fn settle(tx: &Tx<'_>, volume: &mut Volume) {
    if matches!(volume.phase, Phase::Reserved | Phase::Attaching | Phase::InUse | Phase::Detaching) {
        let (idle, now) = (volume.idle_phase(), tx.now());
        volume.enter(idle, now);
    }
}

pub(super) fn claim(server_id: Option<ServerId>, by_compute: bool) -> Attachment {
    Attachment {
        id: AttachmentId(runtime::new_uuid()),
        server_id,
        device: None,
        host: None,
        by_compute,
        attached_at: None,
        connected_at: None,
        mode: None,
        multipath: false,
        by_action: false,
        watcher: None,
    }
}

pub(super) fn not_in(volume: &Volume, wanted: &str, action: &str) -> Error {
    let (id, phase) = (volume.id, volume.phase);
    Error::Volume(format!(
        "Volume {id} status must be {wanted} to {action}, but the current status is {phase}."
    ))
}
