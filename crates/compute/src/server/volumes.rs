//! What a server asks of the block-storage service: volumes made for it, volumes reserved, attached and let go.

use ::store::Tx;
use agent_api::compute::VmSeen;
use block_storage::volume::ops as volume_ops;
use block_storage::volume::{NewAttachment, Phase as VolumePhase, Volume, VolumeDraft, WorkKey};
use policy::Caller;
use types::{HostId, ImageId, SnapshotId, VolumeId};

use super::device::{Disk, DiskState};
use super::{Asked, Phase, RECONCILER, SERVERS, Server, act, wrong_state};
use crate::{Error, action};

impl From<block_storage::Error> for Error {
    fn from(error: block_storage::Error) -> Error {
        Error::of_neighbour(&error)
    }
}

/// Where a server's disk comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A volume that is there.
    Volume(VolumeId),
    /// A new volume, a clone of an image.
    Image(ImageId),
    /// A new volume, a clone of a snapshot.
    Snapshot(SnapshotId),
    /// A new, empty volume.
    Blank,
}

/// Whether the volumes that a server boots with are there.
pub(crate) enum Readiness {
    Ready,
    Waiting,
    /// Why they never will be.
    Failed(String),
}

fn watcher(server: &Server) -> WorkKey {
    WorkKey { kind: RECONCILER.to_owned(), id: server.id.to_string() }
}

