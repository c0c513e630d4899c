//! How clients of the API hold a volume for purposes of their own: by attachments, or by the actions of old. Nothing
//! gets at the volume's bytes so, and nothing ends what compute began, for a VM has the disk then.

use policy::{Caller, Target};
use store::{Stored, Tx};
use types::{AttachmentId, ServerId, VolumeId};

use super::attach::{check_free, claim, not_in, release, save, settle};
use super::ops::show_for;
use super::{AttachMode, Attachment, Phase, Volume};
use crate::attachment::store as attachments;
use crate::error::Error;
use crate::policy::RULES;

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

/// `os-reserve`: available, or in-use if it is for several servers → attaching.
pub(crate) fn reserve(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:reserve")?;
    check_free(caller, &volume, None)?;
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
    if !volume.multiattach {
        check_not_compute(&volume)?;
    }
    settle(tx, &mut volume);
    save(tx, &mut volume)
}

/// `os-attach`: available or attaching, or in-use if it is for several servers → in-use.
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
    let ready = matches!(volume.phase, Phase::Available | Phase::Attaching);
    let one_more = volume.multiattach && (ready || volume.phase == Phase::InUse);
    let has_it = server_id.is_some() && volume.attachments.iter().any(|held| held.server_id == server_id);
    if !(one_more || ready && volume.attachments.is_empty()) || has_it {
        return Err(not_in(&volume, "available", "attach"));
    }
    let now = tx.now();
    volume.read_only = volume.read_only.or(Some(false));
    volume.attachments.push(Attachment {
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

/// `os-detach` and `os-force_detach`: whatever holds it → available, also from an operator's error, or in-use if others have
/// it. Of several it must be said which. A volume that nobody has, or an attachment that is gone, is no mistake, as in
/// Cinder.
pub(crate) fn detach(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (VolumeId, &str),
    attachment: Option<AttachmentId>,
) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, rule)?;
    let held = match (attachment, &volume.attachments[..]) {
        (None, [held]) => Some(held),
        (None, [_, _, ..]) => {
            let text = "Detach volume failed: More than one attachment, but no attachment_id provided.";
            return Err(Error::Conflict(text.to_owned()));
        }
        (Some(asked), all) => all.iter().find(|held| held.id == asked),
        (None, []) => None,
    };
    check_own(held, "Detach volume from instance", "using the Compute API")?;
    if volume.phase == Phase::Maintenance {
        return Err(Error::Volume("The volume cannot be detached in maintenance mode.".to_owned()));
    }
    let held = held.map(|held| held.id);
    if let Some(asked) = attachment.filter(|_| held.is_none())
        && attachments::volume_with(tx, asked)?.is_some()
    {
        return Err(Error::Invalid("Invalid input received: Mismatched volume and attachment".to_owned()));
    }
    if volume.phase == Phase::Error && volume.made && held.is_some() {
        volume.phase = Phase::InUse;
    }
    match held {
        Some(held) => release(tx, &mut volume, held),
        None if volume.attachments.is_empty() => {
            settle(tx, &mut volume);
            save(tx, &mut volume)
        }
        None => Ok(()),
    }
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
) -> Result<Held, Error> {
    let mut volume = show_for(caller, tx, id, "volume:attachment_create")?;
    check_free(caller, &volume, server_id)?;
    let mode = if volume.read_only == Some(true) { Some(AttachMode::ReadOnly) } else { mode };
    let held = Attachment { mode, ..claim(server_id, false) };
    volume.attachments.push(held.clone());
    let now = tx.now();
    volume.enter(Phase::Reserved, now);
    save(tx, &mut volume)?;
    Ok(Held { volume, held })
}

/// An attachment, and the volume that has it.
pub(crate) struct Held {
    pub(crate) volume: Stored<Volume>,
    pub(crate) held: Attachment,
}

impl Held {
    /// Notes what became of the attachment.
    fn keep(mut self, tx: &mut Tx<'_>) -> Result<Held, Error> {
        if let Some(known) = self.volume.attachments.iter_mut().find(|known| known.id == self.held.id) {
            *known = self.held.clone();
        }
        save(tx, &mut self.volume)?;
        Ok(self)
    }
}

