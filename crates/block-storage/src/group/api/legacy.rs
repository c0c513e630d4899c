//! Consistency groups and their snapshots, by the routes of old. Cinder keeps them, over the same groups.

use rest::{Fields, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::VolumeGroupId;

use super::{COLUMNS, change, group_id, plain, summary, trimmed};
use crate::api::{asked, flag_in, own, required_in};
use crate::error::Error;
use crate::group::{Group, GroupChange, GroupDraft, GroupSource, ops};
use crate::group_snapshot::{GroupSnapshot, GroupSnapshotDraft, ops as snapshots};
use crate::list::{Paging, next_links};
use crate::policy::{self, RULES};
use crate::{filters, group_type};

/// From here on a change may make a name empty.
const BLANK: Microversion = Microversion(3, 6);

/// The routes of consistency groups and of their snapshots.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/consistencygroups", own(|request, tx| listed(request, tx, false)))
        .post("/consistencygroups", own(create))
        .get("/consistencygroups/detail", own(|request, tx| listed(request, tx, true)))
        .post("/consistencygroups/create_from_src", own(create_from))
        .get("/consistencygroups/{id}", own(show))
        .put("/consistencygroups/{id}/update", own(update))
        .put("/consistencygroups/{id}", own(update))
        .post("/consistencygroups/{id}/delete", own(delete))
        .get("/cgsnapshots", own(|request, tx| listed_snapshots(request, tx, false)))
        .post("/cgsnapshots", own(create_snapshot))
        .get("/cgsnapshots/detail", own(|request, tx| listed_snapshots(request, tx, true)))
        .get("/cgsnapshots/{id}", own(show_snapshot))
        .delete("/cgsnapshots/{id}", own(delete_snapshot))
}

fn listed(request: &Request, tx: &mut Tx<'_>, detailed: bool) -> Result<Reply, Error> {
    let asked = (asked(request, "all_tenants")?, filters::columns_of(request, COLUMNS)?);
    let found = ops::list(request.caller(), tx, asked, &Paging::of(request, COLUMNS)?)?;
    let view = |group: &Group| if detailed { plain(group) } else { summary(group) };
    let views: Vec<Json> = found.iter().map(view).collect();
    let mut body = json!({"consistencygroups": views});
    let path = if detailed { "consistencygroups/detail" } else { "consistencygroups" };
    if let Some(links) = next_links(request, path, found.len(), found.last().map(|last| last.id)) {
        body["consistencygroup_links"] = links;
    }
    Ok(Reply::ok(body))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("consistencygroup")?;
    let words = (trimmed(&mut fields, "name")?, trimmed(&mut fields, "description")?);
    let volume_types = fields.text("volume_types")?.unwrap_or_default();
    let volume_types = volume_types.trim_end_matches(',');
    if volume_types.is_empty() {
        let name = words.0.unwrap_or_else(|| "None".to_owned());
        let text = format!("volume_types must be provided to create consistency group {name}.");
        return Err(Error::Invalid(text));
    }
    let caller = request.caller();
    RULES.check("group:create", caller, &policy::own(caller))?;
    let draft = GroupDraft {
        name: words.0,
        description: words.1,
        group_type: group_type::ops::migrated(tx)?.id.to_string(),
        volume_types: volume_types.split(',').map(str::to_owned).collect(),
        availability_zone: fields.text("availability_zone")?,
    };
    let group = ops::create(caller, tx, draft)?;
    Ok(Reply::json(202, json!({"consistencygroup": summary(&group)})))
}

