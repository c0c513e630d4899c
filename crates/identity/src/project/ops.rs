//! What can be done with projects.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};
use types::{DomainId, ProjectId, UserId};

use super::model::{Project, ProjectChange, ProjectDraft, ProjectFilter};
use super::store::PROJECTS;
use crate::Error;
use crate::assignment::model::Target as AssignedIn;
use crate::assignment::store::remove_in;
use crate::credential::store::CREDENTIALS;
use crate::domain::ops::{domain_for, refuse_missing, refuse_move, scoped_to};
use crate::ids::fresh;
use crate::policy::RULES;
use crate::revocation;
use crate::token::ops::{changed, projects_of};
use crate::trust;
use crate::trust::store::TRUSTS;
use crate::user::store::USERS;

/// How deep projects nest, as Keystone's default; the domain counts as the first level.
const DEPTH_MAX: usize = 5;
/// How many tags a project has at most.
const TAGS_MAX: usize = 80;

/// The project of this id, for another service that was named one. It asks for no right: whoever calls has checked.
pub fn known(tx: &mut Tx<'_>, id: &ProjectId) -> Result<Option<Project>, store::Error> {
    Ok(PROJECTS.load(tx, id)?.map(|project| project.into_inner()))
}

pub(crate) fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<Project>, Error> {
    let found = PROJECTS.load(tx, id)?;
    let target = found.as_ref().map_or(Target::default(), |project| Target {
        project_id: Some(&project.id),
        domain_id: Some(&project.domain_id),
        user_id: None,
    });
    RULES.check(rule, caller, &target)?;
    found.ok_or_else(|| Error::not_found("project", id))
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: ProjectDraft) -> Result<Project, Error> {
    // A parent that is a project decides the domain; a domain may be named as the parent too.
    let parent = match &draft.parent_id {
        Some(id) => PROJECTS.load(tx, id)?,
        None => None,
    };
    let named = draft.domain_id.or_else(|| match (&parent, &draft.parent_id) {
        (Some(parent), _) => Some(parent.domain_id.clone()),
        (None, Some(id)) => Some(DomainId(id.clone())),
        (None, None) => None,
    });
    let domain_id = domain_for(caller, named);
    RULES.check("identity:create_project", caller, &Target::domain(&domain_id))?;
    // Keystone answers 400 where what surrounds the new project is not there.
    refuse_missing(tx, &domain_id).map_err(|error| match error {
        Error::NotFound { .. } => Error::Invalid(error.to_string()),
        other => other,
    })?;
    if let (None, Some(id)) = (&parent, &draft.parent_id)
        && id != domain_id.as_str()
    {
        return Err(Error::Invalid(Error::not_found("project", id).to_string()));
    }
    if let Some(parent) = &parent {
        refuse_parent(tx, parent, &domain_id)?;
    }
    refuse_name(tx, &domain_id, &draft.name, None)?;
    let project = Project {
        id: ProjectId(fresh()),
        domain_id,
        parent_id: parent.map(|parent| parent.into_inner().id),
        name: draft.name,
        description: draft.description,
        enabled: draft.enabled,
        tags: tidy_tags(draft.tags)?,
        extra: draft.extra,
    };
    Ok(PROJECTS.insert(tx, project)?.into_inner())
}

fn refuse_parent(tx: &mut Tx<'_>, parent: &Project, domain_id: &DomainId) -> Result<(), Error> {
    if parent.domain_id != *domain_id {
        let message = format!(
            "Cannot create project, since it specifies its domain_id {domain_id}, but specifies a parent in a different domain ({}).",
            parent.domain_id
        );
        return Err(Error::Invalid(message));
    }
    if !parent.enabled {
        let message =
            format!("Cannot create a project in a branch containing a disabled project: {}", parent.id);
        return Err(Error::Forbidden(message));
    }
    if ancestors(tx, parent)?.len() + 3 > DEPTH_MAX {
        return Err(Error::Forbidden(format!("Max hierarchy depth reached for {} branch.", parent.id)));
    }
    Ok(())
}

