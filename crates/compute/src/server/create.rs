//! Creating servers: everything that is checked, made and reserved in the request's one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ::store::{Stored, Tx};
use agent_api::compute::{Power, PowerSeen};
use image::image::{Image, ops as image_ops};
use policy::{Caller, Scope, Target};
use types::{ImageId, NetworkId, PortId, ProjectId, SecurityGroupId, ServerId};

use super::imaging::mapping;
use super::model::{BootImage, Creator, Key, Phase, Placement, Server, ZONE, hostname_of};
use super::store::SERVERS;
use super::volumes::{self, Source};
use super::{Asked, RECONCILER, build, ports};
use crate::flavor::{self, Flavor};
use crate::policy::RULES;
use crate::{Error, action, group, keypair, quota};

/// Bytes in a GiB.
const GIB: u64 = 1 << 30;

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Error {
        Error::of_neighbour(&error)
    }
}

/// The servers that somebody wants: one or several alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The name; several get a number each.
    pub name: String,
    /// The host name; made of the name if absent.
    pub hostname: Option<String>,
    /// Words for people.
    pub description: Option<String>,
    /// The flavor's id.
    pub flavor: String,
    /// The image to boot from, unless a disk is.
    pub image_id: Option<ImageId>,
    /// Network cards.
    pub networks: Networks,
    /// Names or ids of the groups of ports that are made.
    pub security_groups: Option<Vec<String>>,
    /// Volumes.
    pub disks: Vec<WantedDisk>,
    /// The caller's keypair.
    pub key_name: Option<String>,
    /// Base64.
    pub user_data: Option<String>,
    /// The owner's pairs.
    pub metadata: BTreeMap<String, String>,
    /// The owner's tags.
    pub tags: BTreeSet<String>,
    /// Whether the metadata also comes on a drive.
    pub config_drive: bool,
    /// The password.
    pub admin_pass: Option<String>,
    /// Shown as the way in.
    pub access_ipv4: Option<IpAddr>,
    /// As above.
    pub access_ipv6: Option<IpAddr>,
    /// Shown as given.
    pub disk_config_manual: bool,
    /// Where.
    pub placement: Placement,
    /// At least and at most how many.
    pub count: (u32, u32),
    /// Whether the client knows of volumes that several servers may have.
    pub knows_multiattach: bool,
}

/// Which networks a server is to be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Networks {
    /// The only one there is, or none.
    Unspecified,
    /// The only one there is, or one that is made for the purpose.
    Auto,
    /// None.
    None,
    /// These.
    These(Vec<WantedNic>),
}

/// A network card that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedNic {
    /// On this network, by a port that is made.
    pub network_id: Option<NetworkId>,
    /// With this address.
    pub fixed_ip: Option<IpAddr>,
    /// By this port.
    pub port_id: Option<PortId>,
    /// The owner's tag.
    pub tag: Option<String>,
}

impl WantedNic {
    /// A card on a network, however.
    pub fn on(network_id: NetworkId) -> WantedNic {
        WantedNic { network_id: Some(network_id), fixed_ip: None, port_id: None, tag: None }
    }
}

/// A volume that somebody wants in a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedDisk {
    /// What it is.
    pub source: Source,
    /// How large, if it is made.
    pub size_gib: Option<u32>,
    /// Its type, if it is made.
    pub volume_type: Option<String>,
    /// Whether the server boots from it.
    pub boot: bool,
    /// Whether it goes with the server.
    pub delete_on_termination: bool,
    /// The device's name, if the owner has one in mind.
    pub device: Option<String>,
    /// The owner's tag.
    pub tag: Option<String>,
}

/// What all servers of one request share, looked up once.
struct Common {
    project_id: ProjectId,
    flavor: Flavor,
    image: Option<BootImage>,
    volumes_image: Option<ImageId>,
    disks: Vec<WantedDisk>,
    key: Option<Key>,
    nics: Vec<WantedNic>,
    groups: Option<Vec<SecurityGroupId>>,
    reservation_id: String,
}

/// Creates servers. Either all of them, with their ports and volumes, are there afterwards, or nothing is.
pub fn create(asked: &Asked<'_>, tx: &mut Tx<'_>, draft: &Draft) -> Result<Vec<Stored<Server>>, Error> {
    let caller = asked.caller;
    let common = check(caller, tx, draft)?;
    let count = affordable(tx, &common, draft.count)?;
    if let Some(id) = draft.placement.group_id {
        group::check_room(caller, tx, id, count)?;
    }
    (0..count).map(|index| create_one(asked, tx, draft, &common, (index, count))).collect()
}

