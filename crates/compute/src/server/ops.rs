//! Finding, listing, changing and deleting servers.

use std::collections::BTreeMap;

use ::store::{Condition, Direction, Select, Stored, Tx};
use policy::{Caller, Target};
use rest::Page;
use types::{HostId, ServerId};

use super::filter::{Filter, check_all_projects, compare};
use super::store::SERVERS;
use super::{RECONCILER, Server, Task, act};
use crate::policy::RULES;
use crate::{Error, action, body, links, quota};

pub use super::create::create;

/// Who asks, and by which request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// `req-…`, by which the action is found.
    pub request_id: &'a str,
}

/// The server of this id, if the caller may see it. What may not be seen is not there.
pub fn load(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<Server>, Error> {
    let missing = || Error::NotFound(format!("Instance {id} could not be found."));
    let parsed: ServerId = id.parse().map_err(|_| missing())?;
    let found = SERVERS.load(tx, parsed)?;
    let seen = found.filter(|s| caller.is_admin() || caller.project_id() == Some(&s.project_id));
    seen.ok_or_else(missing)
}

/// The servers of a list: one page, sorted.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Stored<Server>>, Error> {
    check_all_projects(caller, filter.all_projects)?;
    let project = caller.project_id().cloned();
    let target = Target { project_id: project.as_ref(), ..Target::default() };
    RULES.check("os_compute_api:servers:index", caller, &target)?;
    let select = match (&project, filter.all_projects) {
        (_, true) => Select::all(),
        (Some(id), false) => Select::all().eq("project_id", id),
        (None, false) => Select::all().with(Condition::Any(Vec::new())),
    };
    let mut servers =
        SERVERS.query(tx, &select.order("created_at", Direction::Desc).order("id", Direction::Desc))?;
    servers.retain(|server| filter.keeps(server));
    servers.sort_by(|a, b| compare(&filter.sort, a, b));
    let marked: Vec<(String, Stored<Server>)> = servers.into_iter().map(|s| (s.id.to_string(), s)).collect();
    Ok(links::cut(marked, page, |(id, _)| id)?.into_iter().map(|(_, server)| server).collect())
}

/// How the hosts are, by name, in Nova's words.
pub(crate) fn host_status(tx: &mut Tx<'_>) -> Result<BTreeMap<HostId, &'static str>, Error> {
    let now = tx.now();
    let hosts = nodes::hosts::list(tx)?.into_iter().map(|host| {
        let status = match (host.enabled, host.is_up(now)) {
            (false, _) => "MAINTENANCE",
            (true, true) => "UP",
            (true, false) => "DOWN",
        };
        (host.id.clone(), status)
    });
    Ok(hosts.collect())
}

/// What an owner may change about a server. An absent part stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) description: Option<Option<String>>,
    pub(crate) access_ipv4: Option<Option<std::net::IpAddr>>,
    pub(crate) access_ipv6: Option<Option<std::net::IpAddr>>,
    pub(crate) disk_config_manual: Option<bool>,
}

/// Changes what an owner may change.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: Change,
) -> Result<Stored<Server>, Error> {
    edit("servers:update", caller, tx, id, |server| {
        if let Some(name) = change.name {
            server.name = name;
        }
        if let Some(hostname) = change.hostname {
            server.hostname = hostname;
        }
        if let Some(description) = change.description {
            server.description = description;
        }
        if let Some(ip) = change.access_ipv4 {
            server.access_ipv4 = ip;
        }
        if let Some(ip) = change.access_ipv6 {
            server.access_ipv6 = ip;
        }
        if let Some(manual) = change.disk_config_manual {
            server.disk_config_manual = manual;
        }
        Ok(())
    })
}

/// Loads, changes and saves a server whose owner may; its host is told if it matters there.
pub(crate) fn edit(
    rule: &str,
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: impl FnOnce(&mut Server) -> Result<(), Error>,
) -> Result<Stored<Server>, Error> {
    let mut server = act::load_for(rule, caller, tx, id)?;
    change(&mut server)?;
    server.updated_at = tx.now();
    SERVERS.save(tx, &mut server)?;
    tx.kick(RECONCILER, server.id)?;
    Ok(server)
}

