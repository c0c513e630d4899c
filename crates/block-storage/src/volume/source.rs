//! What a new volume is made of: nothing, an image, a snapshot, or another volume.

use std::collections::BTreeMap;

use ::image::image::{Image, ops as images};
use policy::{Caller, Target};
use store::Tx;
use types::{HostId, ImageId, SnapshotId, VolumeId, VolumeTypeId};

use super::ops::show;
use super::store::VOLUMES;
use super::{Phase, SourceImage, SourceSnapshot, Volume, VolumeDraft};
use crate::encryption::{self, VolumeEncryption};
use crate::error::Error;
use crate::policy::RULES;
use crate::snapshot::{self, Phase as SnapshotPhase};
use crate::upload;

/// Bytes in a GiB.
const GIB: u64 = 1 << 30;

/// What a new volume has from its source.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) size_gib: u32,
    pub(crate) volume_type_id: Option<VolumeTypeId>,
    pub(crate) image: Option<SourceImage>,
    pub(crate) from: Option<SourceSnapshot>,
    pub(crate) is_clone: bool,
    pub(crate) bootable: bool,
    pub(crate) image_metadata: BTreeMap<String, String>,
    /// Where the source is, and so its clones.
    pub(crate) host: Option<HostId>,
    pub(crate) backend: Option<String>,
    /// With what it is encrypted.
    pub(crate) encryption: Option<VolumeEncryption>,
}

/// Finds out the source of a new volume, and whether a volume of the size asked for can be made of it.
pub(super) fn of(caller: &Caller, tx: &mut Tx<'_>, draft: &VolumeDraft) -> Result<Source, Error> {
    match (draft.image_id, draft.snapshot_id, draft.source_volume_id) {
        (None, None, None) => Ok(Source { size_gib: draft.size_gib.unwrap_or(0), ..Source::default() }),
        (Some(id), None, None) => of_image(caller, tx, id, draft.size_gib.unwrap_or(0)),
        (None, Some(id), None) => of_snapshot(caller, tx, id, draft.size_gib),
        (None, None, Some(id)) => of_volume(caller, tx, id, draft.size_gib),
        _ => {
            // What is not there is said first.
            draft.snapshot_id.map(|id| snapshot::ops::show(caller, tx, id)).transpose()?;
            draft.source_volume_id.map(|id| show(caller, tx, id)).transpose()?;
            let text = "Invalid input received: May specify only one of snapshot, imageRef or source volume";
            Err(Error::Invalid(text.to_owned()))
        }
    }
}

fn of_snapshot(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: SnapshotId,
    size_gib: Option<u32>,
) -> Result<Source, Error> {
    let found = snapshot::ops::show(caller, tx, id)?;
    if found.phase != SnapshotPhase::Available || !found.made || found.unwanted {
        let text = "Originating snapshot status must be one of 'available' values".to_owned();
        return Err(Error::Snapshot(text));
    }
    let size = size_gib.unwrap_or(found.size_gib);
    if size < found.size_gib && size > 0 {
        let text = format!(
            "Invalid input received: Volume size '{size}'GB cannot be smaller than the snapshot size {}GB. They must be \
             >= original snapshot size.",
            found.size_gib
        );
        return Err(Error::Invalid(text));
    }
    let volume = VOLUMES.load(tx, found.volume_id)?.ok_or_else(|| Error::no_snapshot(id))?;
    let from = SourceSnapshot { volume: volume.id, id };
    Ok(Source { size_gib: size, from: Some(from), ..like(&volume) })
}

/// A clone of a volume is made of a snapshot that is held until it is there.
fn of_volume(caller: &Caller, tx: &mut Tx<'_>, id: VolumeId, size_gib: Option<u32>) -> Result<Source, Error> {
    let volume = show(caller, tx, id)?;
    if !matches!(volume.phase, Phase::Available | Phase::InUse) || !volume.made {
        let text = "Originating source volume status must be one of 'available, in-use' values".to_owned();
        return Err(Error::Volume(text));
    }
    let (size, least) = (size_gib.unwrap_or(volume.size_gib), volume.size_gib);
    if size < least && size > 0 {
        let text = format!(
            "Invalid input received: Volume size '{size}'GB cannot be smaller than original volume size  {least}GB. They \
             must be >= original volume size."
        );
        return Err(Error::Invalid(text));
    }
    RULES.check("volume:create", caller, &Target::project(&volume.project_id))?;
    Ok(Source { size_gib: size, is_clone: true, ..like(&volume) })
}

fn like(volume: &Volume) -> Source {
    Source {
        volume_type_id: Some(volume.volume_type_id),
        bootable: volume.bootable,
        image_metadata: volume.image_metadata.clone(),
        image: volume.image.clone(),
        host: volume.host.clone(),
        backend: volume.backend.clone(),
        encryption: volume.encryption.clone(),
        ..Source::default()
    }
}

/// The image as a source, if a volume of this size can be made of it, and what it says about itself.
pub(crate) fn of_image(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    size_gib: u32,
) -> Result<Source, Error> {
    let image = images::load_for_boot(caller, tx, id)?;
    let bytes = image.virtual_size_bytes().filter(|bytes| *bytes > 0);
    let (Some(format), Some(bytes)) = (image.disk_format, bytes) else {
        let text = format!(
            "Image {id} is unacceptable: it is empty, or no volume can be made of its format; convert it to qcow2."
        );
        return Err(Error::Invalid(text));
    };
    let encryption = encryption_of(tx, &image)?;
    // One that is encrypted has a header more than the disk in it, which is of whole GiB.
    let image_gib = if encryption.is_some() { bytes / GIB } else { bytes.div_ceil(GIB) };
    if image_gib > u64::from(size_gib) && size_gib > 0 {
        let text = format!(
            "Invalid input received: Size of specified image {image_gib}GB is larger than volume size {size_gib}GB."
        );
        return Err(Error::Invalid(text));
    }
    let min_disk = image.min_disk_gib;
    if min_disk > size_gib && size_gib > 0 {
        let text = format!(
            "Invalid input received: Volume size {size_gib}GB cannot be smaller than the image minDisk size \
             {min_disk}GB."
        );
        return Err(Error::Invalid(text));
    }
    Ok(Source {
        size_gib,
        bootable: true,
        image: Some(SourceImage { id, format: format.as_str().to_owned() }),
        image_metadata: metadata_of(&image),
        encryption,
        ..Source::default()
    })
}

/// With what an image is encrypted that was made of an encrypted volume. The key is for that image alone, whatever others
/// say of themselves.
fn encryption_of(tx: &mut Tx<'_>, image: &Image) -> Result<Option<VolumeEncryption>, Error> {
    let Some(key_id) = image.properties.get(encryption::KEY_ID) else { return Ok(None) };
    let found = match key_id.parse() {
        Ok(key_id) => upload::store::of_key(tx, image.id, key_id)?,
        Err(_) => None,
    };
    let encryption = found.and_then(|upload| upload.into_inner().encryption);
    let missing = || Error::Invalid(format!("Image {} is encrypted with a key that is not here.", image.id));
    Ok(Some(encryption.ok_or_else(missing)?))
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
