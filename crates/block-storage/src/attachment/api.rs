//! Attachments over HTTP.

use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Condition, Tx, Value};
use types::{AttachmentId, ServerId, VolumeId};

use super::connection;
use crate::api::{action_in, asked, flag_in, since, sole_fields};
use crate::error::Error;
use crate::filters;
use crate::list::{Paging, Sortable};
use crate::volume::by_client::{self, Connector};
use crate::volume::ops::{self, VolumeList};
use crate::volume::{AttachMode, Attachment, Volume};

/// The first microversion that has attachments.
const FIRST: Microversion = Microversion(3, 27);
/// The first microversion in which one is completed.
const COMPLETE: Microversion = Microversion(3, 44);
/// The first microversion in which its mode is said when it is made.
const MODE: Microversion = Microversion(3, 54);

/// Sort keys and their columns.
const SORTABLE: Sortable = &[
    ("id", "id"),
    ("volume_id", "id"),
    ("attach_status", "status"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];
/// Filters and their columns. That there is a `status`, which no attachment has, is as in Cinder. The project is the
/// administrators'.
const FILTERS: Sortable = &[
    ("id", "attachment_id"),
    ("volume_id", "id"),
    ("instance_id", "server_id"),
    ("instance_uuid", "server_id"),
    ("attach_status", "attach_status"),
    ("project_id", "project_id"),
];

/// The routes of attachments.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/attachments", since(FIRST, |request, tx| list(request, tx, summary)))
        .post("/attachments", since(FIRST, create))
        .get("/attachments/detail", since(FIRST, |request, tx| list(request, tx, view)))
        .get("/attachments/{id}", since(FIRST, show))
        .put("/attachments/{id}", since(FIRST, update))
        .delete("/attachments/{id}", since(FIRST, delete))
        .post("/attachments/{id}/action", since(COMPLETE, action))
}

fn attachment_id(request: &Request) -> Result<AttachmentId, Error> {
    let text = request.param("id");
    text.parse().map_err(|_| by_client::absent(text))
}

fn summary(volume: &Volume, attachment: &Attachment) -> Json {
    json!({
        "id": attachment.id,
        "volume_id": volume.id,
        "instance": attachment.server_id,
        "status": attachment.status(),
    })
}

fn view(volume: &Volume, attachment: &Attachment) -> Json {
    let mut view = summary(volume, attachment);
    let since = attachment.attached_at.or(attachment.connected_at).map(|at| at.iso_micros());
    let mode = match (attachment.mode, attachment.attached_at) {
        (Some(mode), _) => mode.name(),
        (None, Some(_)) => "rw",
        (None, None) => "null",
    };
    view["attached_at"] = since.unwrap_or_default().into();
    view["detached_at"] = "".into();
    view["attach_mode"] = mode.into();
    view["connection_info"] = json!({});
    view
}

fn list(request: &Request, tx: &mut Tx<'_>, view: fn(&Volume, &Attachment) -> Json) -> Result<Reply, Error> {
    let mut conditions = filters::conditions(request, "attachment", FILTERS)?;
    conditions.push(Condition::Ne("attachment_id", Value::Null));
    let mut paging = Paging::of(request, SORTABLE)?;
    if let Some(text) = &paging.marker {
        let id = text.parse().map_err(|_| by_client::absent(text))?;
        paging.marker = Some(by_client::find(request.caller(), tx, id)?.id.to_string());
    }
    let all_projects = asked(request, "all_tenants")?;
    let query = VolumeList { all_projects, conditions, ..VolumeList::default() };
    let volumes = ops::list(request.caller(), tx, &query, &paging)?.rows;
    let found = volumes.iter().filter_map(|volume| volume.attachment.as_ref().map(|held| view(volume, held)));
    Ok(Reply::ok(json!({"attachments": found.collect::<Vec<_>>()})))
}

fn held(volume: &Volume) -> Result<&Attachment, Error> {
    let lost = || Error::Internal(format!("volume {} lost its attachment", volume.id));
    volume.attachment.as_ref().ok_or_else(lost)
}

/// One as it is, with how its volume is connected if that was asked for.
fn one(tx: &mut Tx<'_>, volume: &Volume, connected: &Volume) -> Result<Reply, Error> {
    let mut view = view(volume, held(volume)?);
    let now = held(connected)?;
    if now.connected_at.is_some() {
        let mut info = connection::info(tx, connected)?;
        info["attachment_id"] = json!(now.id);
        view["connection_info"] = info;
    }
    Ok(Reply::ok(json!({"attachment": view})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let volume = by_client::find(request.caller(), tx, attachment_id(request)?)?;
    one(tx, &volume, &volume)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "attachment")?;
    let volume: VolumeId =
        fields.parse("volume_uuid")?.ok_or_else(|| fields.error("volume_uuid", "is required"))?;
    let server: Option<ServerId> = fields.parse("instance_uuid")?;
    let connector = match fields.object("connector")? {
        Some(connector) if !connector.left().is_empty() => Some(connector_of(connector)?),
        _ => None,
    };
    let mode = if request.version >= MODE { mode_in(&mut fields)? } else { None };
    fields.finish()?;
    let made = by_client::create(request.caller(), tx, volume, (server, mode))?;
    let Some(connector) = connector else { return one(tx, &made, &made) };
    let id = held(&made)?.id;
    let connected = by_client::update(request.caller(), tx, id, connector)?;
    one(tx, &made, &connected)
}

fn mode_in(fields: &mut Fields) -> Result<Option<AttachMode>, InvalidBody> {
    let Some(name) = fields.text("mode")? else { return Ok(None) };
    AttachMode::named(&name).map(Some).ok_or_else(|| fields.error("mode", "is neither rw nor ro"))
}

/// What a client says of the place where it uses the volume. Of what it knows of itself the rest counts for nothing, as no
/// backend here lets anybody in.
fn connector_of(mut fields: Fields) -> Result<Connector, InvalidBody> {
    Ok(Connector {
        host: fields.text("host")?,
        device: fields.text("mountpoint")?,
        mode: mode_in(&mut fields)?,
        multipath: flag_in(&mut fields, "enforce_multipath")?.unwrap_or(false),
    })
}

/// Cinder answers with how the attachment was, and how the volume is connected now.
fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "attachment")?;
    let connector = fields.object("connector")?.ok_or_else(|| fields.error("connector", "is required"))?;
    fields.finish()?;
    if connector.left().is_empty() {
        return Err(InvalidBody::at("connector", "is empty").into());
    }
    let (id, connector) = (attachment_id(request)?, connector_of(connector)?);
    let before = by_client::find(request.caller(), tx, id)?.into_inner();
    let connected = by_client::update(request.caller(), tx, id, connector)?;
    one(tx, &before, &connected)
}

fn action(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = attachment_id(request)?;
    match action_in(request)?.0.as_str() {
        "os-complete" => by_client::complete(request.caller(), tx, id)?,
        other => return Err(Error::Invalid(format!("There is no such action: {other}"))),
    }
    Ok(Reply::empty(204))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    by_client::delete(request.caller(), tx, attachment_id(request)?)?;
    Ok(Reply::ok(json!({"attachments": []})))
}
