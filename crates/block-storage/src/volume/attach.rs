//! How a volume gets into a server and out again. Compute does so in its own transactions; clients of the API can hold a
//! volume for purposes of their own, but never end what compute began, for a VM has the disk then.

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
fn release(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<(), Error> {
    volume.attachment = None;
    volume.watcher = None;
    if matches!(volume.phase, Phase::Reserved | Phase::Attaching | Phase::InUse | Phase::Detaching) {
        let now = tx.now();
        volume.enter(Phase::Available, now);
    }
    save(tx, volume)
}

fn claim(server_id: Option<ServerId>, by_compute: bool) -> Attachment {
    Attachment {
        id: AttachmentId(runtime::new_uuid()),
        server_id,
        device: None,
        host: None,
        by_compute,
        attached_at: None,
    }
}

/// The actions of the API, by which a client holds a volume itself.
pub(crate) mod by_client {
    use super::{
        Attachment, AttachmentId, Caller, Error, Phase, ServerId, Stored, Tx, VOLUMES, Volume, VolumeId,
        claim, not_in, release, save, show_for, table,
    };

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

    /// `os-unreserve`: attaching → available.
    pub(crate) fn unreserve(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
        let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:unreserve")?;
        check_not_compute(&volume)?;
        if volume.phase != Phase::Attaching {
            return Err(not_in(&volume, "attaching", "unreserve"));
        }
        release(tx, &mut volume)
    }

    /// `os-attach`: available or attaching → in-use.
    pub(crate) fn attach(
        caller: &Caller,
        tx: &mut Tx<'_>,
        id: VolumeId,
        (server_id, host, device): (Option<ServerId>, Option<String>, String),
    ) -> Result<(), Error> {
        let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:attach")?;
        let free = volume.attachment.is_none() && matches!(volume.phase, Phase::Available | Phase::Attaching);
        if !free {
            return Err(not_in(&volume, "available", "attach"));
        }
        let now = tx.now();
        let claimed = claim(server_id, false);
        volume.attachment =
            Some(Attachment { host, device: Some(device), attached_at: Some(now), ..claimed });
        volume.enter(Phase::InUse, now);
        save(tx, &mut volume)
    }

    /// `os-begin_detaching`: in-use → detaching.
    pub(crate) fn begin_detach(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
        let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:begin_detaching")?;
        check_not_compute(&volume)?;
        if volume.phase != Phase::InUse {
            return Err(not_in(&volume, "in-use", "detach"));
        }
        let now = tx.now();
        volume.enter(Phase::Detaching, now);
        save(tx, &mut volume)
    }

    /// `os-roll_detaching`: detaching → in-use.
    pub(crate) fn cancel_detach(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
        let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:roll_detaching")?;
        check_not_compute(&volume)?;
        if volume.phase != Phase::Detaching {
            return Err(not_in(&volume, "detaching", "roll detaching"));
        }
        let now = tx.now();
        volume.enter(Phase::InUse, now);
        save(tx, &mut volume)
    }

    /// `os-detach` and `os-force_detach`: in-use or detaching → available.
    pub(crate) fn detach(
        caller: &Caller,
        tx: &mut Tx<'_>,
        (id, rule): (VolumeId, &str),
        attachment: Option<AttachmentId>,
    ) -> Result<(), Error> {
        let mut volume = show_for(caller, tx, id, rule)?;
        check_not_compute(&volume)?;
        let held = volume.attachment.as_ref();
        if held.is_none() || attachment.is_some_and(|asked| held.is_none_or(|held| held.id != asked)) {
            return Err(not_in(&volume, "in-use", "detach"));
        }
        release(tx, &mut volume)
    }

    /// A client's attachment of its own: the volume is reserved until the client gives it back.
    pub(crate) fn create(
        caller: &Caller,
        tx: &mut Tx<'_>,
        id: VolumeId,
        server_id: Option<ServerId>,
    ) -> Result<Stored<Volume>, Error> {
        let mut volume = show_for(caller, tx, id, "volume:attachment_create")?;
        if volume.phase != Phase::Available || volume.attachment.is_some() {
            return Err(not_in(&volume, "available", "reserve"));
        }
        volume.attachment = Some(claim(server_id, false));
        let now = tx.now();
        volume.enter(Phase::Reserved, now);
        save(tx, &mut volume)?;
        Ok(volume)
    }

    /// Ends a client's own attachment.
    pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId) -> Result<(), Error> {
        let volume = find(caller, tx, id)?;
        let mut volume = show_for(caller, tx, volume.id, "volume:attachment_delete")?;
        check_not_compute(&volume)?;
        release(tx, &mut volume)
    }

    /// The volume that has this attachment, if the caller sees it.
    pub(crate) fn find(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId) -> Result<Stored<Volume>, Error> {
        let absent = || Error::NotFound { what: "Volume attachment", id: id.to_string() };
        let volume = table::by_attachment(tx, id)?.ok_or_else(absent)?;
        let visible = caller.is_admin() || caller.project_id() == Some(&volume.project_id);
        if visible { VOLUMES.load(tx, volume.id)?.ok_or_else(absent) } else { Err(absent()) }
    }

    /// As Cinder answers since it learnt that a disk must not be pulled from under a VM.
    fn check_not_compute(volume: &Volume) -> Result<(), Error> {
        match volume.attachment.as_ref().filter(|held| held.by_compute) {
            None => Ok(()),
            Some(held) => {
                let server = held.server_id.map(|id| id.to_string()).unwrap_or_default();
                let text = format!("Detach volume from instance {server} using the Compute API");
                Err(Error::Conflict(text))
            }
        }
    }
}

fn not_in(volume: &Volume, wanted: &str, action: &str) -> Error {
    let (id, phase) = (volume.id, volume.phase);
    Error::Volume(format!(
        "Volume {id} status must be {wanted} to {action}, but the current status is {phase}."
    ))
}
