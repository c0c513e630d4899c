//! Quotas and limits over HTTP.

use std::collections::BTreeMap;

use rest::{Fields, Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;
use types::ProjectId;

use super::{DEFAULTS, Quota, UNLIMITED, ops};
use crate::api::own;
use crate::error::Error;

/// The largest limit that can be set.
const LIMIT_MAX: i64 = 2_147_483_647;

/// The routes of quotas and limits.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/limits", own(limits))
        .get("/os-quota-sets/{target}", own(show))
        .put("/os-quota-sets/{target}", own(update))
        .delete("/os-quota-sets/{target}", own(delete))
        .get("/os-quota-sets/{target}/defaults", own(defaults))
}

fn target(request: &Request) -> ProjectId {
    request.param("target").into()
}

fn view(quota: &Quota, id: Option<&ProjectId>) -> Json {
    let limits = DEFAULTS.iter().map(|(name, _)| ((*name).to_owned(), quota.limit(name).into()));
    let mut set: Map<String, Json> = limits.collect();
    if let Some(id) = id {
        set.insert("id".to_owned(), id.as_str().into());
    }
    json!({"quota_set": set})
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = target(request);
    let quota = ops::show(request.caller(), tx, &project)?;
    let mut view = view(&quota, Some(&project));
    if matches!(request.query("usage").map(str::to_lowercase).as_deref(), Some("true" | "1")) {
        for (name, _) in DEFAULTS {
            let in_use = ops::in_use(tx, &project, name)?;
            view["quota_set"][name] = json!({"limit": quota.limit(name), "in_use": in_use, "reserved": 0});
        }
    }
    Ok(Reply::ok(view))
}

fn defaults(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = target(request);
    ops::show(request.caller(), tx, &project)?;
    let quota = Quota { project_id: project.clone(), limits: BTreeMap::new() };
    Ok(Reply::ok(view(&quota, Some(&project))))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = target(request);
    let mut fields: Fields = request.fields("quota_set")?;
    // Clients repeat the project, which the path has.
    fields.take("tenant_id");
    let mut limits = BTreeMap::new();
    for (name, _) in DEFAULTS {
        if let Some(limit) = fields.int_in(name, UNLIMITED, LIMIT_MAX)? {
            limits.insert(name.to_owned(), limit);
        }
    }
    fields.finish()?;
    if limits.is_empty() {
        return Err(Error::Invalid(
            "Invalid input for field/attribute quota_set: it sets no limit.".to_owned(),
        ));
    }
    let quota = ops::update(request.caller(), tx, &project, limits)?;
    Ok(Reply::ok(view(&quota, None)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &target(request))?;
    Ok(Reply::empty(200))
}

fn limits(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let asked = request.query("project_id").filter(|_| request.caller().is_admin());
    let project = match (asked, request.caller().project_id()) {
        (Some(project), _) => project.into(),
        (None, Some(own)) => own.clone(),
        (None, None) => return Err(Error::Denied("limits_extension:used_limits".to_owned())),
    };
    let quota = ops::load(tx, &project)?;
    let absolute = json!({
        "maxTotalVolumes": quota.limit("volumes"),
        "maxTotalSnapshots": quota.limit("snapshots"),
        "maxTotalVolumeGigabytes": quota.limit("gigabytes"),
        "maxTotalBackups": quota.limit("backups"),
        "maxTotalBackupGigabytes": quota.limit("backup_gigabytes"),
        "totalVolumesUsed": ops::in_use(tx, &project, "volumes")?,
        "totalGigabytesUsed": ops::in_use(tx, &project, "gigabytes")?,
        "totalSnapshotsUsed": 0,
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    });
    Ok(Reply::ok(json!({"limits": {"rate": [], "absolute": absolute}})))
}
