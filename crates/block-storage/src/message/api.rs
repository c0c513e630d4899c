//! Messages over HTTP.

use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{Message, ops};
use crate::api::{links_of, since};
use crate::error::Error;
use crate::filters;
use crate::list::{Paging, Sortable, next_links};

/// The first microversion that has messages.
const FIRST: Microversion = Microversion(3, 3);
/// The first microversion that gives them in pages and filtered.
const PAGES: Microversion = Microversion(3, 5);

/// Sort keys and filters, which are columns.
const COLUMNS: Sortable = &[
    ("id", "id"),
    ("project_id", "project_id"),
    ("resource_type", "resource_type"),
    ("resource_uuid", "resource_uuid"),
    ("event_id", "event_id"),
    ("request_id", "request_id"),
    ("message_level", "message_level"),
    ("created_at", "created_at"),
    ("expires_at", "expires_at"),
];

/// The routes of messages.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/messages", since(FIRST, index))
        .get("/messages/{id}", since(FIRST, show))
        .delete("/messages/{id}", since(FIRST, delete))
}

fn view(request: &Request, message: &Message) -> Json {
    let mut view = json!({
        "id": message.id,
        "event_id": message.event_id(),
        "user_message": message.text(),
        "message_level": message.said.level.name(),
        "created_at": message.created_at.iso_micros(),
        "guaranteed_until": message.expires_at.iso_micros(),
        "request_id": message.said.request_id,
        "resource_type": message.said.subject.name(),
        "links": links_of(request, "messages", message.id),
    });
    if let Some(id) = &message.said.subject_id {
        view["resource_uuid"] = json!(id);
    }
    view
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let paged = request.version >= PAGES;
    let paging = if paged { Paging::of(request, COLUMNS)? } else { Paging::newest() };
    let conditions = if paged { filters::conditions(request, "message", COLUMNS)? } else { Vec::new() };
    let found = ops::list(request.caller(), tx, conditions, &paging)?;
    let views: Vec<Json> = found.iter().map(|message| view(request, message)).collect();
    let mut body = json!({"messages": views});
    if let Some(links) = next_links(request, "messages", found.len(), found.last().map(|last| last.id)) {
        body["messages_links"] = links;
    }
    Ok(Reply::ok(body))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::show(request.caller(), tx, request.param("id"))?;
    Ok(Reply::ok(json!({"message": view(request, &found)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(204))
}
