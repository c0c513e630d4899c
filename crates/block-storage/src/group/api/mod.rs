//! Groups over HTTP.

mod action;
mod legacy;

pub(crate) use action::status_in;
use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::VolumeGroupId;

use super::{Group, GroupChange, GroupDraft, ops};
use crate::ZONE;
use crate::api::{asked, since, sole_fields, text_in};
use crate::error::Error;
use crate::filters;
use crate::group_type;
use crate::list::{Paging, Sortable, next_links};
use crate::policy::{self, RULES};

/// The first microversions that know of groups, of what they are made of, of their volumes, of replication, and of whose
/// they are.
const FIRST: Microversion = Microversion(3, 13);
const SOURCES: Microversion = Microversion(3, 14);
const VOLUMES: Microversion = Microversion(3, 25);
const REPLICATION: Microversion = Microversion(3, 38);
const PROJECT: Microversion = Microversion(3, 58);

/// Sort keys and filters, and their columns.
pub(super) const COLUMNS: Sortable = &[
    ("id", "id"),
    ("name", "name"),
    ("description", "description"),
    ("status", "status"),
    ("project_id", "project_id"),
    ("user_id", "user_id"),
    ("group_type_id", "group_type_id"),
    ("group_snapshot_id", "group_snapshot_id"),
    ("source_group_id", "source_group_id"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];

/// The routes of groups, and those of the consistency groups that groups were before.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/groups", since(FIRST, |request, tx| listed(request, tx, false)))
        .post("/groups", since(FIRST, create))
        .get("/groups/detail", since(FIRST, |request, tx| listed(request, tx, true)))
        .post("/groups/action", since(SOURCES, action::create_from))
        .get("/groups/{id}", since(FIRST, show))
        .put("/groups/{id}", since(FIRST, update))
        .post("/groups/{id}/action", since(FIRST, action::run))
        .and(legacy::routes())
}

/// The group that a path is about. What is no UUID is no group.
fn group_id(request: &Request) -> Result<VolumeGroupId, Error> {
    let text = request.param("id");
    text.parse().map_err(|_| ops::absent(text))
}

/// Refuses a group that only the API of consistency groups works on.
fn refuse_migrated(tx: &mut Tx<'_>, group: &Group) -> Result<(), Error> {
    refuse_migrated_type(&*group_type::ops::load(tx, group.group_type_id)?)
}

fn refuse_migrated_type(group_type: &group_type::GroupType) -> Result<(), Error> {
    if !group_type.is_migrated() {
        return Ok(());
    }
    let id = group_type.id;
    let text = format!(
        "Group_type {id} is reserved for migrating CGs to groups. Migrated group can only be operated by CG APIs."
    );
    Err(Error::Invalid(text))
}

fn summary(group: &Group) -> Json {
    json!({"id": group.id, "name": group.name})
}

fn detail(request: &Request, tx: &mut Tx<'_>, group: &Group) -> Result<Json, Error> {
    let mut view = plain(group);
    view["group_type"] = json!(group.group_type_id);
    if request.version >= SOURCES {
        view["group_snapshot_id"] = json!(group.source_snapshot());
        view["source_group_id"] = json!(group.source_group());
    }
    if request.version >= VOLUMES && asked(request, "list_volume")? {
        let members = ops::volumes(tx, group.id)?;
        view["volumes"] = members.iter().map(|member| json!(member.id)).collect();
    }
    if request.version >= REPLICATION {
        view["replication_status"] = "disabled".into();
    }
    let caller = request.caller();
    let sees_project = RULES.allows("group:group_project_attribute", caller, &policy::own(caller));
    if request.version >= PROJECT && sees_project {
        view["project_id"] = json!(group.project_id);
    }
    Ok(view)
}

/// What a group and a consistency group both show.
fn plain(group: &Group) -> Json {
    json!({
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "status": group.status.name(),
        "availability_zone": ZONE,
        "created_at": group.created_at.iso_micros(),
        "volume_types": group.volume_types,
    })
}

fn listed(request: &Request, tx: &mut Tx<'_>, detailed: bool) -> Result<Reply, Error> {
    let asked = (asked(request, "all_tenants")?, filters::conditions(request, "group", COLUMNS)?);
    let found = ops::list(request.caller(), tx, asked, &Paging::of(request, COLUMNS)?)?;
    let mut views = Vec::with_capacity(found.len());
    for group in &found {
        if refuse_migrated(tx, group).is_ok() {
            views.push(if detailed { detail(request, tx, group)? } else { summary(group) });
        }
    }
    let mut body = json!({"groups": views});
    let path = if detailed { "groups/detail" } else { "groups" };
    if let Some(links) = next_links(request, path, found.len(), found.last().map(|last| last.id)) {
        body["group_links"] = links;
    }
    Ok(Reply::ok(body))
}

/// Text that an owner says, without blanks around it.
fn trimmed(fields: &mut Fields, name: &str) -> Result<Option<String>, InvalidBody> {
    Ok(text_in(fields, name)?.flatten().map(|text| text.trim().to_owned()))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "group")?;
    let words = (trimmed(&mut fields, "name")?, trimmed(&mut fields, "description")?);
    let group_type =
        trimmed(&mut fields, "group_type")?.ok_or_else(|| fields.error("group_type", "is required"))?;
    if group_type.is_empty() {
        return Err(fields.error("group_type", "is too short").into());
    }
    let volume_types =
        fields.texts("volume_types")?.ok_or_else(|| fields.error("volume_types", "is required"))?;
    let is_double = volume_types.iter().enumerate().any(|(n, one)| volume_types[..n].contains(one));
    if volume_types.is_empty() || is_double || volume_types.iter().any(|one| one.chars().count() > 255) {
        return Err(fields.error("volume_types", "is not a list of different names or ids").into());
    }
    let availability_zone = trimmed(&mut fields, "availability_zone")?;
    fields.finish()?;
    refuse_migrated_type(&*group_type::ops::by_id_or_name(request.caller(), tx, &group_type)?)?;
    let draft =
        GroupDraft { name: words.0, description: words.1, group_type, volume_types, availability_zone };
    let group = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::json(202, json!({"group": summary(&group)})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = ops::show(request.caller(), tx, group_id(request)?)?;
    refuse_migrated(tx, &group)?;
    Ok(Reply::ok(json!({"group": detail(request, tx, &group)?})))
}

/// Ids of volumes, separated by commas.
fn ids_in(fields: &mut Fields, name: &str) -> Result<Vec<String>, InvalidBody> {
    let text = fields.text(name)?.unwrap_or_default();
    let text = text.trim_matches(',');
    Ok(if text.is_empty() { Vec::new() } else { text.split(',').map(str::to_owned).collect() })
}

fn change(fields: &mut Fields) -> Result<GroupChange, InvalidBody> {
    Ok(GroupChange {
        name: trimmed(fields, "name")?,
        description: trimmed(fields, "description")?,
        add: ids_in(fields, "add_volumes")?,
        remove: ids_in(fields, "remove_volumes")?,
    })
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "group")?;
    if !["name", "description", "add_volumes", "remove_volumes"].into_iter().any(|name| fields.has(name)) {
        return Err(InvalidBody::at("group", "changes nothing").into());
    }
    let change = change(&mut fields)?;
    fields.finish()?;
    let id = group_id(request)?;
    let group = ops::show(request.caller(), tx, id)?;
    refuse_migrated(tx, &group)?;
    ops::update(request.caller(), tx, id, change)?;
    Ok(Reply::empty(202))
}
