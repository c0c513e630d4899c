//! What callers do with volumes. Compute uses what is here in transactions of its own; what concerns attachments is
//! in `attach` and re-exported.

use std::collections::BTreeMap;

use ::image::image::{Image, ops as images};
use policy::{Caller, Target};
use store::{Condition, Direction, Select, Stored, Tx};
use types::{ImageId, VolumeId};

pub use super::attach::{attach, begin_detach, cancel_detach, detach, list_of_server, reserve, unreserve};
use super::reconcile;
use super::store::{self as table, VOLUMES};
use super::{Phase, SIZE_GIB_MAX, SourceImage, Volume, VolumeChange, VolumeDraft};
use crate::error::Error;
use crate::policy::RULES;
use crate::volume_type::VolumeType;
use crate::{ZONE, quota, volume_type};

/// Bytes in a GiB.
const GIB: u64 = 1 << 30;

/// Which volumes a list shows.
#[derive(Debug, Clone, Default)]
pub struct VolumeList {
    /// Of all projects, if the caller may see them.
    pub(crate) all_projects: bool,
    /// Conditions on columns.
    pub(crate) conditions: Vec<Condition>,
    /// Metadata that a volume must have.
    pub(crate) metadata: Vec<(String, String)>,
    /// Columns to sort by; the last is `id`.
    pub(crate) order: Vec<(&'static str, Direction)>,
    /// After this volume.
    pub(crate) marker: Option<VolumeId>,
    /// Leaving out the first of them.
    pub(crate) offset: usize,
    /// At most this many.
    pub(crate) limit: Option<u32>,
}

/// Creates a volume, blank or as a clone of an image.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: VolumeDraft) -> Result<Stored<Volume>, Error> {
    let project_id = caller.project_id().cloned().ok_or_else(|| Error::Denied("volume:create".to_owned()))?;
    RULES.check("volume:create", caller, &Target::project(&project_id))?;
    if draft.size_gib == 0 || draft.size_gib > SIZE_GIB_MAX {
        let size = draft.size_gib;
        let text = format!(
            "Invalid input received: Invalid volume size provided for create request: {size} (size argument must be \
             an integer (or string representation of an integer) from 1 to {SIZE_GIB_MAX})."
        );
        return Err(Error::Invalid(text));
    }
    let zone = draft.availability_zone.unwrap_or_else(|| ZONE.to_owned());
    if zone != ZONE {
        let text = format!("Invalid input received: Availability zone '{zone}' is invalid.");
        return Err(Error::Invalid(text));
    }
    let volume_type = volume_type::ops::choose(caller, tx, draft.volume_type.as_deref())?;
    check_type(&volume_type, draft.size_gib, Some(&zone))?;
    let source = draft.image_id.map(|id| usable_image(caller, tx, id, draft.size_gib)).transpose()?;
    quota::ops::check_volumes(tx, &project_id, &volume_type, draft.size_gib)?;
    let now = tx.now();
    let volume = Volume {
        id: runtime::new_uuid().into(),
        name: draft.name,
        description: draft.description,
        project_id,
        user_id: caller.user_id.clone(),
        size_gib: draft.size_gib,
        phase: Phase::Creating,
        phase_since: now,
        made: false,
        fault: None,
        volume_type_id: volume_type.id,
        bootable: source.is_some(),
        read_only: None,
        availability_zone: zone,
        image: source.as_ref().map(|(source, _)| source.clone()),
        image_metadata: source.map(|(_, metadata)| metadata).unwrap_or_default(),
        metadata: draft.metadata,
        host: draft.host,
        attachment: None,
        watcher: draft.watcher,
        created_at: now,
        updated_at: now,
    };
    let volume = VOLUMES.insert(tx, volume)?;
    tx.kick(reconcile::KIND, volume.id)?;
    Ok(volume)
}

/// Creates the volume that a server is to boot from: compute names the watcher and, if it has chosen one, the host.
pub fn create_for_boot(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: VolumeDraft,
) -> Result<Stored<Volume>, Error> {
    let mut volume = create(caller, tx, draft)?;
    volume.bootable = true;
    VOLUMES.save(tx, &mut volume)?;
    Ok(volume)
}

/// Whether a volume of this size, and in this zone, can be of this type.
fn check_type(volume_type: &VolumeType, size_gib: u32, zone: Option<&str>) -> Result<(), Error> {
    if let Some(reason) = volume_type.refuses_size(size_gib) {
        return Err(Error::Invalid(format!("Invalid input received: {reason}")));
    }
    match (volume_type.zones(), zone) {
        (Some(zones), Some(zone)) if !zones.contains(&zone) => {
            let zones = zones.join(", ");
            let text = format!("Volume type is only supported in these availability zones: {zones}");
            Err(Error::Invalid(text))
        }
        _ => Ok(()),
    }
}

