//! Asking for an image of a server.

use std::collections::BTreeMap;

use ::store::Tx;
use block_storage::snapshot::{SnapshotDraft, ops as snapshots};
use block_storage::volume::ops as volumes;
use image::image::by_node::{self, Terms};
use image::image::node_copy::NodeCopy;
use image::image::{DiskFormat, Image, ImageDraft, Visibility};
use policy::{Caller, Target};
use serde_json::{Value as Json, json};
use types::{CopyId, HostId, ImageId};

use super::model::inherited;
use super::{Imaging, ImagingPhase, Rotation, mapping};
use crate::body::flag_of;
use crate::policy::RULES;
use crate::server::act::{load_for, wrong_state};
use crate::server::{Asked, Phase, RECONCILER, SERVERS, Server, Task, build};
use crate::{Error, action};

/// How many moments of one root disk are held until its host has let go of them.
const HELD_MAX: usize = 16;

/// An image that somebody wants of a server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImagingDraft {
    /// The image's name.
    pub(crate) name: String,
    /// Properties that the image gets.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Which backups it replaces, if it is one.
    pub(crate) rotation: Option<Rotation>,
}

impl ImagingDraft {
    /// Nova's name of what is asked for.
    fn action(&self) -> &'static str {
        if self.rotation.is_some() { "createBackup" } else { "createImage" }
    }
}

/// Begins to make an image of a server. A lock is no obstacle, for the server stays as it is.
pub(crate) fn create(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    terms: &Terms,
    id: &str,
    draft: ImagingDraft,
) -> Result<ImageId, Error> {
    let rule = if draft.rotation.is_some() { "os-create-backup" } else { "servers:create_image" };
    let server = load_for(rule, asked.caller, tx, id)?.into_inner();
    match &server.image {
        Some(_) => of_root_disk(asked, tx, terms, id, draft),
        None if draft.rotation.is_some() => {
            let text = "Backup is not supported for volume-backed instances.";
            Err(Error::Invalid(text.to_owned()))
        }
        None => {
            let rule = "os_compute_api:servers:create_image:allow_volume_backed";
            RULES.check(rule, asked.caller, &Target::project(&server.project_id))?;
            of_volumes(asked, tx, terms, &server, draft)
        }
    }
}

fn check_state(server: &Server, verb: &str) -> Result<(), Error> {
    if let Some(task) = server.task_state().filter(|_| server.task.is_some()) {
        return Err(wrong_state(server, verb, "task_state", task));
    }
    if !matches!(server.phase, Phase::Active | Phase::Stopped | Phase::Paused) {
        return Err(wrong_state(server, verb, "vm_state", server.vm_state()));
    }
    let under_way = server.imagings.iter().find(|imaging| imaging.phase != ImagingPhase::Ending);
    match under_way {
        Some(imaging) => Err(wrong_state(server, verb, "task_state", imaging.task(true).state())),
        None if server.imagings.len() >= HELD_MAX => {
            let text = format!("The host of instance {} has not let go of its last images yet.", server.id);
            Err(Error::Conflict(text))
        }
        None => Ok(()),
    }
}

/// Whoever insists that the guest writes its caches first is refused: nobody asks the guest to.
fn check_quiesce(server: &Server, properties: &BTreeMap<String, String>) -> Result<(), Error> {
    let wanted = properties.get("os_require_quiesce").and_then(|word| flag_of(word)).unwrap_or(false);
    if wanted && server.phase == Phase::Active {
        let text = "Failed to quiesce instance: file systems of guests cannot be frozen here; stop the server first.";
        return Err(Error::Conflict(text.to_owned()));
    }
    Ok(())
}

/// Begins to copy a server's own root disk into an image.
fn of_root_disk(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    terms: &Terms,
    id: &str,
    draft: ImagingDraft,
) -> Result<ImageId, Error> {
    let mut server = crate::server::load(asked.caller, tx, id)?;
    check_state(&server, draft.action())?;
    let properties = server.image.as_ref().map(|image| image.properties.clone()).unwrap_or_default();
    check_quiesce(&server, &properties)?;
    let placed = || Error::Internal(format!("server {} runs and has no host", server.id));
    let host: HostId = server.host.clone().ok_or_else(placed)?;
    let verb = draft.action();
    let event =
        if draft.rotation.is_some() { "compute_backup_instance" } else { "compute_snapshot_instance" };
    let copy: CopyId = runtime::new_uuid().into();
    let format = terms.disk_format();
    let made = ImageDraft {
        properties: properties_of(asked.caller, &server, &properties, &draft),
        ..image_draft(asked.caller, &server, draft.name, format)
    };
    let image = by_node::create(asked.caller, tx, terms, made, &copy.to_string())?.into_inner();
    share(asked.caller, tx, &server, &image)?;
    let now = tx.now();
    let action = action::begin(tx, asked, &server, verb, event)?;
    let is_backup = draft.rotation.is_some();
    let copy =
        NodeCopy { id: copy, image_id: image.id, format, host, heard_at: now, percent: 0, sealed: false };
    server.imagings.push(Imaging {
        copy,
        snapshot_id: runtime::new_uuid().into(),
        phase: ImagingPhase::Holding,
        rotation: draft.rotation,
        action,
    });
    server.begin(if is_backup { Task::ImageBackup } else { Task::ImageSnapshotPending }, now);
    SERVERS.save(tx, &mut server)?;
    build::put(tx, &server)?;
    tx.kick(RECONCILER, server.id)?;
    Ok(image.id)
}

