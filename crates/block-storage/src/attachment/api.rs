//! Attachments over HTTP.

use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Condition, Direction, Tx, Value};
use types::{AttachmentId, ServerId, VolumeId};

use crate::api::since;
use crate::error::Error;
use crate::volume::ops::{self, VolumeList};
use crate::volume::{Attachment, Phase, Volume, by_client};

/// The first microversion that has attachments.
const FIRST: Microversion = Microversion(3, 27);
/// The most attachments in one answer.
const LIMIT_MAX: u32 = 1000;

/// The routes of attachments.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/attachments", since(FIRST, index))
        .post("/attachments", since(FIRST, create))
        .get("/attachments/detail", since(FIRST, detail))
        .get("/attachments/{id}", since(FIRST, show))
        .delete("/attachments/{id}", since(FIRST, delete))
}

fn attachment_id(request: &Request) -> Result<AttachmentId, Error> {
    let text = request.param("id");
    text.parse().map_err(|_| Error::NotFound { what: "Volume attachment", id: text.to_owned() })
}

fn summary(volume: &Volume, attachment: &Attachment) -> Json {
    let status = match volume.phase {
        Phase::InUse => "attached",
        Phase::Detaching => "detaching",
        Phase::Attaching => "attaching",
        _ => "reserved",
    };
    json!({
        "id": attachment.id,
        "volume_id": volume.id,
        "instance": attachment.server_id,
        "status": status,
    })
}

fn view(volume: &Volume, attachment: &Attachment) -> Json {
    let mut view = summary(volume, attachment);
    let since = attachment.attached_at.map(|at| at.iso_micros());
    view["attached_at"] = since.unwrap_or_default().into();
    view["detached_at"] = "".into();
    view["attach_mode"] = attachment.attached_at.map(|_| "rw").into();
    view["connection_info"] = json!({});
    view
}

fn list(request: &Request, tx: &mut Tx<'_>, view: fn(&Volume, &Attachment) -> Json) -> Result<Reply, Error> {
    let mut conditions = vec![Condition::Ne("attachment_id", Value::Null)];
    if let Some(server) = request.query("instance_id").or(request.query("instance_uuid")) {
        conditions.push(Condition::Eq("server_id", server.into()));
    }
    if let Some(volume) = request.query("volume_id") {
        conditions.push(Condition::Eq("id", volume.into()));
    }
    let all =
        request.query("all_tenants").is_some_and(|word| word != "0" && !word.eq_ignore_ascii_case("false"));
    let query = VolumeList {
        all_projects: all,
        conditions,
        order: vec![("id", Direction::Asc)],
        limit: Some(LIMIT_MAX),
        ..VolumeList::default()
    };
    let (volumes, _) = ops::list(request.caller(), tx, &query)?;
    let found = volumes.iter().filter_map(|volume| volume.attachment.as_ref().map(|held| view(volume, held)));
    Ok(Reply::ok(json!({"attachments": found.collect::<Vec<_>>()})))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    list(request, tx, summary)
}

fn detail(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    list(request, tx, view)
}

fn one(volume: &Volume) -> Result<Reply, Error> {
    let held = volume.attachment.as_ref();
    let held = held.ok_or_else(|| Error::Internal(format!("volume {} lost its attachment", volume.id)))?;
    Ok(Reply::ok(json!({"attachment": view(volume, held)})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    one(&*by_client::find(request.caller(), tx, attachment_id(request)?)?)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("attachment")?;
    let volume: VolumeId =
        fields.parse("volume_uuid")?.ok_or_else(|| fields.error("volume_uuid", "is required"))?;
    let server: Option<ServerId> = fields.parse("instance_uuid")?;
    if fields.take("connector").is_some_and(|connector| !connector.is_null()) {
        let text = "A volume is connected to servers by the Compute API only; leave out the connector.";
        return Err(Error::Invalid(text.to_owned()));
    }
    fields.take("mode");
    fields.finish()?;
    one(&*by_client::create(request.caller(), tx, volume, server)?)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    by_client::delete(request.caller(), tx, attachment_id(request)?)?;
    Ok(Reply::ok(json!({"attachments": []})))
}
