//! Quota sets and limits over HTTP.

use std::collections::BTreeMap;

use ::store::Tx;
use policy::Target;
use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use types::ProjectId;

use super::model::ALL;
use super::{Limits, ops};
use crate::policy::RULES;
use crate::{Error, body, group, microversion, server};

/// The largest limit that Nova's schema takes.
const LIMIT_MAX: i64 = 0x7fff_ffff;
/// What belongs to the network service.
const NETWORK: &[&str] = &["fixed_ips", "floating_ips", "security_groups", "security_group_rules"];
/// What belonged to file injection.
const INJECTION: &[&str] = &["injected_files", "injected_file_content_bytes", "injected_file_path_bytes"];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/os-quota-sets/{project_id}", show)
        .get("/os-quota-sets/{project_id}/detail", detail)
        .get("/os-quota-sets/{project_id}/defaults", defaults)
        .put("/os-quota-sets/{project_id}", update)
        .delete("/os-quota-sets/{project_id}", delete)
        .get("/os-quota-class-sets/{class}", show_class)
        .get("/limits", limits)
}

/// Whether this version shows this limit.
fn is_shown(name: &str, version: Microversion) -> bool {
    !(version >= microversion::NO_PROXIES && NETWORK.contains(&name)
        || version >= microversion::NO_PERSONALITY && INJECTION.contains(&name))
}

fn shown(limits: &Limits, version: Microversion) -> BTreeMap<&'static str, i64> {
    limits.by_name().into_iter().filter(|(name, _)| is_shown(name, version)).collect()
}

fn project(request: &Request) -> Result<ProjectId, Error> {
    if request.version >= microversion::STRICT_QUERIES {
        body::only_queries(request, &["user_id"])?;
    }
    Ok(request.param("project_id").into())
}

fn with_id(project_id: &ProjectId, limits: BTreeMap<&'static str, Json>) -> Json {
    let mut set = json!(limits);
    set["id"] = json!(project_id);
    json!({"quota_set": set})
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project_id = project(request)?;
    let limits = ops::show("show", request.caller(), tx, &project_id)?;
    let limits = shown(&limits, request.version).into_iter().map(|(name, n)| (name, json!(n))).collect();
    Ok(Reply::ok(with_id(&project_id, limits)))
}

/// How much is used, by Nova's names.
fn used(tx: &mut Tx<'_>, project_id: &ProjectId) -> Result<BTreeMap<&'static str, i64>, Error> {
    let used = server::used(tx, project_id)?;
    let groups = group::count(tx, project_id)?;
    Ok([
        ("instances", used.instances),
        ("cores", used.cores),
        ("ram", used.ram_mib),
        ("server_groups", groups),
    ]
    .into())
}

fn detail(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project_id = project(request)?;
    let limits = ops::show("detail", request.caller(), tx, &project_id)?;
    let used = used(tx, &project_id)?;
    let limits = shown(&limits, request.version).into_iter().map(|(name, limit)| {
        (name, json!({"limit": limit, "in_use": used.get(name).unwrap_or(&0), "reserved": 0}))
    });
    Ok(Reply::ok(with_id(&project_id, limits.collect())))
}

fn default_limits(version: Microversion) -> BTreeMap<&'static str, Json> {
    let limits = Limits::with(&BTreeMap::new());
    shown(&limits, version).into_iter().map(|(name, n)| (name, json!(n))).collect()
}

#[allow(clippy::unnecessary_wraps)] // The signature of a handler.
fn defaults(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(with_id(&request.param("project_id").into(), default_limits(request.version))))
}

fn show_class(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("os_compute_api:os-quota-sets:update", request.caller(), &Target::default())?;
    let mut set = json!(default_limits(request.version));
    set["id"] = json!(request.param("class"));
    Ok(Reply::ok(json!({"quota_class_set": set})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project_id = project(request)?;
    let mut fields = request.fields("quota_set")?;
    let force = fields.flag("force")?.unwrap_or(false);
    let mut changes = BTreeMap::new();
    for (name, ..) in ALL {
        if !is_shown(name, request.version) {
            continue;
        }
        if let Some(limit) = fields.int_in(name, -1, LIMIT_MAX)? {
            changes.insert((*name).to_owned(), limit);
        }
    }
    fields.finish()?;
    let limits = ops::update(request.caller(), tx, &project_id, &changes, force)?;
    Ok(Reply::ok(json!({"quota_set": shown(&limits, request.version)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &project(request)?)?;
    Ok(Reply::empty(202))
}

/// Limits under the names of the oldest API.
const LIMIT_NAMES: &[(&str, &str)] = &[
    ("maxTotalRAMSize", "ram"),
    ("maxTotalInstances", "instances"),
    ("maxTotalCores", "cores"),
    ("maxTotalKeypairs", "key_pairs"),
    ("maxTotalFloatingIps", "floating_ips"),
    ("maxServerMeta", "metadata_items"),
    ("maxPersonality", "injected_files"),
    ("maxPersonalitySize", "injected_file_content_bytes"),
    ("maxSecurityGroups", "security_groups"),
    ("maxSecurityGroupRules", "security_group_rules"),
    ("maxServerGroups", "server_groups"),
    ("maxServerGroupMembers", "server_group_members"),
];
/// What is used under the names of the oldest API.
const USED_NAMES: &[(&str, &str)] = &[
    ("totalRAMUsed", "ram"),
    ("totalCoresUsed", "cores"),
    ("totalInstancesUsed", "instances"),
    ("totalFloatingIpsUsed", "floating_ips"),
    ("totalSecurityGroupsUsed", "security_groups"),
    ("totalServerGroupsUsed", "server_groups"),
];

fn limits(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let caller = request.caller();
    if request.version >= microversion::STRICT_QUERIES {
        body::only_queries(request, &["tenant_id", "reserved"])?;
    }
    let project_id = match request.query("tenant_id") {
        Some(other) => {
            RULES.check("os_compute_api:limits:other_project", caller, &Target::default())?;
            Some(ProjectId::from(other))
        }
        None => caller.project_id().cloned(),
    };
    let (limits, used) = match &project_id {
        Some(id) => (ops::of_project(tx, id)?, used(tx, id)?),
        None => (Limits::with(&BTreeMap::new()), BTreeMap::new()),
    };
    let limits = limits.by_name();
    let mut absolute = serde_json::Map::new();
    for (shown_as, name) in LIMIT_NAMES.iter().filter(|(_, name)| is_shown(name, request.version)) {
        absolute.insert((*shown_as).to_owned(), json!(limits.get(name)));
    }
    if request.version < microversion::NO_IMAGE_METADATA {
        absolute.insert("maxImageMeta".to_owned(), json!(limits.get("metadata_items")));
    }
    for (shown_as, name) in USED_NAMES.iter().filter(|(_, name)| is_shown(name, request.version)) {
        absolute.insert((*shown_as).to_owned(), json!(used.get(name).unwrap_or(&0)));
    }
    Ok(Reply::ok(json!({"limits": {"rate": [], "absolute": absolute}})))
}