fn create_from(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("consistencygroup-from-src")?;
    let words = (trimmed(&mut fields, "name")?, trimmed(&mut fields, "description")?);
    let given =
        |fields: &mut Fields, name: &str| fields.text(name).map(|text| text.filter(|text| !text.is_empty()));
    let name = words.0.as_deref().unwrap_or("None");
    let source = match (given(&mut fields, "cgsnapshot_id")?, given(&mut fields, "source_cgid")?) {
        (Some(id), None) => GroupSource::Snapshot(snapshots::id_in(&id)?),
        (None, Some(id)) => GroupSource::Group(id.parse().map_err(|_| ops::absent(&id))?),
        (None, None) => {
            return Err(Error::Invalid(format!(
                "Either 'cgsnapshot_id' or 'source_cgid' must be provided to create consistency group {name} from source."
            )));
        }
        (Some(_), Some(_)) => {
            return Err(Error::Invalid(format!(
                "Cannot provide both 'cgsnapshot_id' and 'source_cgid' to create consistency group {name} from source."
            )));
        }
    };
    let made = ops::create_from(request.caller(), tx, source, words)?;
    Ok(Reply::json(202, json!({"consistencygroup": summary(&made)})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = ops::show(request.caller(), tx, group_id(request)?)?;
    Ok(Reply::ok(json!({"consistencygroup": plain(&group)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("consistencygroup")?;
    let mut change = change(&mut fields)?;
    if request.version < BLANK {
        change.name = change.name.filter(|name| !name.is_empty());
        change.description = change.description.filter(|text| !text.is_empty());
    }
    let id = group_id(request)?;
    ops::show(request.caller(), tx, id)?;
    if change == GroupChange::default() {
        let text =
            "Name, description, add_volumes, and remove_volumes can not be all empty in the request body.";
        return Err(Error::Invalid(text.to_owned()));
    }
    ops::update(request.caller(), tx, id, change)?;
    Ok(Reply::empty(202))
}

/// The body may be missing, or say whether the volumes go too.
fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let force = match request.json()? {
        Json::Null => false,
        Json::Object(body) if body.is_empty() => false,
        body => {
            let mut body = Fields::new("", body)?;
            let given =
                body.take("consistencygroup").ok_or_else(|| body.error("consistencygroup", "is required"))?;
            flag_in(&mut Fields::new("consistencygroup", given)?, "force")?.unwrap_or(false)
        }
    };
    ops::delete(request.caller(), tx, group_id(request)?, force)?;
    Ok(Reply::empty(202))
}

fn snapshot_summary(found: &GroupSnapshot) -> Json {
    json!({"id": found.id, "name": found.name})
}

fn snapshot_detail(found: &GroupSnapshot) -> Json {
    json!({
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "consistencygroup_id": found.group_id,
        "status": found.status.name(),
        "created_at": found.created_at.iso_micros(),
    })
}

fn listed_snapshots(request: &Request, tx: &mut Tx<'_>, detailed: bool) -> Result<Reply, Error> {
    let found = snapshots::list(request.caller(), tx, (false, Vec::new()), &Paging::newest())?;
    let view = if detailed { snapshot_detail } else { snapshot_summary };
    let views: Vec<Json> = found.iter().map(view).collect();
    Ok(Reply::ok(json!({"cgsnapshots": views})))
}

fn create_snapshot(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("cgsnapshot")?;
    let group = required_in(&mut fields, "consistencygroup_id")?;
    let draft = GroupSnapshotDraft {
        name: trimmed(&mut fields, "name")?,
        description: trimmed(&mut fields, "description")?,
    };
    let group: VolumeGroupId = group.parse().map_err(|_| ops::absent(&group))?;
    let made = snapshots::create(request.caller(), tx, group, draft)?;
    Ok(Reply::json(202, json!({"cgsnapshot": snapshot_summary(&made)})))
}

fn show_snapshot(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = snapshots::show(request.caller(), tx, snapshots::id_in(request.param("id"))?)?;
    Ok(Reply::ok(json!({"cgsnapshot": snapshot_detail(&found)})))
}

fn delete_snapshot(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    snapshots::delete(request.caller(), tx, snapshots::id_in(request.param("id"))?)?;
    Ok(Reply::empty(202))
}
