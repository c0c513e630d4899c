//! `os-volume_attachments`: the volumes of a server.

use ::store::Tx;
use rest::{InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use types::VolumeId;

use crate::server::volumes::{self, AttachDraft};
use crate::server::{self, Disk, Server};
use crate::{Error, body, links, microversion};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/servers/{id}/os-volume_attachments", list)
        .post("/servers/{id}/os-volume_attachments", create)
        .get("/servers/{id}/os-volume_attachments/{volume_id}", show)
        .put("/servers/{id}/os-volume_attachments/{volume_id}", update)
        .delete("/servers/{id}/os-volume_attachments/{volume_id}", delete)
}

fn view(disk: &Disk, server_id: &str, version: Microversion) -> Json {
    let volume_id = disk.volume_id.to_string();
    let mut view = json!({"volumeId": volume_id, "serverId": server_id, "device": disk.device});
    if version < microversion::ATTACHMENT_IDS {
        // Nova's id of an attachment was the volume's.
        view["id"] = json!(volume_id);
    } else {
        view["attachment_id"] = json!(disk.attachment_id.to_string());
        view["bdm_uuid"] = json!(disk.mapping_id);
    }
    if version >= microversion::SHOW_TAGS {
        view["tag"] = json!(disk.tag);
    }
    if version >= microversion::DELETE_ON_TERMINATION {
        view["delete_on_termination"] = json!(disk.delete_on_termination);
    }
    view
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = server::load_for("os-volumes-attachments:index", request.caller(), tx, request.param("id"))?;
    let page = links::page(request)?;
    let start = request.query("offset").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let limit = page.limit.unwrap_or(links::PAGE_MAX) as usize;
    let id = server.id.to_string();
    let disks = server.disks.iter().skip(start).take(limit);
    let views: Vec<Json> = disks.map(|disk| view(disk, &id, request.version)).collect();
    Ok(Reply::ok(json!({"volumeAttachments": views})))
}

fn volume_id(request: &Request) -> Result<VolumeId, Error> {
    let text = request.param("volume_id");
    text.parse().map_err(|_| Error::NotFound(format!("Volume {text} could not be found.")))
}

fn disk_of<'s>(server: &'s Server, request: &Request) -> Result<&'s Disk, Error> {
    let at = volumes::position(server, volume_id(request)?)?;
    Ok(&server.disks[at])
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = server::load_for("os-volumes-attachments:show", request.caller(), tx, request.param("id"))?;
    let view = view(disk_of(&server, request)?, &server.id.to_string(), request.version);
    Ok(Reply::ok(json!({"volumeAttachment": view})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let version = request.version;
    let mut fields = request.fields("volumeAttachment")?;
    let volume_id = fields.parse("volumeId")?.ok_or_else(|| fields.error("volumeId", "is required"))?;
    let draft = AttachDraft {
        volume_id,
        device: fields.text("device")?.filter(|device| !device.is_empty()),
        tag: if version >= microversion::ATTACH_TAGS { fields.text("tag")? } else { None },
        delete_on_termination: match version >= microversion::DELETE_ON_TERMINATION {
            true => fields.flag("delete_on_termination")?.unwrap_or(false),
            false => false,
        },
        knows_multiattach: version >= microversion::MULTIATTACH,
    };
    fields.finish()?;
    draft.tag.iter().try_for_each(|tag| body::check_tag(tag))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if draft.device.as_ref().is_some_and(|device| device.len() > 255 || !device.chars().all(plain)) {
        return Err(InvalidBody::at("device", "is no device name").into());
    }
    let id = request.param("id");
    let disk = volumes::attach(&server::asked(request), tx, id, draft)?;
    Ok(Reply::ok(json!({"volumeAttachment": view(&disk, id, version)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    if request.version < microversion::UPDATE_ATTACHMENT {
        return Err(Error::NotImplemented("Swapping a volume for another is not built.".to_owned()));
    }
    let mut fields = request.fields("volumeAttachment")?;
    let named: VolumeId = fields.parse("volumeId")?.ok_or_else(|| fields.error("volumeId", "is required"))?;
    let flag = fields.flag("delete_on_termination")?;
    for shown in ["id", "serverId", "device", "tag", "attachment_id", "bdm_uuid"] {
        fields.take(shown);
    }
    fields.finish()?;
    let volume_id = volume_id(request)?;
    if named != volume_id {
        return Err(Error::NotImplemented("Swapping a volume for another is not built.".to_owned()));
    }
    if let Some(flag) = flag {
        let asked = server::asked(request);
        volumes::set_delete_on_termination(&asked, tx, request.param("id"), (volume_id, flag))?;
    }
    Ok(Reply::empty(202))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    volumes::detach(&server::asked(request), tx, request.param("id"), volume_id(request)?)?;
    Ok(Reply::empty(202))
}