fn check(caller: &Caller, tx: &mut Tx<'_>, draft: &Draft) -> Result<Common, Error> {
    let project_id = caller.project_id().cloned();
    let project_id =
        project_id.ok_or_else(|| Error::Invalid("A server needs a project to own it.".to_owned()))?;
    let target = Target::project(&project_id);
    RULES.check("os_compute_api:servers:create", caller, &target)?;
    if draft.placement.host.is_some() {
        RULES.check("os_compute_api:servers:create:forced_host", caller, &target)?;
    }
    if !draft.disks.is_empty() {
        RULES.check("os_compute_api:servers:create:attach_volume", caller, &target)?;
    }
    if let Networks::These(_) | Networks::Auto = draft.networks {
        RULES.check("os_compute_api:servers:create:attach_network", caller, &target)?;
    }
    if draft.placement.zone.as_ref().is_some_and(|zone| zone != ZONE) {
        return Err(Error::Invalid("The requested availability zone is not available".to_owned()));
    }
    let flavor = flavor::load(caller, tx, &draft.flavor).map_err(named_in_body)?.into_inner();
    if flavor.ephemeral_gib > 0 || flavor.swap_mib > 0 {
        let text = format!("Flavor {} has swap or an ephemeral disk, which are not built.", flavor.id);
        return Err(Error::Invalid(text));
    }
    let (image, disks) = boot_source(caller, tx, draft, &flavor)?;
    let volumes_image = draft.image_id.filter(|_| image.is_none());
    let key = match &draft.key_name {
        None => None,
        Some(name) => {
            let invalid = |error| match error {
                Error::NotFound(_) => Error::Invalid("Invalid key_name provided.".to_owned()),
                other => other,
            };
            let keypair = keypair::load(caller, tx, &caller.user_id, name).map_err(invalid)?;
            Some(Key { name: keypair.name.clone(), public_key: keypair.public_key.clone() })
        }
    };
    let limit = quota::of_project(tx, &project_id)?.metadata_items;
    if limit >= 0 && draft.metadata.len() as i64 > limit {
        let text =
            format!("Quota exceeded, too many metadata items: {} asked, limit {limit}", draft.metadata.len());
        return Err(Error::Forbidden(text));
    }
    let nics = ports::wanted(caller, tx, &draft.networks)?;
    check_several(draft, &disks, &nics)?;
    let groups = draft.security_groups.as_ref().map(|names| ports::groups(caller, tx, names)).transpose()?;
    let reservation_id = format!("r-{:08x}", runtime::random_u64() as u32);
    Ok(Common { project_id, flavor, image, volumes_image, disks, key, nics, groups, reservation_id })
}

fn named_in_body(error: Error) -> Error {
    match error {
        Error::NotFound(text) => Error::Invalid(text),
        other => other,
    }
}

/// What only one server can have.
fn check_several(draft: &Draft, disks: &[WantedDisk], nics: &[WantedNic]) -> Result<(), Error> {
    if draft.count.1 <= 1 {
        return Ok(());
    }
    if nics.iter().any(|nic| nic.port_id.is_some()) {
        return Err(Error::Invalid(
            "Unable to launch multiple instances with a single configured port ID. Please launch your instance one \
             by one with different ports."
                .to_owned(),
        ));
    }
    if nics.iter().any(|nic| nic.fixed_ip.is_some()) {
        let text = "Invalid fixed IP Address in server request: several servers cannot have one address.";
        return Err(Error::Invalid(text.to_owned()));
    }
    if disks.iter().any(|disk| matches!(disk.source, Source::Volume(_))) {
        return Err(Error::Invalid("Cannot attach one or more volumes to multiple instances".to_owned()));
    }
    Ok(())
}

/// How many servers there will be: as many as the quota leaves, but no fewer than asked for at least.
fn affordable(tx: &mut Tx<'_>, common: &Common, (min, max): (u32, u32)) -> Result<u32, Error> {
    let mut count = max;
    loop {
        match quota::check_servers(tx, &common.project_id, count, &common.flavor) {
            Ok(()) => return Ok(count),
            Err(error) if count <= min => return Err(error),
            Err(Error::Forbidden(_)) => count -= 1,
            Err(other) => return Err(other),
        }
    }
}