/// The projects above this one, the nearest first.
pub(crate) fn ancestors(tx: &mut Tx<'_>, project: &Project) -> Result<Vec<Project>, store::Error> {
    let mut above = Vec::new();
    let mut next = project.parent_id.clone();
    while let Some(id) = next {
        let Some(parent) = PROJECTS.load(tx, &id)? else { break };
        next = parent.parent_id.clone();
        above.push(parent.into_inner());
    }
    Ok(above)
}

/// The ids of the projects below this one, at any depth.
pub(crate) fn subtree(tx: &mut Tx<'_>, id: &ProjectId) -> Result<Vec<ProjectId>, store::Error> {
    let mut all = Vec::new();
    let mut level = vec![id.clone()];
    while !level.is_empty() {
        let below = PROJECTS.query(tx, &Select::all().is_in("parent_id", &level))?;
        level = below.into_iter().map(|project| project.into_inner().id).collect();
        all.extend(level.iter().cloned());
    }
    Ok(all)
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Project, Error> {
    Ok(find(caller, tx, "identity:get_project", id)?.into_inner())
}

pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, filter: &ProjectFilter) -> Result<Vec<Project>, Error> {
    let own = scoped_to(caller);
    RULES.check("identity:list_projects", caller, &Target { domain_id: own, ..Target::default() })?;
    let mut select = Select::all().order("id", Direction::Asc);
    for domain in own.into_iter().chain(&filter.domain_id) {
        select = select.eq("domain_id", domain);
    }
    if let Some(name) = &filter.name {
        select = select.eq("name", name);
    }
    if let Some(enabled) = filter.enabled {
        select = select.eq("enabled", enabled);
    }
    let found = PROJECTS.query(tx, &select)?.into_iter().map(|project| project.into_inner());
    Ok(found.filter(|project| is_below(project, filter) && filter.tags.allows(&project.tags)).collect())
}

fn is_below(project: &Project, filter: &ProjectFilter) -> bool {
    let parent = project.parent_id.as_ref().map_or(project.domain_id.as_str(), |id| id.as_str());
    filter.parent_id.as_ref().is_none_or(|wanted| wanted == parent)
}

