//! Volumes over HTTP.

mod action;
mod list;
mod metadata;
mod view;

use std::slice;
use std::str::FromStr;

use image::image::by_node::Terms;
use rest::{Fields, InvalidBody, Microversion, Reply, ReplyBody, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{BackupId, ImageId, VolumeGroupId, VolumeId};

use self::view::Viewer;
use super::{Volume, VolumeChange, VolumeDraft, ops};
use crate::api::{asked, named_in, own, since, text_in, words_of};
use crate::error::Error;
use crate::list::{Paging, written};
use crate::{backup, group};

/// The first microversion in which a volume is deleted by force without an action.
const FORCE: Microversion = Microversion(3, 23);
/// The first microversion in which a volume is made of a backup.
const BACKUP: Microversion = Microversion(3, 47);
/// From here on a creation with a field that no volume has is refused, and a change that changes nothing.
const STRICT: Microversion = Microversion(3, 53);
/// The first microversion with a summary.
const SUMMARY: Microversion = Microversion(3, 12);

/// The routes of volumes, their actions and their metadata.
pub(crate) fn routes(images: Terms) -> Routes {
    Routes::new()
        .get("/volumes", own(|request, tx| listed(request, tx, false)))
        .post("/volumes", own(create))
        .get("/volumes/detail", own(|request, tx| listed(request, tx, true)))
        .get("/volumes/summary", since(SUMMARY, summary))
        .get("/volumes/{id}", own(show))
        .put("/volumes/{id}", own(update))
        .delete("/volumes/{id}", own(delete))
        .get("/volumes/{id}/encryption", own(encryption))
        .get("/volumes/{id}/encryption/{key}", own(encryption_item))
        .post("/volumes/{id}/action", own(move |request, tx| action::run(&images, request, tx)))
        .and(metadata::routes())
}

/// The volume that a path is about. What is no UUID is no volume.
fn volume_id(request: &Request) -> Result<VolumeId, Error> {
    let text = request.param("id");
    text.parse().map_err(|_| Error::no_volume(text))
}

fn changed(request: &Request, tx: &mut Tx<'_>, volume: &Volume, status: u16) -> Result<Reply, Error> {
    let viewer = Viewer::of(request, tx, slice::from_ref(volume))?;
    Ok(Reply::json(status, json!({"volume": viewer.plain(volume)})))
}

/// A volume as it is answered to whoever manages it: as before all microversions.
pub(crate) fn managed(request: &Request, tx: &mut Tx<'_>, volume: &Volume) -> Result<Reply, Error> {
    let viewer = Viewer::of(request, tx, slice::from_ref(volume))?.first();
    Ok(Reply::json(202, json!({"volume": viewer.plain(volume)})))
}

fn listed(request: &Request, tx: &mut Tx<'_>, detailed: bool) -> Result<Reply, Error> {
    let (query, paging) = list::query(request)?;
    let page = ops::list(request.caller(), tx, &query, &paging)?;
    let viewer = Viewer::of(request, tx, &page.rows)?;
    let end = (page.rows.last().map(|last| last.id), page.all);
    Ok(if detailed {
        let views: Vec<_> = page.rows.iter().map(|volume| viewer.detail(volume)).collect();
        written(request, "volumes/detail", &views, end)
    } else {
        let views: Vec<_> = page.rows.iter().map(|volume| viewer.brief(volume)).collect();
        written(request, "volumes", &views, end)
    })
}

fn summary(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (query, paging) = list::query(request)?;
    let whole = Paging { limit: u32::MAX, ..paging };
    let volumes = ops::list(request.caller(), tx, &query, &whole)?.rows;
    let size: u64 = volumes.iter().map(|volume| u64::from(volume.size_gib)).sum();
    let mut body = json!({"volume-summary": {"total_size": size, "total_count": volumes.len()}});
    if request.version >= Microversion(3, 36) {
        body["volume-summary"]["metadata"] = metadata::summary(volumes.iter().map(|volume| &volume.metadata));
    }
    Ok(Reply::ok(body))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let volume = ops::show(request.caller(), tx, volume_id(request)?)?;
    let viewer = Viewer::of(request, tx, slice::from_ref(&*volume))?;
    Ok(Reply::ok(json!({"volume": viewer.detail(&volume)})))
}

/// With what a volume is encrypted: words for who attaches it. Clients get the key itself from nobody.
fn encryption_words(request: &Request, tx: &mut Tx<'_>) -> Result<Json, Error> {
    let rule = "volume_extension:volume_encryption_metadata";
    let volume = ops::show_for(request.caller(), tx, volume_id(request)?, rule)?;
    Ok(match &volume.encryption {
        None => json!({ "encryption_key_id": null }),
        Some(encryption) => json!({
            "encryption_key_id": encryption.key_id,
            "provider": encryption.provider,
            "cipher": encryption.cipher,
            "key_size": encryption.key_size_bits,
            "control_location": encryption.control_location.name(),
        }),
    })
}

fn encryption(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(encryption_words(request, tx)?))
}