/// What the servers boot from: an image, unless one of the disks is to be booted from. An image may name disks itself,
/// which then replaces what the request says of a volume made of the image.
fn boot_source(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: &Draft,
    flavor: &Flavor,
) -> Result<(Option<BootImage>, Vec<WantedDisk>), Error> {
    let of_image = draft.disks.iter().find_map(|disk| match disk.source {
        Source::Image(id) if disk.boot => Some(id),
        _ => None,
    });
    let Some(id) = draft.image_id.or(of_image) else { return Ok((None, draft.disks.clone())) };
    let image = image_ops::load_for_boot(caller, tx, id).map_err(|error| match error {
        image::Error::NotFound(_) => Error::Invalid(format!("Image {id} could not be found.")),
        other => other.into(),
    })?;
    let named = mapping::disks_of(&image)?;
    let mut asked = draft.disks.clone();
    if named.iter().any(|disk| disk.boot) {
        asked.retain(|disk| !disk.boot || disk.source != Source::Image(id));
    }
    let disks = mapping::merged(named, asked);
    match disks.iter().filter(|disk| disk.boot).count() {
        0 => Ok((Some(boot_image(image, flavor)?), disks)),
        1 if u64::from(image.min_ram_mib) > flavor.ram_mib => Err(too_little_memory()),
        1 => Ok((None, disks)),
        _ => {
            let text = "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping \
                        combination is not valid.";
            Err(Error::Invalid(text.to_owned()))
        }
    }
}

fn too_little_memory() -> Error {
    Error::Invalid("Flavor's memory is too small for requested image.".to_owned())
}

fn boot_image(image: Image, flavor: &Flavor) -> Result<BootImage, Error> {
    let id = image.id;
    if image.properties.contains_key("cinder_encryption_key_id") {
        let text = "Direct booting of an image uploaded from an encrypted volume is unsupported.";
        return Err(Error::Invalid(format!("Image {id} is unacceptable: {text}")));
    }
    let size_bytes = fits(&image, flavor)?;
    let root_gib = match flavor.disk_gib {
        0 => size_bytes.div_ceil(GIB).max(1),
        gib => gib,
    };
    let Some(format) = image.disk_format else {
        return Err(Error::Invalid(format!("Image {id} is unacceptable: it has no disk format")));
    };
    let format = format.as_str().to_owned();
    let Image { properties, min_disk_gib, min_ram_mib, .. } = image;
    Ok(BootImage { id, format, root_gib, properties, min_disk_gib, min_ram_mib })
}

/// The image's size, if the flavor is large enough for it.
fn fits(image: &Image, flavor: &Flavor) -> Result<u64, Error> {
    if u64::from(image.min_ram_mib) > flavor.ram_mib {
        return Err(too_little_memory());
    }
    let (disk, least) = (flavor.disk_gib * GIB, u64::from(image.min_disk_gib) * GIB);
    let unlimited = flavor.disk_gib == 0;
    if !unlimited && least > disk {
        return Err(Error::Invalid(format!(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {disk} bytes, \
             minimum size is {least} bytes."
        )));
    }
    let Some(size_bytes) = image.virtual_size_bytes().filter(|size| *size > 0) else {
        let text = format!(
            "Image {} is unacceptable: it is empty, or no disk can be made of its format; convert it to qcow2.",
            image.id
        );
        return Err(Error::Invalid(text));
    };
    if !unlimited && size_bytes > disk {
        return Err(Error::Invalid(format!(
            "Flavor's disk is too small for requested image. Flavor disk is {disk} bytes, image is {size_bytes} bytes."
        )));
    }
    Ok(size_bytes)
}

fn create_one(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    draft: &Draft,
    common: &Common,
    (index, count): (u32, u32),
) -> Result<Stored<Server>, Error> {
    let mut server = new(asked, tx, draft, common, (index, count));
    for wanted in &common.nics {
        let nic = ports::plug(asked.caller, tx, server.id, wanted, common.groups.as_deref())?;
        server.nics.push(nic);
    }
    ports::refresh(tx, &mut server)?;
    let action = action::begin(tx, asked, &server, "create", "compute__do_build_and_run_instance")?;
    server.task_action = Some(action.clone());
    server.boot_action = Some(action);
    let before = |disk: &&WantedDisk| matches!(disk.source, Source::Volume(_) | Source::Snapshot(_));
    for wanted in common.disks.iter().filter(before) {
        add_disk(asked.caller, tx, &mut server, (wanted, draft.knows_multiattach))?;
    }
    build::place(tx, &mut server)?;
    // A volume is made where the server is; without a place for the server there is none for its volumes.
    if server.host.is_some() {
        for wanted in common.disks.iter().filter(|disk| !before(disk)) {
            add_disk(asked.caller, tx, &mut server, (wanted, draft.knows_multiattach))?;
        }
    }
    server.disks.sort_by_key(|disk| !disk.boot);
    build::advance(tx, &mut server)?;
    let server = SERVERS.insert(tx, server)?;
    tx.kick(RECONCILER, server.id)?;
    Ok(server)
}