/// The projects in which a user has a role.
pub(crate) fn list_of_user(
    caller: &Caller,
    tx: &mut Tx<'_>,
    user_id: &str,
    filter: &ProjectFilter,
) -> Result<Vec<Project>, Error> {
    let user = USERS.load(tx, user_id)?;
    let target = user.as_ref().map_or(Target::default(), |user| Target {
        user_id: Some(&user.id),
        domain_id: Some(&user.domain_id),
        project_id: None,
    });
    RULES.check("identity:list_user_projects", caller, &target)?;
    if user.is_none() {
        return Err(Error::not_found("user", user_id));
    }
    let all = projects_of(tx, &UserId::from(user_id))?.into_iter();
    let wanted = |project: &Project| {
        filter.name.as_ref().is_none_or(|name| *name == project.name)
            && filter.domain_id.as_ref().is_none_or(|domain| *domain == project.domain_id)
            && filter.enabled.is_none_or(|enabled| enabled == project.enabled)
    };
    Ok(all.filter(wanted).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: ProjectChange,
) -> Result<Project, Error> {
    let mut project = find(caller, tx, "identity:update_project", id)?;
    refuse_move(&project.domain_id, change.domain_id.as_ref())?;
    let parent = project.parent_id.as_ref().map_or(project.domain_id.as_str(), |id| id.as_str());
    if change.parent_id.is_some_and(|asked| asked != parent) {
        return Err(Error::Forbidden("Update of `parent_id` is not allowed.".to_owned()));
    }
    if let Some(name) = change.name {
        refuse_name(tx, &project.domain_id, &name, Some(&project.id))?;
        project.name = name;
    }
    if let Some(description) = change.description {
        project.description = description;
    }
    if let Some(enabled) = change.enabled {
        refuse_switch(tx, &project, enabled)?;
        project.enabled = enabled;
    }
    if let Some(tags) = change.tags {
        project.tags = tidy_tags(tags)?;
    }
    project.extra.extend(change.extra);
    PROJECTS.save(tx, &mut project)?;
    changed(tx);
    Ok(project.into_inner())
}

/// An enabled project has no disabled one above it.
fn refuse_switch(tx: &mut Tx<'_>, project: &Project, enabled: bool) -> Result<(), Error> {
    let id = &project.id;
    if enabled && !project.enabled && ancestors(tx, project)?.iter().any(|above| !above.enabled) {
        let message = format!("Cannot enable project {id} since it has disabled parents");
        return Err(Error::Forbidden(message));
    }
    if !enabled && project.enabled {
        let below = subtree(tx, id)?;
        if PROJECTS.count(tx, &Select::all().is_in("id", &below).eq("enabled", true))? > 0 {
            let message = format!("Cannot disable project {id} since its subtree contains enabled projects.");
            return Err(Error::Forbidden(message));
        }
    }
    Ok(())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let project = find(caller, tx, "identity:delete_project", id)?;
    if PROJECTS.count(tx, &Select::all().eq("parent_id", &project.id))? > 0 {
        let message = format!(
            "Cannot delete the project {id} since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree."
        );
        return Err(Error::Forbidden(message));
    }
    remove(tx, &project)
}

/// Removes a project and what cannot be without it.
pub(crate) fn remove(tx: &mut Tx<'_>, project: &Stored<Project>) -> Result<(), Error> {
    remove_in(tx, &AssignedIn::Project(project.id.clone()))?;
    crate::endpoint_filter::ops::forget_project(tx, &project.id)?;
    crate::limit::ops::forget_project(tx, &project.id)?;
    let inside = Select::all().eq("project_id", &project.id);
    for credential in CREDENTIALS.query(tx, &inside)? {
        CREDENTIALS.remove(tx, &credential)?;
    }
    while let Some(trust) = TRUSTS.first(tx, &inside)? {
        trust::ops::remove(tx, &trust)?;
    }
    PROJECTS.remove(tx, project)?;
    revocation::ops::create_for_project(tx, &project.id)?;
    changed(tx);
    Ok(())
}

/// Replaces the tags of a project by what `change` makes of them.
pub(crate) fn update_tags(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (rule, id): (&str, &str),
    change: impl FnOnce(Vec<String>) -> Result<Vec<String>, Error>,
) -> Result<Vec<String>, Error> {
    let mut project = find(caller, tx, rule, id)?;
    project.tags = tidy_tags(change(std::mem::take(&mut project.tags))?)?;
    PROJECTS.save(tx, &mut project)?;
    Ok(project.into_inner().tags)
}

/// Sorted, each once, and each one that can stand in a URL and in a comma-separated list.
fn tidy_tags(mut tags: Vec<String>) -> Result<Vec<String>, Error> {
    let bad =
        |tag: &&String| tag.is_empty() || tag.chars().count() > 255 || tag.contains('/') || tag.contains(',');
    if let Some(tag) = tags.iter().find(bad) {
        return Err(Error::Invalid(format!("Invalid input for field/attribute tags. Value: {tag}.")));
    }
    tags.sort();
    tags.dedup();
    if tags.len() > TAGS_MAX {
        return Err(Error::Invalid(format!("A project has at most {TAGS_MAX} tags.")));
    }
    Ok(tags)
}

fn refuse_name(
    tx: &mut Tx<'_>,
    domain_id: &DomainId,
    name: &str,
    own: Option<&ProjectId>,
) -> Result<(), Error> {
    match PROJECTS.first(tx, &Select::all().eq("domain_id", domain_id).eq("name", name))? {
        Some(known) if Some(&known.id) != own => {
            let detail = format!(
                "it is not permitted to have two projects with either the same name or same id in the same domain: name is {name}, project id {}",
                known.id
            );
            Err(Error::Conflict { kind: "project", detail })
        }
        _ => Ok(()),
    }
}
