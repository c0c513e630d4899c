//! The action `os-volume_upload_image` over HTTP.

use ::image::image::by_node::Terms;
use ::image::image::{CONTAINER_FORMATS, DiskFormat, Image, Visibility};
use rest::{Fields, Microversion, Reply, Request};
use serde_json::{Value as Json, json};
use store::Tx;
use types::VolumeId;

use super::{UploadDraft, ops};
use crate::api::{flag_in, required_in, text_in};
use crate::error::Error;
use crate::volume::Volume;
use crate::volume_type::{self, VolumeType};

/// The first microversion in which a caller says who sees the image, and whether it is protected.
const VISIBILITY: Microversion = Microversion(3, 1);
/// What a disk can be written as.
const FORMATS: [DiskFormat; 6] = [
    DiskFormat::Raw,
    DiskFormat::Vmdk,
    DiskFormat::Vdi,
    DiskFormat::Qcow2,
    DiskFormat::Vhd,
    DiskFormat::Vhdx,
];

/// Begins to make an image of a volume.
pub(crate) fn run(
    terms: &Terms,
    request: &Request,
    tx: &mut Tx<'_>,
    id: VolumeId,
    fields: Fields,
) -> Result<Reply, Error> {
    let draft = draft(request.version, fields)?;
    let (volume, image) = ops::create(request.caller(), tx, terms, id, draft)?;
    let volume_type = volume_type::ops::load(tx, volume.volume_type_id)?;
    let sees_all = volume_type::ops::sees_all_specs(request.caller());
    let view = view(&volume, &image, typed(&volume_type, sees_all));
    Ok(Reply::json(202, json!({"os-volume_upload_image": view})))
}

fn draft(version: Microversion, mut fields: Fields) -> Result<UploadDraft, Error> {
    let named = version >= VISIBILITY;
    let mut draft = UploadDraft {
        name: required_in(&mut fields, "image_name")?,
        format: format(&mut fields)?,
        container: container(&mut fields)?,
        visibility: if named { Visibility::Private } else { Visibility::Shared },
        protected: false,
        force: flag_in(&mut fields, "force")?.unwrap_or(false),
    };
    if named {
        if let Some(word) = fields.text("visibility")? {
            let unknown = |()| fields.error("visibility", format!("cannot be '{word}'"));
            draft.visibility = word.parse().map_err(unknown)?;
        }
        draft.protected = flag_in(&mut fields, "protected")?.unwrap_or(false);
    }
    fields.finish()?;
    Ok(draft)
}

fn format(fields: &mut Fields) -> Result<DiskFormat, Error> {
    let Some(word) = fields.text("disk_format")? else { return Ok(DiskFormat::Raw) };
    let known = FORMATS.into_iter().find(|format| format.as_str() == word);
    Ok(known.ok_or_else(|| fields.error("disk_format", format!("cannot be '{word}'")))?)
}

/// A container format, which the image service must know. It has one for what Cinder would have to compress.
fn container(fields: &mut Fields) -> Result<String, Error> {
    let word = text_in(fields, "container_format")?.flatten().unwrap_or_else(|| "bare".to_owned());
    match word.as_str() {
        "compressed" => {
            let text = "Image compression upload disallowed, but container_format is compressed";
            Err(Error::Invalid(text.to_owned()))
        }
        "ami" | "ari" | "aki" => {
            let text = "Invalid mix of disk and container formats. When setting a disk or container format to one of \
                        'aki', 'ari', or 'ami', the container and disk formats must match.";
            Err(Error::Invalid(text.to_owned()))
        }
        known if CONTAINER_FORMATS.contains(&known) => Ok(word),
        _ => Err(fields.error("container_format", format!("cannot be '{word}'")).into()),
    }
}

fn view(volume: &Volume, image: &Image, volume_type: Json) -> Json {
    json!({
        "id": volume.id,
        "updated_at": volume.updated_at.iso_micros(),
        "status": volume.phase.status(),
        "display_description": volume.description,
        "size": volume.size_gib,
        "volume_type": volume_type,
        "image_id": image.id,
        "container_format": image.container_format,
        "disk_format": image.disk_format.map(|format| format.as_str()),
        "image_name": image.name,
        "protected": image.protected,
        "visibility": image.visibility.as_str(),
    })
}

/// A volume's type, which Cinder shows here as it is in its database.
fn typed(volume_type: &VolumeType, sees_all: bool) -> Json {
    let specs = if sees_all { volume_type.extra_specs.clone() } else { volume_type.visible_specs() };
    json!({
        "id": volume_type.id,
        "name": volume_type.name,
        "description": volume_type.description,
        "is_public": volume_type.is_public,
        "extra_specs": specs,
        "qos_specs_id": volume_type.qos_specs_id,
        "created_at": volume_type.created_at.iso_micros(),
        "updated_at": null,
        "deleted": false,
        "deleted_at": null,
    })
}