/// The image as a source, if a volume of this size can be made of it, and what it says about itself.
fn usable_image(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    size_gib: u32,
) -> Result<(SourceImage, BTreeMap<String, String>), Error> {
    let image = images::load_for_boot(caller, tx, id)?;
    let (Some(format), Some(bytes)) = (image.disk_format, image.virtual_size_bytes()) else {
        let text =
            format!("Image {id} is unacceptable: no volume can be made of its format; convert it to qcow2.");
        return Err(Error::Invalid(text));
    };
    let image_gib = bytes.div_ceil(GIB);
    if image_gib > u64::from(size_gib) {
        let text = format!(
            "Invalid input received: Size of specified image {image_gib}GB is larger than volume size {size_gib}GB."
        );
        return Err(Error::Invalid(text));
    }
    let min_disk = image.min_disk_gib;
    if min_disk > size_gib {
        let text = format!(
            "Invalid input received: Volume size {size_gib}GB cannot be smaller than the image minDisk size \
             {min_disk}GB."
        );
        return Err(Error::Invalid(text));
    }
    Ok((SourceImage { id, format: format.as_str().to_owned() }, metadata_of(&image)))
}

/// What a volume remembers of its image.
fn metadata_of(image: &Image) -> BTreeMap<String, String> {
    let mut metadata = image.properties.clone();
    let mut set = |key: &str, value: String| metadata.insert(key.to_owned(), value);
    set("image_id", image.id.to_string());
    set("image_name", image.name.clone().unwrap_or_default());
    set("min_disk", image.min_disk_gib.to_string());
    set("min_ram", image.min_ram_mib.to_string());
    if let Some(format) = image.disk_format {
        set("disk_format", format.as_str().to_owned());
    }
    if let Some(format) = &image.container_format {
        set("container_format", format.clone());
    }
    if let Some(stored) = &image.stored {
        set("checksum", stored.md5.clone());
        set("size", stored.size_bytes.to_string());
    }
    metadata
}

/// A volume that the caller sees.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<Stored<Volume>, Error> {
    let volume = VOLUMES.load(tx, id)?.ok_or_else(|| Error::no_volume(id))?;
    if caller.is_admin() || caller.project_id() == Some(&volume.project_id) {
        RULES.check("volume:get", caller, &Target::project(&volume.project_id))?;
        return Ok(volume);
    }
    Err(Error::no_volume(id))
}

/// A volume that the caller sees, if a rule lets the caller do this to it.
pub(crate) fn show_for(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    rule: &str,
) -> Result<Stored<Volume>, Error> {
    let volume = show(caller, tx, id)?;
    RULES.check(rule, caller, &Target::project(&volume.project_id))?;
    Ok(volume)
}

/// The volumes that the caller sees and asked for, in the order asked for, and how many there are without paging.
pub fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    query: &VolumeList,
) -> Result<(Vec<Stored<Volume>>, usize), Error> {
    let mut select = Select::all();
    if !(query.all_projects && caller.is_admin()) {
        let project = caller.project_id().ok_or_else(|| Error::Denied("volume:get_all".to_owned()))?;
        RULES.check("volume:get_all", caller, &Target::project(project))?;
        select = select.eq("project_id", project);
    }
    for condition in &query.conditions {
        select = select.with(condition.clone());
    }
    let all = if query.metadata.is_empty() { VOLUMES.count(tx, &select)? } else { 0 };
    for (column, direction) in &query.order {
        select = select.order(column, *direction);
    }
    if let Some(marker) = query.marker {
        let last = show(caller, tx, marker)?;
        let values: Vec<_> = query.order.iter().map(|(name, _)| table::column(&last, name)).collect();
        select = select.after(&values);
    }
    let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if query.metadata.is_empty() && query.offset == 0 {
        select = query.limit.map_or(select.clone(), |limit| select.limit(limit));
        return Ok((VOLUMES.query(tx, &select)?, usize::try_from(all).unwrap_or(0)));
    }
    let has = |volume: &Stored<Volume>| {
        query.metadata.iter().all(|(key, value)| volume.metadata.get(key) == Some(value))
    };
    let found: Vec<_> = VOLUMES.query(tx, &select)?.into_iter().filter(has).collect();
    let all = usize::try_from(all).unwrap_or(0).max(found.len());
    Ok((found.into_iter().skip(query.offset).take(limit).collect(), all))
}

