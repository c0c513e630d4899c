//! Which servers a list holds, and in which order.

use std::cmp::Ordering;

use ::store::Direction;
use policy::Caller;
use regex_lite::Regex;
use rest::{Microversion, Request, sort_of};
use types::Timestamp;

use super::Server;
use super::model::{STATUSES, STATUSES_UNUSED, ZONE};
use crate::{Error, body, microversion};

/// A condition on servers.
pub(crate) type Test = Box<dyn Fn(&Server) -> bool>;

/// What a list asks for.
pub(crate) struct Filter {
    /// Servers of every project.
    pub(crate) all_projects: bool,
    /// All of these must hold.
    pub(crate) tests: Vec<Test>,
    /// Nothing can match: a state that no server here is in.
    pub(crate) nothing: bool,
    /// Sort keys in Nova's names; empty for the newest first.
    pub(crate) sort: Vec<(String, Direction)>,
}

/// What anybody may filter by.
const PUBLIC: &[&str] =
    &["reservation_id", "name", "status", "image", "flavor", "ip", "ip6", "changes-since"];
/// What anybody may filter by from 2.26, 2.66, 2.73, 2.83 and 2.90 on.
const PUBLIC_SINCE: &[(Microversion, &[&str])] = &[
    (microversion::TAGS, &["tags", "tags-any", "not-tags", "not-tags-any"]),
    (microversion::CHANGES_BEFORE, &["changes-before"]),
    (microversion::LOCKED_REASON, &["locked"]),
    (
        Microversion(2, 83),
        &[
            "availability_zone",
            "config_drive",
            "key_name",
            "created_at",
            "launched_at",
            "terminated_at",
            "power_state",
            "task_state",
            "vm_state",
            "progress",
            "user_id",
        ],
    ),
    (microversion::HOSTNAME, &["hostname"]),
];
/// What only operators filter by, beside all of the above.
const OPERATOR: &[&str] = &[
    "user_id",
    "project_id",
    "tenant_id",
    "launch_index",
    "image_ref",
    "kernel_id",
    "ramdisk_id",
    "hostname",
    "key_name",
    "power_state",
    "vm_state",
    "task_state",
    "host",
    "node",
    "launched_at",
    "terminated_at",
    "availability_zone",
    "display_name",
    "description",
    "display_description",
    "locked_by",
    "uuid",
    "root_device_name",
    "config_drive",
    "access_ip_v4",
    "access_ip_v6",
    "auto_disk_config",
    "progress",
    "soft_deleted",
    "deleted",
    "created_at",
];
/// What is no filter.
const PAGING: &[&str] = &["limit", "marker", "sort_key", "sort_dir", "all_tenants"];

/// Reads the query of a list.
pub(crate) fn parse(request: &Request) -> Result<Filter, Error> {
    let caller = request.caller();
    let since = PUBLIC_SINCE.iter().filter(|(from, _)| request.version >= *from);
    let public: Vec<&str> = since.flat_map(|(_, names)| names.iter()).chain(PUBLIC).copied().collect();
    if let Some((name, _)) = request.query.iter().find(|(name, _)| name.starts_with('_')) {
        return Err(Error::Invalid(format!("Invalid filter field: {name}.")));
    }
    if request.version >= microversion::STRICT_QUERIES {
        body::only_queries(request, &[&public, OPERATOR, PAGING].concat())?;
    }
    let all_projects = match request.query("all_tenants") {
        None => false,
        Some("") => true,
        Some(word) => body::flag_of(word).ok_or_else(|| {
            Error::Invalid(format!(
                "Invalid value '{word}' for query parameter all_tenants: it is no boolean"
            ))
        })?,
    };
    let mut filter = Filter { all_projects, tests: Vec::new(), nothing: false, sort: sort(request)? };
    status(request, &mut filter)?;
    times(request, &mut filter)?;
    for (name, value) in &request.query {
        let allowed =
            public.contains(&name.as_str()) || caller.is_admin() && OPERATOR.contains(&name.as_str());
        if !allowed {
            continue;
        }
        if let Some(test) = test(name, value, all_projects)? {
            filter.tests.push(test);
        } else if name == "deleted" && body::flag_of(value) == Some(true) {
            // A deleted server leaves no row.
            filter.nothing = true;
        }
    }
    Ok(filter)
}

fn status(request: &Request, filter: &mut Filter) -> Result<(), Error> {
    let asked: Vec<String> = request.queries("status").map(str::to_uppercase).collect();
    if asked.is_empty() {
        return Ok(());
    }
    if asked.iter().any(|status| status == "DELETED") && !request.caller().is_admin() {
        return Err(Error::Forbidden("Only administrators may list deleted instances".to_owned()));
    }
    let known =
        |status: &String| STATUSES.contains(&status.as_str()) || STATUSES_UNUSED.contains(&status.as_str());
    if !asked.iter().any(known) {
        if request.version >= microversion::STATUS_FILTER {
            return Err(Error::Invalid("Invalid status value".to_owned()));
        }
        filter.nothing = true;
    }
    filter.tests.push(Box::new(move |server| asked.iter().any(|status| status == server.status())));
    Ok(())
}