fn add_disk(
    caller: &Caller,
    tx: &mut Tx<'_>,
    server: &mut Server,
    (wanted, knows_multiattach): (&WantedDisk, bool),
) -> Result<(), Error> {
    let volume = match wanted.source {
        Source::Volume(id) => {
            let volume = volumes::reserve(caller, tx, server, id)?;
            volumes::check_known(&volume, knows_multiattach)?;
            if wanted.boot && !volume.bootable {
                return Err(Error::Invalid(format!("Block Device {id} is not bootable.")));
            }
            volume
        }
        Source::Snapshot(_) => {
            let made_like = (wanted.size_gib, wanted.volume_type.clone());
            let volume = volumes::make(caller, tx, server, wanted.source, made_like)?;
            if wanted.boot && !volume.bootable {
                return Err(Error::Invalid(format!("Block Device {} is not bootable.", volume.id)));
            }
            volume
        }
        Source::Image(_) | Source::Blank => {
            let size_gib =
                wanted.size_gib.unwrap_or(u32::try_from(server.flavor.disk_gib).unwrap_or(u32::MAX));
            let kind = wanted.volume_type.clone();
            volumes::make(caller, tx, server, wanted.source, (Some(size_gib), kind))?
        }
    };
    let device = match (&wanted.device, wanted.boot) {
        (_, true) => "/dev/vda".to_owned(),
        (Some(device), false) if device.starts_with("/dev/vd") => device.clone(),
        (_, false) => next_device(server)?,
    };
    if server.disks.iter().any(|disk| disk.device == device) {
        return Err(Error::Conflict(format!("The supplied device path ({device}) is in use.")));
    }
    let mut disk = volumes::disk(server, &volume, device, wanted.delete_on_termination, wanted.tag.clone());
    disk.boot = wanted.boot;
    server.disks.push(disk);
    Ok(())
}

/// The next device name; the first is the boot disk's wherever that comes from.
fn next_device(server: &Server) -> Result<String, Error> {
    let mut names = ('b'..='z').map(|letter| format!("/dev/vd{letter}"));
    let free = names.find(|name| !server.disks.iter().any(|disk| disk.device == *name));
    free.ok_or_else(|| Error::Forbidden("The server has no device name left".to_owned()))
}

fn creator(caller: &Caller) -> Option<Creator> {
    match &caller.scope {
        Scope::Project { name, .. } => {
            Some(Creator { user_name: caller.user_name.clone(), project_name: name.clone() })
        }
        Scope::Unscoped | Scope::Domain { .. } | Scope::System => None,
    }
}

fn new(asked: &Asked<'_>, tx: &Tx<'_>, draft: &Draft, common: &Common, (index, count): (u32, u32)) -> Server {
    let id: ServerId = runtime::new_uuid().into();
    let now = tx.now();
    let numbered = |name: &str| if count > 1 { format!("{name}-{}", index + 1) } else { name.to_owned() };
    let name = numbered(&draft.name);
    let hostname = draft.hostname.as_deref().map(numbered).unwrap_or_else(|| hostname_of(&name, id));
    Server {
        id,
        project_id: common.project_id.clone(),
        user_id: asked.caller.user_id.clone(),
        hostname,
        name,
        description: draft.description.clone(),
        flavor: common.flavor.clone(),
        image: common.image.clone(),
        volumes_image: common.volumes_image,
        creator: creator(asked.caller),
        key: common.key.clone(),
        metadata: draft.metadata.clone(),
        tags: draft.tags.clone(),
        user_data: draft.user_data.clone(),
        config_drive: draft.config_drive,
        admin_pass: draft.admin_pass.clone(),
        guest_password: String::new(),
        passwords_cleared: 0,
        access_ipv4: draft.access_ipv4,
        access_ipv6: draft.access_ipv6,
        disk_config_manual: draft.disk_config_manual,
        placement: draft.placement.clone(),
        reservation_id: common.reservation_id.clone(),
        launch_index: index,
        lock: None,
        nics: Vec::new(),
        disks: Vec::new(),
        imagings: Vec::new(),
        phase: Phase::Scheduling,
        task: None,
        since: now,
        power: Power::On,
        reboot: None,
        host: None,
        power_seen: PowerSeen::Absent,
        fault: None,
        task_action: None,
        boot_action: None,
        boot_at: now,
        created_at: now,
        updated_at: now,
        launched_at: None,
    }
}
