//! Attachments over HTTP.

use std::collections::BTreeMap;

use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Select, Tx};
use types::{AttachmentId, ServerId, VolumeId};

use super::connection;
use super::store::ATTACHMENTS;
use crate::api::{action_in, asked, flag_in, since, sole_fields};
use crate::error::Error;
use crate::filters;
use crate::list::{Paging, Sortable, in_sight};
use crate::volume::by_client::{self, Connector, Held};
use crate::volume::store::VOLUMES;
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
    ("volume_id", "volume_id"),
    ("attach_status", "attach_status"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];
/// Filters and their columns. That there is a `status`, which no attachment has, is as in Cinder. The project is the
/// administrators'.
const FILTERS: Sortable = &[
    ("id", "id"),
    ("volume_id", "volume_id"),
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
    let mut select = in_sight(request.caller(), "volume:get_all", asked(request, "all_tenants")?)?;
    for condition in filters::conditions(request, "attachment", FILTERS)? {
        select = select.with(condition);
    }
    let page = Paging::of(request, SORTABLE)?;
    let marker = match &page.marker {
        None => None,
        Some(text) => {
            let id = text.parse().map_err(|_| by_client::absent(text))?;
            let last = by_client::find(request.caller(), tx, id)?.held.id;
            ATTACHMENTS.load(tx, last)?
        }
    };
    let listed = page.page(tx, &ATTACHMENTS, select, marker.as_deref())?.rows;
    let ids = listed.iter().map(|row| row.volume_id);
    let volumes = VOLUMES.values(tx, &Select::all().is_in("id", ids))?;
    let volumes: BTreeMap<VolumeId, Volume> = volumes.into_iter().map(|one| (one.id, one)).collect();
    let found = listed.iter().filter_map(|row| {
        let volume = volumes.get(&row.volume_id)?;
        Some(view(volume, volume.attachment(row.id())?))
    });
    Ok(Reply::ok(json!({"attachments": found.collect::<Vec<_>>()})))
}

/// One as it is shown, with how its volume is connected now if somebody said from where it is used.
fn one(tx: &mut Tx<'_>, mut view: Json, now: &Held) -> Result<Reply, Error> {
    if now.held.connected_at.is_some() {
        let mut info = connection::info(tx, &now.volume, Some(&now.held))?;
        info["attachment_id"] = json!(now.held.id);
        view["connection_info"] = info;
    }
    Ok(Reply::ok(json!({"attachment": view})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = by_client::find(request.caller(), tx, attachment_id(request)?)?;
    one(tx, view(&found.volume, &found.held), &found)
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
    let shown = view(&made.volume, &made.held);
    match connector {
        None => one(tx, shown, &made),
        Some(connector) => {
            let connected = by_client::update(request.caller(), tx, made.held.id, connector)?;
            one(tx, shown, &connected)
        }
    }
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
    let before = by_client::find(request.caller(), tx, id)?;
    let shown = view(&before.volume, &before.held);
    let connected = by_client::update(request.caller(), tx, id, connector)?;
    one(tx, shown, &connected)
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
