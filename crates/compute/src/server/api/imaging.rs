//! The actions `createImage` and `createBackup`.

use ::store::Tx;
use image::image::by_node::Terms;
use rest::{Fields, Reply, Request};
use serde_json::{Value as Json, json};
use types::ImageId;

use super::{argument, asked};
use crate::server::Rotation;
use crate::server::imaging::{self, ImagingDraft};
use crate::{Error, body, microversion, quota};

/// Makes an image of a server.
pub(super) fn create_image(
    request: &Request,
    tx: &mut Tx<'_>,
    terms: &Terms,
    value: Json,
) -> Result<Reply, Error> {
    let draft = draft(request, tx, argument("createImage", value)?, |_| Ok(None))?;
    let image = imaging::create(&asked(request), tx, terms, request.param("id"), draft)?;
    if request.version >= microversion::IMAGE_ID {
        return Ok(Reply::accepted(json!({"image_id": image})));
    }
    // Before that, its address at the image service.
    let root = request.base_url.trim_end_matches("/compute");
    Ok(Reply::empty(202).header("location", format!("{root}/image/images/{image}")))
}

/// Makes a backup of a server, which replaces older ones.
pub(super) fn create_backup(
    request: &Request,
    tx: &mut Tx<'_>,
    terms: &Terms,
    value: Json,
) -> Result<Reply, Error> {
    let draft = draft(request, tx, argument("createBackup", value)?, |fields| rotation(fields).map(Some))?;
    let is_kept = draft.rotation.as_ref().is_some_and(|rotation| rotation.keep > 0);
    let image: ImageId = imaging::create(&asked(request), tx, terms, request.param("id"), draft)?;
    if request.version >= microversion::IMAGE_ID {
        return Ok(Reply::accepted(json!({"image_id": image})));
    }
    let reply = Reply::empty(202);
    Ok(match is_kept {
        true => reply.header("location", format!("{}/v2.1/images/{image}", request.base_url)),
        false => reply,
    })
}

fn draft(
    request: &Request,
    tx: &mut Tx<'_>,
    mut fields: Fields,
    rotation: impl FnOnce(&mut Fields) -> Result<Option<Rotation>, Error>,
) -> Result<ImagingDraft, Error> {
    let name = body::name(&mut fields, "name")?;
    let name = name.ok_or_else(|| fields.error("name", "is a required property"))?;
    let rotation = rotation(&mut fields)?;
    let metadata = body::metadata(&mut fields, "metadata")?.unwrap_or_default();
    fields.finish()?;
    if request.version < microversion::NO_IMAGE_METADATA {
        let limit = quota::of_caller(request.caller(), tx)?.metadata_items;
        if limit >= 0 && metadata.len() as i64 > limit {
            return Err(Error::Forbidden("Image metadata limit exceeded".to_owned()));
        }
    }
    Ok(ImagingDraft { name, metadata: metadata.into_iter().collect(), rotation })
}

fn rotation(fields: &mut Fields) -> Result<Rotation, Error> {
    let backup_type = fields.required_text("backup_type")?;
    let keep = match fields.take("rotation") {
        Some(Json::Number(number)) => number.as_u64(),
        Some(Json::String(text)) => text.parse().ok(),
        Some(_) => None,
        None => return Err(fields.error("rotation", "is a required property").into()),
    };
    let keep = keep.ok_or_else(|| fields.error("rotation", "is not a non-negative integer"))?;
    Ok(Rotation { backup_type, keep: u32::try_from(keep).unwrap_or(u32::MAX) })
}
