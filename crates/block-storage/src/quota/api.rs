//! Quotas and limits over HTTP.

use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;

use super::usage::Usage;
use super::{Limits, Resource, UNLIMITED, class, ops};
use crate::api::{asked, own, project_in, sole_fields};
use crate::error::Error;
use crate::policy::{self, RULES};

/// The largest limit that can be set.
pub(super) const LIMIT_MAX: i64 = 2_147_483_647;
/// The first microversion in which administrators see the limits of others.
const OF_OTHERS: Microversion = Microversion(3, 39);

/// The routes of quotas and limits.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/limits", own(limits))
        .get("/os-quota-sets/{target}", own(show))
        .put("/os-quota-sets/{target}", own(update))
        .delete("/os-quota-sets/{target}", own(delete))
        .get("/os-quota-sets/{target}/defaults", own(defaults))
        .and(class::routes())
}

/// What clients call each limit, and the limit.
pub(super) fn view(tx: &mut Tx<'_>, limits: &Limits) -> Result<Map<String, Json>, Error> {
    let all = ops::resources(tx)?.into_iter();
    Ok(all.map(|(name, resource)| (name, limits.of(resource).into())).collect())
}

fn with_id(mut set: Map<String, Json>, id: &str) -> Reply {
    set.insert("id".to_owned(), id.into());
    Reply::ok(json!({"quota_set": set}))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = project_in(request)?;
    ops::check_show(request.caller(), &project)?;
    let limits = ops::load(tx, &project)?;
    if !asked(request, "usage")? {
        return Ok(with_id(view(tx, &limits)?, project.as_str()));
    }
    let usage = Usage::load(tx, &project)?;
    let used = |resource| json!({"limit": limits.of(resource), "in_use": usage.of(resource), "reserved": 0});
    let all = ops::resources(tx)?.into_iter();
    Ok(with_id(all.map(|(name, resource)| (name, used(resource))).collect(), project.as_str()))
}

fn defaults(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = project_in(request)?;
    ops::check_show(request.caller(), &project)?;
    let limits = ops::defaults(tx)?;
    Ok(with_id(view(tx, &limits)?, project.as_str()))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = project_in(request)?;
    let mut fields = sole_fields(request, "quota_set")?;
    if fields.left().is_empty() {
        return Err(InvalidBody::at("quota_set", "does not have enough properties").into());
    }
    // Clients repeat the project, which the path has.
    fields.take("tenant_id");
    fields.take("id");
    let said = said(tx, fields, "quota set")?;
    let said = said.into_iter().map(|(name, resource, value)| match limit_of(&value) {
        Some(limit) if limit < UNLIMITED => Err(Error::Invalid(format!("{name} must be >= {UNLIMITED}"))),
        Some(limit) if limit > LIMIT_MAX => Err(Error::Invalid(format!("{name} must be <= {LIMIT_MAX}"))),
        Some(limit) => Ok((name, resource, limit)),
        None => Err(Error::Invalid(format!("{name} must be an integer"))),
    });
    let limits = ops::update(request.caller(), tx, &project, said.collect::<Result<_, _>>()?)?;
    Ok(Reply::ok(json!({"quota_set": view(tx, &limits)?})))
}

/// What a body says of things that can be limited; other names are refused.
pub(super) fn said(
    tx: &mut Tx<'_>,
    fields: Fields,
    what: &str,
) -> Result<Vec<(String, Resource, Json)>, Error> {
    let known = ops::resources(tx)?;
    let (mut said, mut bad) = (Vec::new(), Vec::new());
    for (name, value) in fields.into_left() {
        match known.iter().find(|(known, _)| *known == name) {
            Some((_, resource)) => said.push((name, *resource, value)),
            None => bad.push(name),
        }
    }
    if bad.is_empty() {
        return Ok(said);
    }
    let text = format!("Invalid input received: Bad key(s) in {what}: {}", bad.join(", "));
    Err(Error::Invalid(text))
}

/// A whole number, also spelled as a string.
fn limit_of(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.trim().parse().ok(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &project_in(request)?)?;
    Ok(Reply::empty(200))
}

fn limits(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let caller = request.caller();
    let others = caller.is_admin() && request.version >= OF_OTHERS;
    let other = request.query("project_id").or(request.query("tenant_id")).filter(|_| others);
    let project = other.map(Into::into).or_else(|| caller.project_id().cloned());
    let (limits, usage) = match &project {
        Some(project) => (ops::load(tx, project)?, Usage::load(tx, project)?),
        None => (ops::defaults(tx)?, Usage::default()),
    };
    let mut absolute = json!({
        "maxTotalVolumes": limits.of(Resource::Volumes),
        "maxTotalSnapshots": limits.of(Resource::Snapshots),
        "maxTotalVolumeGigabytes": limits.of(Resource::Gigabytes),
        "maxTotalBackups": limits.of(Resource::Backups),
        "maxTotalBackupGigabytes": limits.of(Resource::BackupGigabytes),
    });
    if RULES.allows("limits_extension:used_limits", caller, &policy::own(caller)) {
        absolute["totalVolumesUsed"] = usage.of(Resource::Volumes).into();
        absolute["totalGigabytesUsed"] = usage.of(Resource::Gigabytes).into();
        absolute["totalSnapshotsUsed"] = usage.of(Resource::Snapshots).into();
        absolute["totalBackupsUsed"] = usage.of(Resource::Backups).into();
        absolute["totalBackupGigabytesUsed"] = usage.of(Resource::BackupGigabytes).into();
    }
    Ok(Reply::ok(json!({"limits": {"rate": [], "absolute": absolute}})))
}