/// One of the words, which Cinder answers as plain text.
fn encryption_item(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let words = encryption_words(request, tx)?;
    let key = request.param("key");
    let word = words.get(key).ok_or_else(|| {
        Error::NoSuch(format!("Volume {} has no encryption item {key}.", request.param("id")))
    })?;
    if word.is_null() {
        return Ok(Reply::empty(200));
    }
    let text = word.as_str().map_or_else(|| word.to_string(), str::to_owned);
    let body = ReplyBody::Bytes(text.into_bytes());
    Ok(Reply { body, ..Reply::empty(200) }.header("content-type", "text/plain; charset=utf-8"))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("volume")?;
    let backup = if request.version >= BACKUP { source::<BackupId>(&mut fields, "backup_id")? } else { None };
    let draft = draft(&mut fields)?;
    if request.version >= STRICT {
        fields.finish()?;
    }
    let volume = match backup {
        Some(id) => backup::ops::make_volume(request.caller(), tx, id, draft)?,
        None => ops::create(request.caller(), tx, draft)?,
    };
    changed(request, tx, &volume, 202)
}

/// Reads the body of a creation.
fn draft(fields: &mut Fields) -> Result<VolumeDraft, Error> {
    if fields.flag("multiattach")? == Some(true) {
        let text = "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume \
                    types. Contact your administrator to create a multiattach enabled volume type and use it to create \
                    multiattach volumes.";
        return Err(Error::Invalid(text.to_owned()));
    }
    let said = named_in(fields)?;
    Ok(VolumeDraft {
        name: said.name.flatten(),
        description: said.description.flatten(),
        snapshot_id: source(fields, "snapshot_id")?,
        source_volume_id: source(fields, "source_volid")?,
        image_id: image_id(fields)?,
        group_id: group_id(fields)?,
        size_gib: match fields.take("size") {
            None | Some(Json::Null) => None,
            given => Some(size(given, "size")?),
        },
        volume_type: text_in(fields, "volume_type")?.flatten(),
        availability_zone: text_in(fields, "availability_zone")?.flatten(),
        metadata: words_of(fields, "metadata")?.unwrap_or_default(),
        ..VolumeDraft::default()
    })
}

/// The id of what the volume is to be a clone of.
fn source<Id: FromStr>(fields: &mut Fields, name: &str) -> Result<Option<Id>, Error> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    let id = text.parse().map_err(|_| fields.error(name, "is not a UUID"))?;
    Ok(Some(id))
}

/// The group that it is in; one of old is a group too.
fn group_id(fields: &mut Fields) -> Result<Option<VolumeGroupId>, Error> {
    let old = fields.text("consistencygroup_id")?;
    let Some(text) = fields.text("group_id")?.or(old) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| group::ops::absent(text))
}

/// A size in GiB; one that is missing is as wrong as one that is none.
fn size(given: Option<Json>, name: &str) -> Result<u32, Error> {
    let number = match &given {
        Some(Json::Number(number)) => number.as_u64(),
        Some(Json::String(text)) => text.parse().ok(),
        _ => None,
    };
    let size = number.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    size.ok_or_else(|| {
        let text = format!(
            "Invalid input received: Invalid volume size provided for create request: {} ({name} argument must be an \
             integer (or string representation of an integer) and greater than zero).",
            given.unwrap_or(Json::Null)
        );
        Error::Invalid(text)
    })
}

/// The image, in either spelling; clients of old sent a URL whose last part is the id.
fn image_id(fields: &mut Fields) -> Result<Option<ImageId>, Error> {
    let other = fields.text("image_id")?;
    let text = fields.text("imageRef")?.or(other);
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let id = text.rsplit('/').next().and_then(|id| id.parse().ok());
    let unknown =
        || Error::Invalid("Invalid image identifier or unable to access requested image.".to_owned());
    id.map(Some).ok_or_else(unknown)
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("volume")?;
    let change = change(&mut fields)?;
    fields.finish()?;
    if request.version >= STRICT && change == VolumeChange::default() {
        return Err(InvalidBody::at("volume", "changes nothing").into());
    }
    let volume = ops::update(request.caller(), tx, volume_id(request)?, change)?;
    changed(request, tx, &volume, 200)
}

fn change(fields: &mut Fields) -> Result<VolumeChange, InvalidBody> {
    let said = named_in(fields)?;
    Ok(VolumeChange {
        name: said.name,
        description: said.description,
        metadata: words_of(fields, "metadata")?,
    })
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = volume_id(request)?;
    let force = request.version >= FORCE && asked(request, "force")?;
    let how = ops::Deletion { force, cascade: asked(request, "cascade")? };
    ops::delete(request.caller(), tx, id, how)?;
    Ok(Reply::empty(202))
}
