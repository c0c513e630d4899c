//! Making, finding and removing server groups, and what they mean for placing a server.

use std::collections::BTreeSet;

use ::store::{Direction, Select, Stored, Tx};
use placement::schedule::Request;
use policy::{Caller, Target};
use types::{HostId, ProjectId, ServerGroupId};

use super::store::GROUPS;
use super::{GroupPolicy, ServerGroup};
use crate::policy::RULES;
use crate::server::SERVERS;
use crate::{Error, quota};

/// How many groups a project has.
pub(crate) fn count(tx: &mut Tx<'_>, project_id: &ProjectId) -> Result<i64, Error> {
    Ok(GROUPS.count(tx, &Select::all().eq("project_id", project_id))?)
}

/// Makes a group.
pub(super) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    name: String,
    policy: GroupPolicy,
) -> Result<Stored<ServerGroup>, Error> {
    let project_id = caller.project_id().cloned();
    let project_id =
        project_id.ok_or_else(|| Error::Invalid("A server group needs a project.".to_owned()))?;
    RULES.check("os_compute_api:os-server-groups:create", caller, &Target::project(&project_id))?;
    let (limit, used) = (quota::of_project(tx, &project_id)?.server_groups, count(tx, &project_id)?);
    if limit >= 0 && used >= limit {
        let text = format!("Quota exceeded, too many server groups. (limit {limit}, used {used})");
        return Err(Error::Forbidden(text));
    }
    let (id, user_id) = (runtime::new_uuid().into(), caller.user_id.clone());
    let created_at = tx.now();
    Ok(GROUPS.insert(tx, ServerGroup { id, name, project_id, user_id, policy, created_at })?)
}

/// The group of this id, if the caller may see it.
pub(super) fn load(
    rule: &str,
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
) -> Result<Stored<ServerGroup>, Error> {
    let missing = || Error::NotFound(format!("Instance group {id} could not be found."));
    let parsed: ServerGroupId = id.parse().map_err(|_| missing())?;
    let found = GROUPS.load(tx, parsed)?;
    let group = found.filter(|group| caller.is_admin() || caller.project_id() == Some(&group.project_id));
    let group = group.ok_or_else(missing)?;
    RULES.check(
        &format!("os_compute_api:os-server-groups:{rule}"),
        caller,
        &Target::project(&group.project_id),
    )?;
    Ok(group)
}

/// The groups of the caller's project, or of all.
pub(super) fn list(caller: &Caller, tx: &mut Tx<'_>, all: bool) -> Result<Vec<Stored<ServerGroup>>, Error> {
    let mut select = Select::all();
    if all {
        RULES.check("os_compute_api:os-server-groups:index:all_projects", caller, &Target::default())?;
    } else {
        let project = caller.project_id().cloned().unwrap_or_else(|| "".into());
        RULES.check("os_compute_api:os-server-groups:index", caller, &Target::project(&project))?;
        select = select.eq("project_id", &project);
    }
    let mut groups = GROUPS.query(tx, &select.order("id", Direction::Asc))?;
    groups.sort_by_key(|group| (group.created_at, group.id));
    Ok(groups)
}

/// Removes a group; its servers stay where they are.
pub(super) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let group = load("delete", caller, tx, id)?;
    Ok(GROUPS.remove(tx, &group)?)
}

/// The ids of a group's members.
pub(super) fn members(tx: &mut Tx<'_>, id: ServerGroupId) -> Result<Vec<String>, Error> {
    let servers = SERVERS.query(tx, &Select::all().eq("group_id", id).order("created_at", Direction::Asc))?;
    Ok(servers.iter().filter(|server| !server.is_deleting()).map(|server| server.id.to_string()).collect())
}

/// Whether a group has room for so many more; it must be one that the caller may use.
pub(crate) fn check_room(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ServerGroupId,
    more: u32,
) -> Result<(), Error> {
    let named = |error| match error {
        Error::NotFound(text) => Error::Invalid(text),
        other => other,
    };
    let group = load("show", caller, tx, &id.to_string()).map_err(named)?;
    let limit = quota::of_project(tx, &group.project_id)?.server_group_members;
    let used = members(tx, id)?.len() as i64;
    if limit >= 0 && used + i64::from(more) > limit {
        let text =
            format!("Quota exceeded, too many servers in group (limit {limit}, used {used}, asked {more})");
        return Err(Error::Forbidden(text));
    }
    Ok(())
}

/// Narrows a request by the group's policy. A group that is gone means nothing.
pub(crate) fn constrain(
    tx: &mut Tx<'_>,
    id: ServerGroupId,
    hosts: &BTreeSet<HostId>,
    request: &mut Request,
) -> Result<(), Error> {
    if let Some(group) = GROUPS.load(tx, id)? {
        group.policy.constrain(hosts, request);
    }
    Ok(())
}