/// What the image says of itself: what the user asked for comes before what it has from elsewhere, and what Nova says of
/// bytes that it stored before that.
fn properties_of(
    caller: &Caller,
    server: &Server,
    properties: &BTreeMap<String, String>,
    draft: &ImagingDraft,
) -> BTreeMap<String, String> {
    let mut all = inherited(server, properties);
    let mut set = |key: &str, value: &str| all.insert(key.to_owned(), value.to_owned());
    set("instance_uuid", &server.id.to_string());
    set("user_id", caller.user_id.as_str());
    set("image_type", if draft.rotation.is_some() { "backup" } else { "snapshot" });
    draft.metadata.iter().for_each(|(key, value)| {
        set(key, value);
    });
    if let Some(rotation) = &draft.rotation {
        set("backup_type", &rotation.backup_type);
    }
    set("image_location", "snapshot");
    set("image_state", "available");
    set("owner_id", server.project_id.as_str());
    all
}

fn image_draft(caller: &Caller, server: &Server, name: String, format: DiskFormat) -> ImageDraft {
    let least = |of: fn(&crate::server::BootImage) -> u32| server.image.as_ref().map_or(0, of);
    let flavor_gib = u32::try_from(server.flavor.disk_gib).unwrap_or(u32::MAX);
    ImageDraft {
        // An administrator without a project makes it for the server's owner.
        owner: caller.project_id().is_none().then(|| server.project_id.clone()),
        visibility: Some(match is_foreign(caller, server) {
            true => Visibility::Shared,
            false => Visibility::Private,
        }),
        name: Some(name),
        container_format: Some("bare".to_owned()),
        disk_format: Some(format),
        min_disk_gib: least(|image| image.min_disk_gib).max(flavor_gib),
        min_ram_mib: least(|image| image.min_ram_mib),
        ..ImageDraft::default()
    }
}

fn is_foreign(caller: &Caller, server: &Server) -> bool {
    caller.project_id().is_some_and(|own| *own != server.project_id)
}

/// An image that somebody else made of a server can be used by the server's owner too.
fn share(caller: &Caller, tx: &mut Tx<'_>, server: &Server, image: &Image) -> Result<(), Error> {
    if is_foreign(caller, server) {
        image::member::ops::create(caller, tx, image.id, server.project_id.clone())?;
    }
    Ok(())
}

/// Makes snapshots of a server's volumes, and an image that names them.
fn of_volumes(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    terms: &Terms,
    server: &Server,
    draft: ImagingDraft,
) -> Result<ImageId, Error> {
    let caller = asked.caller;
    check_state(server, draft.action())?;
    let boot = server.disks.iter().find(|disk| disk.boot);
    let boot = boot.map(|disk| volumes::show(&Caller::cloud(), tx, disk.volume_id)).transpose()?;
    let properties = boot.map(|volume| volume.image_properties()).unwrap_or_default();
    check_quiesce(server, &properties)?;
    let action = action::begin(tx, asked, server, draft.action(), "api_snapshot_instance")?;
    let mut mappings: Vec<Json> = Vec::new();
    for disk in &server.disks {
        let volume = volumes::show(&Caller::cloud(), tx, disk.volume_id)?;
        let wanted = SnapshotDraft {
            name: Some(format!("snapshot for {}", draft.name)),
            description: volume.description.clone(),
            in_use: true,
            ..SnapshotDraft::default()
        };
        let snapshot = snapshots::create(caller, tx, disk.volume_id, wanted)?;
        mappings.push(mapping::of_snapshot(disk, &snapshot));
    }
    let mut all = inherited(server, &properties);
    all.extend(draft.metadata);
    all.insert("root_device_name".to_owned(), server.root_device());
    all.insert("bdm_v2".to_owned(), "True".to_owned());
    all.insert("block_device_mapping".to_owned(), json!(mappings).to_string());
    let made = ImageDraft { properties: all, ..image_draft(caller, server, draft.name, DiskFormat::Qcow2) };
    let image = by_node::create_empty(caller, tx, terms, made)?.into_inner();
    share(caller, tx, server, &image)?;
    action::finish(tx, Some(&action), server.host.as_ref(), None)?;
    Ok(image.id)
}
