//! Backups over HTTP.

use std::collections::BTreeSet;
use std::slice;

use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{BackupId, SnapshotId, VolumeId};

use super::record::{self, SERVICE};
use super::{Backup, BackupChange, BackupDraft, Phase, ops};
use crate::ZONE;
use crate::api::{action_in, asked, flag_in, links_of, own, since, sole_fields, text_in, words_of};
use crate::error::Error;
use crate::filters;
use crate::list::{Paging, Sortable, written};
use crate::policy::RULES;

/// The first microversions that know of these.
const UPDATE: Microversion = Microversion(3, 9);
const PROJECT: Microversion = Microversion(3, 18);
const METADATA: Microversion = Microversion(3, 43);
const AVAILABILITY_ZONE: Microversion = Microversion(3, 51);
const USER: Microversion = Microversion(3, 56);
const ENCRYPTION_KEY_ID: Microversion = Microversion(3, 64);

/// Sort keys and their columns.
const SORTABLE: Sortable = &[
    ("id", "id"),
    ("name", "name"),
    ("status", "status"),
    ("volume_id", "volume_id"),
    ("size", "size_gib"),
    ("project_id", "project_id"),
    ("data_timestamp", "data_timestamp"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];
/// Filters and their columns.
const FILTERS: Sortable = &[
    ("id", "id"),
    ("name", "name"),
    ("status", "status"),
    ("volume_id", "volume_id"),
    ("snapshot_id", "snapshot_id"),
    ("parent_id", "parent_id"),
    ("project_id", "project_id"),
];

/// The routes of backups.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/backups", own(|request, tx| listed(request, tx, false)))
        .post("/backups", own(create))
        .get("/backups/detail", own(|request, tx| listed(request, tx, true)))
        .get("/backups/{id}", own(show))
        .put("/backups/{id}", since(UPDATE, update))
        .delete("/backups/{id}", own(delete))
        .post("/backups/import_record", own(import_record))
        .get("/backups/{id}/export_record", own(export_record))
        .post("/backups/{id}/restore", own(restore))
        .post("/backups/{id}/action", own(action))
}

/// The backup that a path is about. What is no UUID is no backup.
fn backup_id(request: &Request) -> Result<BackupId, Error> {
    let text = request.param("id");
    text.parse().map_err(|_| Error::no_backup(text))
}

fn summary(request: &Request, backup: &Backup) -> Json {
    json!({"id": backup.id, "name": backup.name, "links": links_of(request, "backups", backup.id)})
}

/// What the views of one answer have in common.
struct Viewer {
    /// Whether the caller is told whose they are.
    sees_whose: bool,
    /// Those that others add to.
    parents: BTreeSet<BackupId>,
}

impl Viewer {
    /// For these backups.
    fn of(request: &Request, tx: &mut Tx<'_>, backups: &[Backup]) -> Result<Viewer, Error> {
        let rule = "backup:backup_project_attribute";
        let sees_whose = RULES.allows(rule, request.caller(), &policy::Target::default());
        Ok(Viewer { sees_whose, parents: ops::parents_among(tx, backups)? })
    }
}

fn detail(request: &Request, viewer: &Viewer, backup: &Backup) -> Json {
    let mut view = summary(request, backup);
    let changed = backup.updated_at != backup.created_at;
    let more = json!({
        "status": backup.phase.status(),
        "size": backup.size_gib,
        "object_count": backup.objects,
        "availability_zone": ZONE,
        "container": backup.container,
        "created_at": backup.created_at.iso_micros(),
        "updated_at": changed.then(|| backup.updated_at.iso_micros()),
        "description": backup.description,
        "fail_reason": backup.fail_reason,
        "volume_id": backup.volume_id,
        "is_incremental": backup.parent_id.is_some(),
        "has_dependent_backups": viewer.parents.contains(&backup.id),
        "snapshot_id": backup.snapshot_id,
        "data_timestamp": backup.data_timestamp.iso_micros(),
    });
    if let (Json::Object(view), Json::Object(more)) = (&mut view, more) {
        view.extend(more);
    }
    if request.version >= PROJECT && viewer.sees_whose {
        view["os-backup-project-attr:project_id"] = json!(backup.project_id);
    }
    if let (true, Some(encryption)) = (request.version >= ENCRYPTION_KEY_ID, &backup.encryption) {
        view["encryption_key_id"] = json!(encryption.key_id);
    }
    if request.version >= METADATA {
        view["metadata"] = json!(backup.metadata);
    }
    if request.version >= USER && viewer.sees_whose {
        view["user_id"] = json!(backup.user_id);
    }
    view
}

