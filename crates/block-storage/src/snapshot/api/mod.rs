//! Snapshots over HTTP.

mod action;
mod list;
mod metadata;

use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{SnapshotId, VolumeId};

use super::{Snapshot, SnapshotChange, SnapshotDraft, ops};
use crate::api::{flag_in, named_in, own, sole_fields, words_of};
use crate::error::Error;
use crate::list::written;

/// From here on a volume in a server needs no word more.
const IN_USE: Microversion = Microversion(3, 66);

/// The routes of snapshots, their actions and their metadata.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/snapshots", own(|request, tx| listed(request, tx, false)))
        .post("/snapshots", own(create))
        .get("/snapshots/detail", own(|request, tx| listed(request, tx, true)))
        .get("/snapshots/{id}", own(show))
        .put("/snapshots/{id}", own(update))
        .delete("/snapshots/{id}", own(delete))
        .post("/snapshots/{id}/action", own(action::run))
        .and(metadata::routes())
}

/// The snapshot that a path is about. What is no UUID is no snapshot.
fn snapshot_id(request: &Request) -> Result<SnapshotId, Error> {
    let text = request.param("id");
    text.parse().map_err(|_| Error::no_snapshot(text))
}

fn summary(snapshot: &Snapshot) -> Json {
    json!({
        "id": snapshot.id,
        "created_at": snapshot.created_at.iso_micros(),
        "updated_at": (snapshot.updated_at != snapshot.created_at).then(|| snapshot.updated_at.iso_micros()),
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "status": snapshot.phase.status(),
        "size": snapshot.size_gib,
        "metadata": snapshot.metadata,
    })
}

/// A snapshot with what later microversions added.
pub(crate) fn plain(request: &Request, snapshot: &Snapshot) -> Json {
    let mut view = summary(snapshot);
    if request.version >= Microversion(3, 14) {
        view["group_snapshot_id"] = json!(snapshot.group_snapshot_id);
    }
    if request.version >= Microversion(3, 41) {
        view["user_id"] = json!(snapshot.user_id);
    }
    if request.version >= Microversion(3, 65) {
        view["consumes_quota"] = true.into();
    }
    view
}

/// The same with Cinder's extension, which speaks where a snapshot is shown.
fn detail(request: &Request, snapshot: &Snapshot) -> Json {
    let mut view = plain(request, snapshot);
    view["os-extended-snapshot-attributes:progress"] = snapshot.progress().into();
    view["os-extended-snapshot-attributes:project_id"] = json!(snapshot.project_id);
    view
}

fn listed(request: &Request, tx: &mut Tx<'_>, detailed: bool) -> Result<Reply, Error> {
    let (query, paging) = list::query(request)?;
    let page = ops::list(request.caller(), tx, &query, &paging)?;
    let views = page.rows.iter().map(|one| if detailed { detail(request, one) } else { summary(one) });
    let path = if detailed { "snapshots/detail" } else { "snapshots" };
    let last = page.rows.last().map(|last| last.id);
    Ok(written(request, path, &views.collect::<Vec<_>>(), (last, page.all)))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "snapshot")?;
    let volume = match fields.take("volume_id") {
        None => return Err(fields.error("volume_id", "is required").into()),
        // As Cinder finds no volume by no id.
        Some(Json::Null) => return Err(Error::no_volume("None")),
        Some(Json::String(text)) => {
            text.parse::<VolumeId>().map_err(|_| fields.error("volume_id", "is not a UUID"))?
        }
        Some(_) => return Err(fields.error("volume_id", "is not a UUID").into()),
    };
    let force = flag_in(&mut fields, "force")?;
    if request.version >= IN_USE && force == Some(false) {
        let text = "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward \
                    compatability, however, when the 'force' flag is passed with a value evaluating to True, it is \
                    silently ignored.";
        return Err(Error::Invalid(text.to_owned()));
    }
    let change = words(&mut fields)?;
    let metadata = words_of(&mut fields, "metadata")?.unwrap_or_default();
    fields.finish()?;
    let draft = SnapshotDraft {
        name: change.name.flatten(),
        description: change.description.flatten(),
        metadata,
        in_use: force == Some(true) || request.version >= IN_USE,
        ..SnapshotDraft::default()
    };
    let made = ops::create(request.caller(), tx, volume, draft)?;
    Ok(Reply::json(202, json!({"snapshot": plain(request, &made)})))
}

fn words(fields: &mut Fields) -> Result<SnapshotChange, InvalidBody> {
    let said = named_in(fields)?;
    Ok(SnapshotChange { name: said.name, description: said.description })
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::show(request.caller(), tx, snapshot_id(request)?)?;
    Ok(Reply::ok(json!({"snapshot": detail(request, &found)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "snapshot")?;
    let change = words(&mut fields)?;
    fields.finish()?;
    if change == SnapshotChange::default() {
        return Err(InvalidBody::at("snapshot", "changes nothing").into());
    }
    let found = ops::update(request.caller(), tx, snapshot_id(request)?, change)?;
    Ok(Reply::ok(json!({"snapshot": plain(request, &found)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, snapshot_id(request)?, false)?;
    Ok(Reply::empty(202))
}
