//! How a volume gets into a server and out again, which compute does in its own transactions.

use policy::Caller;
use store::{Stored, Tx};
use types::{AttachmentId, HostId, ServerId, VolumeId};

use super::ops::{save, show_for};
use super::store::{self as table, VOLUMES};
use super::{Attachment, Phase, Volume, WorkKey};
use crate::error::Error;

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

/// Holds an available volume for a server: from now on no other server can have it. A volume that is still being made
/// can be held by the one server that it is made for, its watcher, which is kicked when that ends.
pub fn reserve(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    server: ServerId,
) -> Result<Stored<Volume>, Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:reserve")?;
    let made_for_it = || volume.watcher.as_ref().is_some_and(|watcher| watcher.id == server.to_string());
    let usable = volume.phase == Phase::Available || volume.phase == Phase::Creating && made_for_it();
    if volume.attachment.is_some() || !usable {
        return Err(not_in(&volume, "available", "reserve"));
    }
    volume.attachment = Some(claim(Some(server), true));
    if volume.phase == Phase::Available {
        let now = tx.now();
        volume.enter(Phase::Reserved, now);
    }
    save(tx, &mut volume)?;
    Ok(volume)
}

/// Lets go of a volume that was reserved for a server and never attached. Done twice it changes nothing.
pub fn unreserve(tx: &mut Tx<'_>, id: VolumeId, server: ServerId) -> Result<(), Error> {
    let Some(mut volume) = held_by(tx, id, server)? else { return Ok(()) };
    if !volume.is_attached() {
        release(tx, &mut volume)?;
    }
    Ok(())
}

/// A server has a volume now, which must have been made. It need not have been reserved.
pub fn attach(tx: &mut Tx<'_>, id: VolumeId, new: NewAttachment) -> Result<Stored<Volume>, Error> {
    let mut volume = VOLUMES.load(tx, id)?.ok_or_else(|| Error::no_volume(id))?;
    let held = volume.attachment.clone();
    let ours = held.as_ref().is_none_or(|held| held.server_id == Some(new.server_id) && held.by_compute);
    let ready = matches!(volume.phase, Phase::Available | Phase::Reserved | Phase::Attaching | Phase::InUse);
    if !ours || !ready || !volume.made {
        return Err(not_in(&volume, "available", "attach"));
    }
    let now = tx.now();
    let mut attachment = held.unwrap_or_else(|| claim(Some(new.server_id), true));
    attachment.device = Some(new.device);
    attachment.host = Some(new.host.to_string());
    attachment.attached_at = attachment.attached_at.or(Some(now));
    volume.attachment = Some(attachment);
    volume.watcher = new.watcher;
    if volume.phase != Phase::InUse {
        volume.enter(Phase::InUse, now);
    }
    save(tx, &mut volume)?;
    Ok(volume)
}

/// A volume is to leave its server.
pub fn begin_detach(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, server: ServerId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:begin_detaching")?;
    let held = volume.attachment.as_ref().is_some_and(|held| held.server_id == Some(server));
    if !held || volume.phase != Phase::InUse {
        return Err(not_in(&volume, "in-use", "detach"));
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
    release(tx, &mut volume)
}

/// The volumes that a server has or is about to have.
pub fn list_of_server(tx: &mut Tx<'_>, server: ServerId) -> Result<Vec<Stored<Volume>>, Error> {
    Ok(table::of_server(tx, server)?)
}

fn held_by(tx: &mut Tx<'_>, id: VolumeId, server: ServerId) -> Result<Option<Stored<Volume>>, Error> {
    let ours = |volume: &Stored<Volume>| {
        volume.attachment.as_ref().is_some_and(|held| held.server_id == Some(server) && held.by_compute)
    };
    Ok(VOLUMES.load(tx, id)?.filter(ours))
}

/// Ends the claim; a volume that was usable is available again.
pub(super) fn release(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<(), Error> {
    volume.attachment = None;
    volume.watcher = None;
    if matches!(volume.phase, Phase::Reserved | Phase::Attaching | Phase::InUse | Phase::Detaching) {
        let now = tx.now();
        volume.enter(Phase::Available, now);
    }
    save(tx, volume)
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
    }
}

pub(super) fn not_in(volume: &Volume, wanted: &str, action: &str) -> Error {
    let (id, phase) = (volume.id, volume.phase);
    Error::Volume(format!(
        "Volume {id} status must be {wanted} to {action}, but the current status is {phase}."
    ))
}
