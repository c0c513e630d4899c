//! The disks that an image names in its property `block_device_mapping`, as Nova writes and reads them.

use block_storage::snapshot::Snapshot;
use image::image::Image;
use rest::Fields;
use serde_json::{Value as Json, json};

use crate::Error;
use crate::body::flag_of;
use crate::server::{Disk, Source, WantedDisk};

/// The name of the root device where a mapping of old has to be compared with it.
const ROOT: &str = "vda";

/// What an image says of a server's disk that is a volume: that one like it is made of this snapshot.
pub(super) fn of_snapshot(disk: &Disk, snapshot: &Snapshot) -> Json {
    json!({
        "source_type": "snapshot",
        "destination_type": "volume",
        "snapshot_id": snapshot.id,
        "volume_size": snapshot.size_gib,
        "device_name": disk.device,
        "boot_index": disk.boot.then_some(0),
        "delete_on_termination": disk.delete_on_termination,
        "device_type": "disk",
        "disk_bus": "virtio",
        "guest_format": null,
        "image_id": null,
        "volume_id": null,
        "volume_type": null,
        "no_device": null,
        "tag": null,
    })
}

/// The disks that an image names.
pub(crate) fn disks_of(image: &Image) -> Result<Vec<WantedDisk>, Error> {
    let Some(text) = image.properties.get("block_device_mapping") else { return Ok(Vec::new()) };
    let wrong = |why: &str| {
        let text = format!("Block Device Mapping is Invalid: that of image {} {why}", image.id);
        Error::Invalid(text)
    };
    let newer = image.properties.get("bdm_v2").and_then(|word| flag_of(word)).unwrap_or(false);
    let list: Vec<Json> = serde_json::from_str(text).map_err(|_| wrong("is no list"))?;
    let mut disks = Vec::new();
    for mapping in list {
        let fields =
            Fields::new("block_device_mapping", mapping).map_err(|_| wrong("is no list of objects"))?;
        disks.extend(disk(fields, newer, wrong)?);
    }
    Ok(disks)
}

/// One of them; `None` for what says that there is none.
fn disk(mut fields: Fields, newer: bool, wrong: impl Fn(&str) -> Error) -> Result<Option<WantedDisk>, Error> {
    if fields.flag("no_device")?.unwrap_or(false) {
        return Ok(None);
    }
    let mut id = |name: &str| fields.text(name);
    let (snapshot, volume, image) = (id("snapshot_id")?, id("volume_id")?, id("image_id")?);
    let kind = fields.text("source_type")?;
    let no_uuid = || wrong("names something that is no UUID");
    let source = match (kind.as_deref(), snapshot, volume, image) {
        (None | Some("snapshot"), Some(id), _, _) => Source::Snapshot(id.parse().map_err(|_| no_uuid())?),
        (None | Some("volume"), _, Some(id), _) => Source::Volume(id.parse().map_err(|_| no_uuid())?),
        (Some("image"), _, _, Some(id)) => Source::Image(id.parse().map_err(|_| no_uuid())?),
        (Some("blank"), ..) => Source::Blank,
        _ => return Err(wrong("has a disk of nothing")),
    };
    let to = fields.text("destination_type")?;
    if to.is_some_and(|to| to != "volume") || fields.text("virtual_name")?.is_some() {
        return Err(wrong("has disks that are no volumes, which are not built"));
    }
    let device = fields.text("device_name")?;
    let boot = match newer {
        true => fields.int("boot_index")? == Some(0),
        false => device.as_deref().is_some_and(|device| device.trim_start_matches("/dev/") == ROOT),
    };
    let size_gib = fields.int_in("volume_size", 0, i64::from(i32::MAX))?.filter(|size| *size > 0);
    Ok(Some(WantedDisk {
        source,
        size_gib: size_gib.and_then(|size| u32::try_from(size).ok()),
        volume_type: fields.text("volume_type")?,
        boot,
        delete_on_termination: fields.flag("delete_on_termination")?.unwrap_or(false),
        device,
        tag: fields.text("tag")?,
    }))
}

/// The disks of an image and those of a request, which come before the image's of the same device.
pub(crate) fn merged(of_image: Vec<WantedDisk>, asked: Vec<WantedDisk>) -> Vec<WantedDisk> {
    let replaced =
        |disk: &WantedDisk| disk.device.is_some() && asked.iter().any(|asked| asked.device == disk.device);
    let mut all: Vec<WantedDisk> = of_image.into_iter().filter(|disk| !replaced(disk)).collect();
    all.extend(asked);
    all
}