fn load(tx: &mut Tx<'_>, id: VolumeId) -> Result<Option<Volume>, Error> {
    match volume_ops::show(&Caller::cloud(), tx, id) {
        Ok(volume) => Ok(Some(volume.into_inner())),
        Err(block_storage::Error::NotFound { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// The host that the server must run on because a volume of it is there.
pub(crate) fn host(tx: &mut Tx<'_>, server: &Server) -> Result<Option<HostId>, Error> {
    for disk in &server.disks {
        if let Some(host) = load(tx, disk.volume_id)?.and_then(|volume| volume.host) {
            return Ok(Some(host));
        }
    }
    Ok(None)
}

/// Reserves a volume that is there; returns it.
pub(crate) fn reserve(
    caller: &Caller,
    tx: &mut Tx<'_>,
    server: &Server,
    id: VolumeId,
) -> Result<Volume, Error> {
    Ok(volume_ops::reserve(caller, tx, id, server.id)?.into_inner())
}

/// Refuses a volume that other servers may have, too, to a client that cannot know of such.
pub(crate) fn check_known(volume: &Volume, knows_multiattach: bool) -> Result<(), Error> {
    if volume.multiattach && !knows_multiattach {
        let text = "Multiattach volumes are only supported starting with compute API version 2.60.";
        return Err(Error::Invalid(text.to_owned()));
    }
    Ok(())
}

/// Makes a volume for a server, where that is or where the source is, and reserves it.
pub(crate) fn make(
    caller: &Caller,
    tx: &mut Tx<'_>,
    server: &Server,
    source: Source,
    (size_gib, volume_type): (Option<u32>, Option<String>),
) -> Result<Volume, Error> {
    let (image_id, snapshot_id) = match source {
        Source::Image(id) => (Some(id), None),
        Source::Snapshot(id) => (None, Some(id)),
        Source::Blank => (None, None),
        Source::Volume(id) => return reserve(caller, tx, server, id),
    };
    let draft = VolumeDraft {
        name: Some(String::new()),
        size_gib,
        image_id,
        snapshot_id,
        volume_type,
        host: server.host.clone(),
        watcher: Some(watcher(server)),
        ..VolumeDraft::default()
    };
    let volume = volume_ops::create(caller, tx, draft)?;
    reserve(caller, tx, server, volume.id)
}

/// Whether the server's volumes are there.
pub(crate) fn readiness(tx: &mut Tx<'_>, server: &Server) -> Result<Readiness, Error> {
    for disk in &server.disks {
        let Some(volume) = load(tx, disk.volume_id)? else {
            return Ok(Readiness::Failed(format!("Volume {} is gone.", disk.volume_id)));
        };
        match volume.phase {
            VolumePhase::Creating => return Ok(Readiness::Waiting),
            VolumePhase::Error => {
                let fault = volume.fault.clone().unwrap_or_default();
                return Ok(Readiness::Failed(format!("Volume {} could not be made: {fault}", volume.id)));
            }
            _ => {}
        }
    }
    Ok(Readiness::Ready)
}

/// The server has its volumes from now on.
pub(crate) fn connect(tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    for at in 0..server.disks.len() {
        attached(tx, server, at)?;
    }
    Ok(())
}

fn attached(tx: &mut Tx<'_>, server: &mut Server, at: usize) -> Result<(), Error> {
    let Some(host) = server.host.clone() else { return Ok(()) };
    let (id, device) = (server.disks[at].volume_id, server.disks[at].device.clone());
    let new = NewAttachment { server_id: server.id, device, host, watcher: Some(watcher(server)) };
    let volume = volume_ops::attach(tx, id, new)?;
    if let Some(attachment) = volume.attachment_of(server.id) {
        server.disks[at].attachment_id = attachment.id;
    }
    server.disks[at].state = DiskState::Attached;
    server.disks[at].size_gib = Some(volume.size_gib);
    Ok(())
}

/// Notes which volumes became larger while the server had them, with the request that asked for it.
pub(crate) fn note_growth(tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    for at in 0..server.disks.len() {
        let disk = &server.disks[at];
        if disk.state != DiskState::Attached {
            continue;
        }
        let Some(volume) = load(tx, disk.volume_id)?.filter(|volume| volume.phase == VolumePhase::InUse)
        else {
            continue;
        };
        let known = server.disks[at].size_gib.replace(volume.size_gib);
        if known.is_some_and(|known| known < volume.size_gib) {
            let request_id = volume.request_id.unwrap_or_else(|| format!("req-{}", runtime::new_uuid()));
            let asked = Asked { caller: &Caller::cloud(), request_id: &request_id };
            let action = action::begin(tx, &asked, server, "extend_volume", "compute_extend_volume")?;
            action::finish(tx, Some(&action), server.host.as_ref(), None)?;
        }
    }
    Ok(())
}

/// Whether a volume is on its way in or out.
pub(crate) fn is_moving(server: &Server) -> bool {
    server.disks.iter().any(|disk| disk.state != DiskState::Attached)
}

/// Takes in which volumes the VM has, from a report that knows the newest wishes. A VM that is off has them all by
/// having them in its document.
pub(crate) fn observe(tx: &mut Tx<'_>, server: &mut Server, seen: &VmSeen) -> Result<(), Error> {
    let off = !matches!(server.phase, Phase::Active | Phase::Paused);
    for at in (0..server.disks.len()).rev() {
        let disk = &server.disks[at];
        let has = seen.volumes.contains(&disk.volume_id);
        match disk.state {
            DiskState::Attaching if has || off => attached(tx, server, at)?,
            DiskState::Detaching if !has => {
                volume_ops::detach(tx, disk.volume_id, server.id)?;
                if disk.delete_on_termination {
                    delete(&Caller::cloud(), tx, disk.volume_id)?;
                }
                server.disks.remove(at);
            }
            DiskState::Attaching | DiskState::Attached | DiskState::Detaching => {}
        }
    }
    Ok(())
}

/// Lets go of all volumes; those that go with the server are deleted.
pub(crate) fn release_all(caller: &Caller, tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    for disk in std::mem::take(&mut server.disks) {
        volume_ops::unreserve(tx, disk.volume_id, server.id)?;
        volume_ops::detach(tx, disk.volume_id, server.id)?;
        if disk.delete_on_termination {
            delete(caller, tx, disk.volume_id)?;
        }
    }
    Ok(())
}

/// A volume goes with its server, unless it has gone before or others have it. One that cannot go, for it has snapshots, stays
/// as Nova leaves it; the server does not wait for that.
fn delete(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let is_free = load(tx, id)?.is_some_and(|volume| !volume_ops::is_in_server(&volume));
    match is_free.then(|| volume_ops::force_delete(caller, tx, id)) {
        None | Some(Err(block_storage::Error::Volume(_))) => Ok(()),
        Some(deleted) => Ok(deleted?),
    }
}

/// What a client says when it attaches a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttachDraft {
    pub(crate) volume_id: VolumeId,
    pub(crate) device: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) delete_on_termination: bool,
    /// Whether the client knows of volumes that several servers may have.
    pub(crate) knows_multiattach: bool,
}

/// Attaches a volume to a server that is made.
pub(crate) fn attach(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    id: &str,
    draft: AttachDraft,
) -> Result<Disk, Error> {
    let mut server = act::load_for("os-volumes-attachments:create", asked.caller, tx, id)?;
    check_movable(asked.caller, &server, "attach_volume")?;
    if server.disks.iter().any(|disk| disk.volume_id == draft.volume_id) {
        let text = format!("Invalid volume: Volume {} is already attached to instance {id}", draft.volume_id);
        return Err(Error::Invalid(text));
    }
    let volume = match volume_ops::show(asked.caller, tx, draft.volume_id) {
        Err(block_storage::Error::NotFound { .. }) => {
            return Err(Error::NotFound(format!("Volume {} could not be found.", draft.volume_id)));
        }
        other => other?,
    };
    check_known(&volume, draft.knows_multiattach)?;
    if volume.host.is_some() && volume.host != server.host {
        let text =
            format!("Invalid volume: Volume {} is on another host than instance {id}", draft.volume_id);
        return Err(Error::Invalid(text));
    }
    let device = device_for(&server, draft.device)?;
    let volume = reserve(asked.caller, tx, &server, draft.volume_id)?;
    let disk = disk(&server, &volume, device, draft.delete_on_termination, draft.tag);
    server.disks.push(disk.clone());
    done(asked, tx, server, "attach_volume")?;
    Ok(disk)
}

fn device_for(server: &Server, asked: Option<String>) -> Result<String, Error> {
    let free = server.next_device();
    let Some(asked) = asked else {
        return free.ok_or_else(|| Error::Forbidden("The server has no device name left".to_owned()));
    };
    let asked = if asked.starts_with("/dev/") { asked } else { format!("/dev/{asked}") };
    let root = server.image.is_some() && asked == "/dev/vda";
    if root || server.disks.iter().any(|disk| disk.device == asked) {
        return Err(Error::Conflict(format!("The supplied device path ({asked}) is in use.")));
    }
    // The guest names its disks itself; what it will call it is the next free name.
    Ok(if asked.starts_with("/dev/vd") { asked } else { free.unwrap_or(asked) })
}

/// The disk that a reserved volume makes.
pub(crate) fn disk(
    server: &Server,
    volume: &Volume,
    device: String,
    delete_on_termination: bool,
    tag: Option<String>,
) -> Disk {
    let attachment = volume.attachment_of(server.id).map(|attachment| attachment.id);
    Disk {
        volume_id: volume.id,
        attachment_id: attachment.unwrap_or_else(|| runtime::new_uuid().into()),
        mapping_id: runtime::new_uuid().to_string(),
        device,
        boot: false,
        delete_on_termination,
        tag,
        state: DiskState::Attaching,
        size_gib: None,
    }
}

/// Detaches a volume.
pub(crate) fn detach(asked: &Asked<'_>, tx: &mut Tx<'_>, id: &str, volume_id: VolumeId) -> Result<(), Error> {
    let mut server = act::load_for("os-volumes-attachments:delete", asked.caller, tx, id)?;
    let at = position(&server, volume_id)?;
    check_movable(asked.caller, &server, "detach_volume")?;
    if server.disks[at].boot {
        return Err(Error::Forbidden("Cannot detach a root device volume".to_owned()));
    }
    if server.disks[at].state != DiskState::Attached {
        return Err(Error::Conflict(format!("Volume {volume_id} is being attached or detached already.")));
    }
    volume_ops::begin_detach(asked.caller, tx, volume_id, server.id)?;
    server.disks[at].state = DiskState::Detaching;
    done(asked, tx, server, "detach_volume")
}

/// Where among the server's disks a volume is.
pub(crate) fn position(server: &Server, volume_id: VolumeId) -> Result<usize, Error> {
    let at = server.disks.iter().position(|disk| disk.volume_id == volume_id);
    at.ok_or_else(|| Error::NotFound(format!("Instance {} is not attached to volume {volume_id}", server.id)))
}

/// Changes whether the volume goes with the server.
pub(crate) fn set_delete_on_termination(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    id: &str,
    (volume_id, flag): (VolumeId, bool),
) -> Result<(), Error> {
    let mut server = act::load_for("os-volumes-attachments:update", asked.caller, tx, id)?;
    let at = position(&server, volume_id)?;
    server.disks[at].delete_on_termination = flag;
    SERVERS.save(tx, &mut server)?;
    Ok(())
}

fn check_movable(caller: &Caller, server: &Server, verb: &str) -> Result<(), Error> {
    act::check_lock(caller, server)?;
    match (server.phase, server.task) {
        (_, Some(task)) => Err(wrong_state(server, verb, "task_state", task.state())),
        (Phase::Active | Phase::Paused | Phase::Stopped, None) => Ok(()),
        (_, None) => Err(wrong_state(server, verb, "vm_state", server.vm_state())),
    }
}

fn done(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    mut server: ::store::Stored<Server>,
    name: &str,
) -> Result<(), Error> {
    let action = action::begin(tx, asked, &server, name, &format!("compute_{name}"))?;
    let host = server.host.clone();
    action::finish(tx, Some(&action), host.as_ref(), None)?;
    server.updated_at = tx.now();
    SERVERS.save(tx, &mut server)?;
    Ok(tx.kick(RECONCILER, server.id)?)
}