/// Changes what its owner says about a volume.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    change: VolumeChange,
) -> Result<Stored<Volume>, Error> {
    let mut volume = show_for(caller, tx, id, "volume:update")?;
    if let Some(name) = change.name {
        volume.name = name;
    }
    if let Some(description) = change.description {
        volume.description = description;
    }
    if let Some(metadata) = change.metadata {
        volume.metadata = metadata;
    }
    save(tx, &mut volume)?;
    Ok(volume)
}

/// Deletes a volume that nobody uses.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume:delete")?;
    if volume.phase == Phase::Deleting {
        return Ok(());
    }
    // One that no host was chosen for goes whatever its state.
    let nowhere = volume.host.is_none() && volume.attachment.is_none();
    if !volume.can_delete() && !nowhere {
        let text = "Volume status must be available or error or error_restoring or error_extending or \
                    error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a \
                    transfer, or be disassociated from snapshots after volume transfer.";
        return Err(Error::Volume(text.to_owned()));
    }
    begin_delete(tx, &mut volume)
}

/// Deletes a volume whatever its state, unless a server has it.
pub fn force_delete(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume:force_delete")?;
    let in_server = volume.attachment.as_ref().is_some_and(|a| a.by_compute || a.attached_at.is_some());
    if in_server {
        let text = format!("Volume {id} is still attached, detach volume first.");
        return Err(Error::Volume(text));
    }
    volume.attachment = None;
    begin_delete(tx, &mut volume)
}

fn begin_delete(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<(), Error> {
    let now = tx.now();
    volume.enter(Phase::Deleting, now);
    VOLUMES.save(tx, volume)?;
    Ok(tx.kick(reconcile::KIND, volume.id)?)
}

/// Makes a volume larger that nobody uses.
pub fn extend(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, size_gib: u32) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume:extend")?;
    if volume.phase != Phase::Available {
        let phase = volume.phase;
        let text =
            format!("Volume {id} status must be available to extend, but the current status is {phase}.");
        return Err(Error::Volume(text));
    }
    let current = volume.size_gib;
    if size_gib <= current || size_gib > SIZE_GIB_MAX {
        let text = format!(
            "Invalid input received: New size for extend must be greater than current size. (current: {current}, \
             extended: {size_gib})."
        );
        return Err(Error::Invalid(text));
    }
    let volume_type = volume_type::ops::load(tx, volume.volume_type_id)?;
    check_type(&volume_type, size_gib, None)?;
    quota::ops::check_growth(tx, &volume.project_id, &volume_type, (current, size_gib))?;
    let now = tx.now();
    volume.size_gib = size_gib;
    volume.enter(Phase::Extending, now);
    VOLUMES.save(tx, &mut volume)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

/// Says that a server can, or cannot, boot from it.
pub fn set_bootable(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, bootable: bool) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume:update")?;
    volume.bootable = bootable;
    save(tx, &mut volume)
}

/// Says that servers must not, or may, write to it.
pub fn set_read_only(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, read_only: bool) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume:update_readonly_flag")?;
    if volume.phase != Phase::Available {
        let phase = volume.phase;
        let text = format!(
            "Volume {id} status must be available to update readonly flag, but current status is: {phase}."
        );
        return Err(Error::Volume(text));
    }
    volume.read_only = Some(read_only);
    save(tx, &mut volume)
}

/// Puts a volume into a phase by hand. What is attached stays so, and a volume without bytes does not get any.
pub fn reset_phase(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, phase: Phase) -> Result<(), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_admin_actions:reset_status")?;
    let now = tx.now();
    volume.enter(phase, now);
    if phase == Phase::Available {
        volume.fault = None;
    }
    VOLUMES.save(tx, &mut volume)?;
    Ok(tx.kick(reconcile::KIND, id)?)
}

/// Changes the metadata or the image's metadata of a volume by a function of it.
pub(crate) fn change_words(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (VolumeId, &str),
    change: impl FnOnce(&mut Volume) -> Result<(), Error>,
) -> Result<Stored<Volume>, Error> {
    let mut volume = show_for(caller, tx, id, rule)?;
    change(&mut volume)?;
    save(tx, &mut volume)?;
    Ok(volume)
}

/// Writes a changed volume back.
pub(crate) fn save(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<(), Error> {
    volume.updated_at = tx.now();
    Ok(VOLUMES.save(tx, volume)?)
}