/// A client says from where it uses the volume: reserved → attaching.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: AttachmentId,
    connector: Connector,
) -> Result<Held, Error> {
    let mut found = find_for(caller, tx, id, "volume:attachment_update")?;
    let Held { volume, held } = &mut found;
    check_own(Some(held), "The volume is held for instance", "by the Compute API")?;
    if !matches!(volume.phase, Phase::Reserved | Phase::Attaching | Phase::InUse) {
        let (volume, phase) = (volume.id, volume.phase);
        let text = format!(
            "Volume attachments can not be updated now. The Volume {volume} currently has a status of: {phase}"
        );
        return Err(Error::Conflict(text));
    }
    let now = tx.now();
    held.host = connector.host.or(held.host.take());
    held.device = connector.device.or(held.device.take());
    // What was said when it was made counts.
    held.mode = held.mode.or(connector.mode).or(Some(AttachMode::ReadWrite));
    held.multipath = connector.multipath;
    held.connected_at = held.connected_at.or(Some(now));
    if volume.phase == Phase::Reserved {
        volume.enter(Phase::Attaching, now);
    }
    found.keep(tx)
}

/// `os-complete`: a client has the volume now. Done twice it changes nothing.
pub(crate) fn complete(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId) -> Result<(), Error> {
    let mut found = find_for(caller, tx, id, "volume:attachment_complete")?;
    let Held { volume, held } = &mut found;
    if held.attached_at.is_some() {
        return Ok(());
    }
    check_own(Some(held), "The volume is held for instance", "by the Compute API")?;
    if !matches!(volume.phase, Phase::Reserved | Phase::Attaching) {
        return Err(not_in(volume, "reserved or attaching", "complete its attachment"));
    }
    let now = tx.now();
    held.attached_at = held.connected_at.or(Some(now));
    volume.enter(Phase::InUse, now);
    found.keep(tx).map(drop)
}

/// Ends a client's own attachment.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId) -> Result<(), Error> {
    let Held { mut volume, held } = find_for(caller, tx, id, "volume:attachment_delete")?;
    check_own(Some(&held), "Detach volume from instance", "using the Compute API")?;
    release(tx, &mut volume, held.id)
}

/// An attachment that is not there, or not for the caller's eyes.
pub(crate) fn absent(id: impl ToString) -> Error {
    let id = id.to_string();
    Error::NoSuch(format!("Volume attachment could not be found with filter: attachment_id = {id}."))
}

/// An attachment that the caller sees.
pub(crate) fn find(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId) -> Result<Held, Error> {
    let volume = attachments::volume_with(tx, id)?.ok_or_else(|| absent(id))?;
    let visible = caller.is_admin() || caller.project_id() == Some(&volume.project_id);
    let held = volume.attachment(id).filter(|_| visible).cloned().ok_or_else(|| absent(id))?;
    Ok(Held { volume, held })
}

fn find_for(caller: &Caller, tx: &mut Tx<'_>, id: AttachmentId, rule: &str) -> Result<Held, Error> {
    let found = find(caller, tx, id)?;
    RULES.check(rule, caller, &Target::project(&found.volume.project_id))?;
    Ok(found)
}

/// Refuses where all who have a volume have it by compute: as Cinder answers since it learnt that a disk must not be pulled
/// from under a VM.
fn check_not_compute(volume: &Volume) -> Result<(), Error> {
    let all = volume.attachments.iter().all(|held| held.by_compute);
    check_own(
        volume.attachments.first().filter(|_| all),
        "Detach volume from instance",
        "using the Compute API",
    )
}

/// What compute began only compute goes on with.
fn check_own(held: Option<&Attachment>, before: &str, after: &str) -> Result<(), Error> {
    let Some(held) = held.filter(|held| held.by_compute) else { return Ok(()) };
    let server = held.server_id.map(|id| id.to_string()).unwrap_or_default();
    Err(Error::Conflict(format!("{before} {server} {after}")))
}
