//! Transfers over HTTP, at the address of old and at one of their own.

use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Direction, Tx};
use types::VolumeId;

use super::ops::TransferDraft;
use super::{Transfer, ops};
use crate::api::{asked, flag_in, links_of, own, sole_fields, text_in};
use crate::error::Error;
use crate::filters;
use crate::list::{Paging, Sortable};

/// The first microversion that says whether snapshots stay behind.
const SNAPSHOTS: Microversion = Microversion(3, 55);
/// The first microversion that tells from whom a volume comes.
const HISTORY: Microversion = Microversion(3, 57);
/// The first microversion in which the key of an encrypted volume goes with it.
const ENCRYPTED: Microversion = Microversion(3, 70);
/// The first microversion that lists in pages.
const PAGES: Microversion = Microversion(3, 59);

/// Sort keys and filters, which are columns.
const COLUMNS: Sortable = &[
    ("id", "id"),
    ("name", "name"),
    ("display_name", "name"),
    ("volume_id", "volume_id"),
    ("created_at", "created_at"),
];

/// The routes of transfers.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/os-volume-transfer", own(|request, tx| listed(request, tx, summary)))
        .post("/os-volume-transfer", own(create))
        .get("/os-volume-transfer/detail", own(|request, tx| listed(request, tx, detail)))
        .get("/os-volume-transfer/{id}", own(show))
        .delete("/os-volume-transfer/{id}", own(delete))
        .post("/os-volume-transfer/{id}/accept", own(accept))
        .get("/volume-transfers", own(|request, tx| listed(request, tx, summary)))
        .post("/volume-transfers", own(create))
        .get("/volume-transfers/detail", own(|request, tx| listed(request, tx, detail)))
        .get("/volume-transfers/{id}", own(show))
        .delete("/volume-transfers/{id}", own(delete))
        .post("/volume-transfers/{id}/accept", own(accept))
}

fn summary(request: &Request, transfer: &Transfer) -> Json {
    json!({
        "id": transfer.id,
        "volume_id": transfer.volume_id,
        "name": transfer.name,
        "links": links_of(request, "os-volume-transfer", transfer.id),
    })
}

fn detail(request: &Request, transfer: &Transfer) -> Json {
    let mut view = summary(request, transfer);
    view["created_at"] = transfer.created_at.iso_micros().into();
    if request.version >= SNAPSHOTS {
        view["no_snapshots"] = transfer.no_snapshots.into();
    }
    if request.version >= HISTORY {
        view["source_project_id"] = json!(transfer.project_id);
        view["destination_project_id"] = Json::Null;
        view["accepted"] = false.into();
    }
    view
}

fn listed(request: &Request, tx: &mut Tx<'_>, view: fn(&Request, &Transfer) -> Json) -> Result<Reply, Error> {
    let paging = match request.version >= PAGES {
        true => Paging::of(request, COLUMNS)?,
        false => {
            Paging { order: vec![("created_at", Direction::Asc), ("id", Direction::Asc)], ..Paging::newest() }
        }
    };
    let all = asked(request, "all_tenants")?;
    let found = ops::list(request.caller(), tx, (all, filters::columns_of(request, COLUMNS)?), &paging)?;
    let views: Vec<Json> = found.iter().map(|transfer| view(request, transfer)).collect();
    Ok(Reply::ok(json!({"transfers": views})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "transfer")?;
    let volume: Option<VolumeId> = fields.parse("volume_id")?;
    let volume = volume.ok_or_else(|| fields.error("volume_id", "is required"))?;
    let name = text_in(&mut fields, "name")?.flatten().map(|name| name.trim().to_owned());
    let no_snapshots = match request.version >= SNAPSHOTS {
        true => flag_in(&mut fields, "no_snapshots")?.unwrap_or(false),
        false => false,
    };
    fields.finish()?;
    let draft = TransferDraft { name, no_snapshots, allow_encrypted: request.version >= ENCRYPTED };
    let (transfer, key) = ops::create(request.caller(), tx, volume, draft)?;
    let mut view = detail(request, &transfer);
    view["auth_key"] = key.into();
    Ok(Reply::json(202, json!({"transfer": view})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::show(request.caller(), tx, request.param("id"))?;
    Ok(Reply::ok(json!({"transfer": detail(request, &found)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(202))
}

fn accept(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "accept")?;
    let key = match fields.take("auth_key") {
        Some(Json::String(key)) => key,
        Some(Json::Number(key)) if key.is_i64() || key.is_u64() => key.to_string(),
        Some(_) => return Err(fields.error("auth_key", "is not a string or an integer").into()),
        None => return Err(fields.error("auth_key", "is required").into()),
    };
    fields.finish()?;
    let accepted = ops::accept(request.caller(), tx, request.param("id"), &key)?;
    Ok(Reply::json(202, json!({"transfer": summary(request, &accepted)})))
}