fn times(request: &Request, filter: &mut Filter) -> Result<(), Error> {
    let since = body::time(request, "changes-since")?;
    let before = match request.version >= microversion::CHANGES_BEFORE {
        true => body::time(request, "changes-before")?,
        false => None,
    };
    if since.zip(before).is_some_and(|(since, before)| since > before) {
        let text = "The value of changes-since must be less than or equal to changes-before.";
        return Err(Error::Invalid(text.to_owned()));
    }
    let (since, before) = (since.unwrap_or(Timestamp(i64::MIN)), before.unwrap_or(Timestamp(i64::MAX)));
    filter.tests.push(Box::new(move |server| since <= server.updated_at && server.updated_at <= before));
    Ok(())
}

/// The condition that one query parameter makes, if it makes one by itself.
fn test(name: &str, value: &str, all_projects: bool) -> Result<Option<Test>, Error> {
    let value = value.to_owned();
    let test: Test = match name {
        "name" | "display_name" => pattern(&value, |s, p| p.is_match(&s.name))?,
        "description" | "display_description" => {
            pattern(&value, |s, p| s.description.as_ref().is_some_and(|text| p.is_match(text)))?
        }
        "hostname" => pattern(&value, |s, p| p.is_match(&s.hostname))?,
        "ip" => pattern(&value, |s, p| has_address(s, true, p))?,
        "ip6" => pattern(&value, |s, p| has_address(s, false, p))?,
        "image" | "image_ref" => {
            Box::new(move |s| s.image.as_ref().is_some_and(|image| image.id.to_string() == value))
        }
        "flavor" => Box::new(move |s| s.flavor.id.as_str() == value),
        "reservation_id" => Box::new(move |s| s.reservation_id == value),
        "user_id" => Box::new(move |s| s.user_id.as_str() == value),
        "project_id" | "tenant_id" if all_projects => Box::new(move |s| s.project_id.as_str() == value),
        "host" | "node" => Box::new(move |s| s.host.as_ref().is_some_and(|host| host.as_str() == value)),
        "uuid" => Box::new(move |s| s.id.to_string() == value),
        "key_name" => Box::new(move |s| s.key.as_ref().is_some_and(|key| key.name == value)),
        "availability_zone" => Box::new(move |s| s.host.is_some() && value == ZONE),
        "vm_state" => Box::new(move |s| s.vm_state() == value),
        "task_state" => Box::new(move |s| s.task_state().unwrap_or_default() == value),
        "power_state" => Box::new(move |s| s.power_state().to_string() == value),
        "launch_index" => Box::new(move |s| s.launch_index.to_string() == value),
        "config_drive" => {
            let wanted = body::flag_of(&value).unwrap_or(false);
            Box::new(move |s| s.config_drive == wanted)
        }
        "locked" => {
            let wanted = body::flag_of(&value);
            let wanted =
                wanted.ok_or_else(|| Error::Invalid(format!("Invalid value '{value}' for locked")))?;
            Box::new(move |s| s.lock.is_some() == wanted)
        }
        "tags" => tags(value, |tags, s| tags.iter().all(|tag| s.tags.contains(tag))),
        "tags-any" => tags(value, |tags, s| tags.iter().any(|tag| s.tags.contains(tag))),
        "not-tags" => tags(value, |tags, s| !tags.iter().all(|tag| s.tags.contains(tag))),
        "not-tags-any" => tags(value, |tags, s| !tags.iter().any(|tag| s.tags.contains(tag))),
        _ => return Ok(None),
    };
    Ok(Some(test))
}

fn pattern(value: &str, matches: fn(&Server, &Regex) -> bool) -> Result<Test, Error> {
    let pattern = Regex::new(&format!("(?i){value}"))
        .map_err(|_| Error::Invalid(format!("Invalid filter value: {value} is not a regular expression")))?;
    Ok(Box::new(move |server| matches(server, &pattern)))
}

fn has_address(server: &Server, v4: bool, pattern: &Regex) -> bool {
    let addresses = server.nics.iter().flat_map(|nic| &nic.addresses);
    let all = addresses.flat_map(|address| std::iter::once(&address.ip).chain(&address.floating));
    all.filter(|ip| ip.is_ipv4() == v4).any(|ip| pattern.is_match(&ip.to_string()))
}

fn tags(value: String, holds: fn(&[String], &Server) -> bool) -> Test {
    let tags: Vec<String> = value.split(',').map(str::to_owned).collect();
    Box::new(move |server| holds(&tags, server))
}