fn listed(request: &Request, tx: &mut Tx<'_>, detailed: bool) -> Result<Reply, Error> {
    let all_projects = asked(request, "all_tenants")?;
    let conditions = filters::conditions(request, "backup", FILTERS)?;
    let paging = Paging::counted_of(request, SORTABLE)?;
    let page = ops::list(request.caller(), tx, (all_projects, conditions), &paging)?;
    let end = (page.rows.last().map(|last| last.id), page.all);
    Ok(if detailed {
        let viewer = Viewer::of(request, tx, &page.rows)?;
        let views: Vec<Json> = page.rows.iter().map(|one| detail(request, &viewer, one)).collect();
        written(request, "backups/detail", &views, end)
    } else {
        let views: Vec<Json> = page.rows.iter().map(|one| summary(request, one)).collect();
        written(request, "backups", &views, end)
    })
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "backup")?;
    let volume = id_in(&mut fields, "volume_id")?.ok_or_else(|| fields.error("volume_id", "is required"))?;
    let volume: VolumeId = volume.parse().map_err(|_| fields.error("volume_id", "is not a UUID"))?;
    let snapshot = id_in(&mut fields, "snapshot_id")?;
    let snapshot = snapshot.map(|text| text.parse::<SnapshotId>()).transpose();
    let draft = BackupDraft {
        snapshot_id: snapshot.map_err(|_| fields.error("snapshot_id", "is not a UUID"))?,
        name: text_in(&mut fields, "name")?.flatten(),
        description: text_in(&mut fields, "description")?.flatten(),
        container: text_in(&mut fields, "container")?.flatten(),
        incremental: flag_in(&mut fields, "incremental")? == Some(true),
        force: flag_in(&mut fields, "force")? == Some(true),
        metadata: match request.version >= METADATA {
            true => words_of(&mut fields, "metadata")?.unwrap_or_default(),
            false => Default::default(),
        },
    };
    if request.version >= AVAILABILITY_ZONE
        && let Some(Some(zone)) = text_in(&mut fields, "availability_zone")?
        && zone != ZONE
    {
        return Err(Error::Invalid(format!(
            "Invalid input received: Availability zone '{zone}' is invalid."
        )));
    }
    fields.finish()?;
    let made = ops::create(request.caller(), tx, volume, draft)?;
    Ok(Reply::json(202, json!({"backup": summary(request, &made)})))
}

/// A text that is an id; null is none.
fn id_in(fields: &mut Fields, name: &str) -> Result<Option<String>, InvalidBody> {
    Ok(fields.nullable_text(name)?.flatten())
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::show(request.caller(), tx, backup_id(request)?)?;
    let viewer = Viewer::of(request, tx, slice::from_ref(&*found))?;
    let view = detail(request, &viewer, &found);
    Ok(Reply::ok(json!({"backup": view})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "backup")?;
    let change = BackupChange {
        name: text_in(&mut fields, "name")?,
        description: text_in(&mut fields, "description")?,
        metadata: match request.version >= METADATA {
            true => words_of(&mut fields, "metadata")?,
            false => None,
        },
    };
    fields.finish()?;
    let found = ops::update(request.caller(), tx, backup_id(request)?, change)?;
    Ok(Reply::ok(json!({"backup": summary(request, &found)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, backup_id(request)?, false)?;
    Ok(Reply::empty(202))
}

fn restore(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = backup_id(request)?;
    let mut fields = sole_fields(request, "restore")?;
    let volume = id_in(&mut fields, "volume_id")?.map(|text| text.parse::<VolumeId>()).transpose();
    let volume = volume.map_err(|_| fields.error("volume_id", "is not a UUID"))?;
    let name = text_in(&mut fields, "name")?.flatten();
    fields.finish()?;
    let volume = ops::restore(request.caller(), tx, id, (volume, name))?;
    let body = json!({"backup_id": id, "volume_id": volume.id, "volume_name": volume.name});
    Ok(Reply::json(202, json!({"restore": body})))
}

fn export_record(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::export(request.caller(), tx, backup_id(request)?)?;
    let is_parent = !ops::parents_among(tx, slice::from_ref(&*found))?.is_empty();
    let record = record::encode(&found, is_parent);
    Ok(Reply::ok(json!({"backup-record": {"backup_service": SERVICE, "backup_url": record}})))
}

fn import_record(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "backup-record")?;
    let service = text_in(&mut fields, "backup_service")?.flatten();
    let service = service.ok_or_else(|| fields.error("backup_service", "is required"))?;
    let record = fields.required_text("backup_url")?;
    fields.finish()?;
    if !record::is_base64(&record) {
        let text = format!(
            "Invalid input for field/attribute backup_url. Value: {record}. '{record}' is not a 'base64'"
        );
        return Err(Error::Invalid(text));
    }
    let made = ops::import(request.caller(), tx, &service, &record)?;
    Ok(Reply::json(201, json!({"backup": summary(request, &made)})))
}

/// Actions: a POST whose one key says what is to be done.
fn action(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = backup_id(request)?;
    let (name, mut fields) = action_in(request)?;
    match name.as_str() {
        "os-force_delete" => ops::delete(request.caller(), tx, id, true)?,
        "os-reset_status" => {
            let status = fields.required_text("status")?;
            fields.finish()?;
            let phase = match status.as_str() {
                "available" => Phase::Available,
                "error" => Phase::Error,
                _ => return Err(InvalidBody::at("status", "must be available or error").into()),
            };
            ops::reset_phase(request.caller(), tx, id, phase)?;
        }
        other => return Err(Error::Invalid(format!("There is no such action: {other}"))),
    }
    Ok(Reply::empty(202))
}
