//! Snapshots of groups over HTTP.

use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::VolumeGroupId;

use super::{GroupSnapshot, GroupSnapshotDraft, ops};
use crate::api::{action_in, asked, since, sole_fields, text_in};
use crate::error::Error;
use crate::group::api::status_in;
use crate::list::{Paging, Sortable, next_links};
use crate::policy::{self, RULES};
use crate::{filters, group_type};

/// The first microversions that know of them, in which operators set their status, that list them in parts, and that
/// tell whose they are.
const FIRST: Microversion = Microversion(3, 14);
const RESET: Microversion = Microversion(3, 19);
const PAGES: Microversion = Microversion(3, 29);
const PROJECT: Microversion = Microversion(3, 58);

/// Sort keys and filters, and their columns.
const COLUMNS: Sortable = &[
    ("id", "id"),
    ("name", "name"),
    ("description", "description"),
    ("status", "status"),
    ("project_id", "project_id"),
    ("user_id", "user_id"),
    ("group_id", "group_id"),
    ("group_type_id", "group_type_id"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];

/// The routes of snapshots of groups.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/group_snapshots", since(FIRST, |request, tx| listed(request, tx, false)))
        .post("/group_snapshots", since(FIRST, create))
        .get("/group_snapshots/detail", since(FIRST, |request, tx| listed(request, tx, true)))
        .get("/group_snapshots/{id}", since(FIRST, show))
        .delete("/group_snapshots/{id}", since(FIRST, delete))
        .post("/group_snapshots/{id}/action", since(RESET, action))
}

/// Refuses what only the API of consistency groups works on.
fn refuse_migrated(tx: &mut Tx<'_>, id: types::VolumeGroupTypeId) -> Result<(), Error> {
    if !group_type::ops::load(tx, id)?.is_migrated() {
        return Ok(());
    }
    let text = format!(
        "Group_type {id} is reserved for migrating CGs to groups. Migrated group snapshots can only be operated by CG \
         snapshot APIs."
    );
    Err(Error::Invalid(text))
}

/// One of those that this API works on.
fn found(request: &Request, tx: &mut Tx<'_>) -> Result<GroupSnapshot, Error> {
    let found = ops::show(request.caller(), tx, ops::id_in(request.param("id"))?)?.into_inner();
    refuse_migrated(tx, found.group_type_id)?;
    Ok(found)
}

fn summary(found: &GroupSnapshot) -> Json {
    json!({"id": found.id, "name": found.name})
}

fn detail(request: &Request, found: &GroupSnapshot) -> Json {
    let mut view = json!({
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "group_id": found.group_id,
        "group_type_id": found.group_type_id,
        "status": found.status.name(),
        "created_at": found.created_at.iso_micros(),
    });
    let caller = request.caller();
    let rule = "group:group_snapshot_project_attribute";
    if request.version >= PROJECT && RULES.allows(rule, caller, &policy::own(caller)) {
        view["project_id"] = json!(found.project_id);
    }
    view
}

fn listed(request: &Request, tx: &mut Tx<'_>, detailed: bool) -> Result<Reply, Error> {
    let (query, paging) = match request.version >= PAGES {
        true => {
            let conditions = filters::conditions(request, "group_snapshot", COLUMNS)?;
            ((asked(request, "all_tenants")?, conditions), Paging::of(request, COLUMNS)?)
        }
        false => ((false, Vec::new()), Paging::newest()),
    };
    let found = ops::list(request.caller(), tx, query, &paging)?;
    let mut views = Vec::with_capacity(found.len());
    for one in &found {
        if refuse_migrated(tx, one.group_type_id).is_ok() {
            views.push(if detailed { detail(request, one) } else { summary(one) });
        }
    }
    let mut body = json!({"group_snapshots": views});
    let path = if detailed { "group_snapshots/detail" } else { "group_snapshots" };
    if let Some(links) = next_links(request, path, found.len(), found.last().map(|last| last.id)) {
        body["group_snapshot_links"] = links;
    }
    Ok(Reply::ok(body))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "group_snapshot")?;
    let group: Option<VolumeGroupId> = fields.parse("group_id")?;
    let group = group.ok_or_else(|| fields.error("group_id", "is required"))?;
    let draft = GroupSnapshotDraft {
        name: text_in(&mut fields, "name")?.flatten(),
        description: text_in(&mut fields, "description")?.flatten(),
    };
    fields.finish()?;
    let group = crate::group::ops::show(request.caller(), tx, group)?;
    refuse_migrated(tx, group.group_type_id)?;
    let made = ops::create(request.caller(), tx, group.id, draft)?;
    let mut view = summary(&made);
    view["group_type_id"] = json!(made.group_type_id);
    Ok(Reply::json(202, json!({"group_snapshot": view})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = found(request, tx)?;
    Ok(Reply::ok(json!({"group_snapshot": detail(request, &found)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = found(request, tx)?;
    ops::delete(request.caller(), tx, found.id)?;
    Ok(Reply::empty(202))
}

fn action(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = ops::id_in(request.param("id"))?;
    let (action, fields) = action_in(request)?;
    if action != "reset_status" {
        return Err(Error::Invalid(format!("There is no such action: {action}")));
    }
    let status = status_in(fields, "GroupSnapshot")?;
    ops::reset_status(request.caller(), tx, id, status)?;
    Ok(Reply::empty(202))
}