/// Sort keys of Nova's that change nothing here.
const SORT_KEYS_EQUAL: &[&str] = &[
    "access_ip_v4",
    "access_ip_v6",
    "auto_disk_config",
    "kernel_id",
    "locked_by",
    "progress",
    "ramdisk_id",
    "root_device_name",
    "terminated_at",
];
/// Sort keys that Nova ignores since it was found what they show, and refuses from 2.75 on.
const SORT_KEYS_IGNORED: &[&str] = &[
    "architecture",
    "cell_name",
    "cleaned",
    "default_ephemeral_device",
    "default_swap_device",
    "deleted",
    "deleted_at",
    "disable_terminate",
    "ephemeral_gb",
    "ephemeral_key_uuid",
    "id",
    "key_data",
    "launched_on",
    "locked",
    "memory_mb",
    "os_type",
    "reservation_id",
    "root_gb",
    "shutdown_terminate",
    "user_data",
    "vcpus",
    "vm_mode",
];

fn sort(request: &Request) -> Result<Vec<(String, Direction)>, Error> {
    let mut keys = Vec::new();
    for (key, direction) in sort_of(request)? {
        if ["host", "node"].contains(&key.as_str()) && !request.caller().is_admin() {
            return Err(Error::Forbidden(format!("Only administrators can sort servers by {key}")));
        }
        let locked = key == "locked" && request.version >= microversion::LOCKED_REASON;
        if order(&key).is_some() && (key != "locked" || locked) {
            keys.push((key, direction));
            continue;
        }
        let ignored =
            SORT_KEYS_IGNORED.contains(&key.as_str()) && request.version < microversion::STRICT_QUERIES;
        if !ignored && !SORT_KEYS_EQUAL.contains(&key.as_str()) {
            let text =
                format!("Invalid input for query parameters sort_key. {key} is not one of the sort keys");
            return Err(Error::Invalid(text));
        }
    }
    Ok(keys)
}

type Order = fn(&Server, &Server) -> Ordering;

fn order(key: &str) -> Option<Order> {
    let order: Order = match key {
        "created_at" => |a, b| a.created_at.cmp(&b.created_at),
        "updated_at" => |a, b| a.updated_at.cmp(&b.updated_at),
        "launched_at" => |a, b| a.launched_at.cmp(&b.launched_at),
        "display_name" => |a, b| a.name.cmp(&b.name),
        "display_description" => |a, b| a.description.cmp(&b.description),
        "hostname" => |a, b| a.hostname.cmp(&b.hostname),
        "host" | "node" => |a, b| a.host.cmp(&b.host),
        "availability_zone" => |a, b| a.placement.zone.cmp(&b.placement.zone),
        "config_drive" => |a, b| a.config_drive.cmp(&b.config_drive),
        "image_ref" => |a, b| a.image.as_ref().map(|i| i.id).cmp(&b.image.as_ref().map(|i| i.id)),
        "instance_type_id" => |a, b| a.flavor.id.cmp(&b.flavor.id),
        "key_name" => |a, b| a.key.as_ref().map(|k| &k.name).cmp(&b.key.as_ref().map(|k| &k.name)),
        "launch_index" => |a, b| a.launch_index.cmp(&b.launch_index),
        "locked" => |a, b| a.lock.is_some().cmp(&b.lock.is_some()),
        "power_state" => |a, b| a.power_state().cmp(&b.power_state()),
        "project_id" => |a, b| a.project_id.cmp(&b.project_id),
        "task_state" => |a, b| a.task_state().cmp(&b.task_state()),
        "user_id" => |a, b| a.user_id.cmp(&b.user_id),
        "uuid" => |a, b| a.id.cmp(&b.id),
        "vm_state" => |a, b| a.vm_state().cmp(b.vm_state()),
        _ => return None,
    };
    Some(order)
}

/// Compares two servers as the list is sorted; the newest first where nothing else decides.
pub(crate) fn compare(keys: &[(String, Direction)], a: &Server, b: &Server) -> Ordering {
    let orders = keys.iter().map(|(key, direction)| {
        let ordering = order(key).map_or(Ordering::Equal, |order| order(a, b));
        if *direction == Direction::Desc { ordering.reverse() } else { ordering }
    });
    let newest = b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id));
    orders.fold(Ordering::Equal, Ordering::then).then(newest)
}

impl Filter {
    /// Whether a server is in the list.
    pub(crate) fn keeps(&self, server: &Server) -> bool {
        !self.nothing && self.tests.iter().all(|test| test(server))
    }
}

/// Whether the caller sees the servers of all projects.
pub(crate) fn check_all_projects(caller: &Caller, all: bool) -> Result<(), Error> {
    if all {
        crate::policy::RULES.check(
            "os_compute_api:servers:index:get_all_tenants",
            caller,
            &policy::Target::default(),
        )?;
    }
    Ok(())
}