/// Replaces or extends the metadata.
pub(crate) fn set_metadata(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    pairs: Vec<(String, String)>,
    replace: bool,
) -> Result<Stored<Server>, Error> {
    let server = act::load_for("server-metadata:update", caller, tx, id)?;
    check_changeable(caller, &server, "update metadata")?;
    let limit = quota::of_project(tx, &server.project_id)?.metadata_items;
    edit("server-metadata:update", caller, tx, id, |server| {
        if replace {
            server.metadata.clear();
        }
        server.metadata.extend(pairs);
        if limit >= 0 && server.metadata.len() as i64 > limit {
            return Err(Error::Forbidden(format!("Maximum number of metadata items exceeds {limit}")));
        }
        Ok(())
    })
}

/// Removes a pair of the metadata.
pub(crate) fn remove_metadata(caller: &Caller, tx: &mut Tx<'_>, id: &str, key: &str) -> Result<(), Error> {
    let server = act::load_for("server-metadata:update", caller, tx, id)?;
    check_changeable(caller, &server, "delete metadata")?;
    edit("server-metadata:update", caller, tx, id, |server| match server.metadata.remove(key) {
        Some(_) => Ok(()),
        None => Err(Error::NotFound("Metadata item was not found".to_owned())),
    })?;
    Ok(())
}

fn check_changeable(caller: &Caller, server: &Server, verb: &str) -> Result<(), Error> {
    act::check_lock(caller, server)?;
    match server.task {
        Some(task) => Err(act::wrong_state(server, verb, "task_state", task.state())),
        None => Ok(()),
    }
}

/// Replaces the tags.
pub(crate) fn set_tags(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    tags: Vec<String>,
) -> Result<Stored<Server>, Error> {
    edit("os-server-tags:update", caller, tx, id, |server| {
        server.tags = tags.into_iter().collect();
        Ok(())
    })
}

/// Adds a tag; tells whether it is new.
pub(crate) fn add_tag(caller: &Caller, tx: &mut Tx<'_>, id: &str, tag: &str) -> Result<bool, Error> {
    body::check_tag(tag)?;
    let mut new = false;
    edit("os-server-tags:update", caller, tx, id, |server| {
        new = server.tags.insert(tag.to_owned());
        if server.tags.len() > body::TAGS_MAX {
            let text = format!("The number of tags exceeded the per-server limit {}", body::TAGS_MAX);
            return Err(Error::Invalid(text));
        }
        Ok(())
    })?;
    Ok(new)
}

/// Removes a tag.
pub(crate) fn remove_tag(caller: &Caller, tx: &mut Tx<'_>, id: &str, tag: &str) -> Result<(), Error> {
    edit("os-server-tags:update", caller, tx, id, |server| match server.tags.remove(tag) {
        true => Ok(()),
        false => Err(Error::NotFound(format!("Server {id} has no tag '{tag}'"))),
    })?;
    Ok(())
}

/// Forgets the password that the guest posted; it may post another.
pub(crate) fn clear_password(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    edit("os-server-password:clear", caller, tx, id, |server| {
        server.guest_password.clear();
        server.passwords_cleared += 1;
        Ok(())
    })?;
    Ok(())
}

/// Asks for a server to go. Asking again changes nothing.
pub fn delete(asked: &Asked<'_>, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let mut server = act::load_for("servers:delete", asked.caller, tx, id)?;
    act::check_lock(asked.caller, &server)?;
    if server.is_deleting() {
        return Ok(());
    }
    let action = action::begin(tx, asked, &server, "delete", "compute_terminate_instance")?;
    server.task_action = Some(action);
    let now = tx.now();
    server.begin(Task::Deleting, now);
    SERVERS.save(tx, &mut server)?;
    Ok(tx.kick(RECONCILER, server.id)?)
}
