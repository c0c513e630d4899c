//! Which project is above and below which.

use policy::Caller;
use store::{Select, Tx};
use types::{DomainId, ProjectId};

use super::model::Project;
use super::store::PROJECTS;
use crate::Error;
use crate::assignment::model::Target as AssignedIn;
use crate::assignment::reach::targets_of;
use crate::domain::store::DOMAINS;

/// How deep projects nest, as Keystone's default; the domain counts as the first level.
const DEPTH_MAX: usize = 5;

/// The projects above this one, the nearest first. The domain is not among them.
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

/// The projects above this one and the domain, the nearest first.
pub(crate) fn parents(tx: &mut Tx<'_>, project: &Project) -> Result<Vec<Project>, Error> {
    let mut above = ancestors(tx, project)?;
    if !project.is_domain
        && let Some(domain) = DOMAINS.load(tx, &project.domain_id)?
    {
        above.push(Project::from(domain.into_inner()));
    }
    Ok(above)
}

/// The projects below this one, at any depth, the nearest first.
pub(crate) fn descendants(tx: &mut Tx<'_>, project: &Project) -> Result<Vec<Project>, store::Error> {
    if project.is_domain {
        let found = PROJECTS.query(tx, &Select::all().eq("domain_id", &project.domain_id))?;
        return Ok(found.into_iter().map(|project| project.into_inner()).collect());
    }
    let mut all = Vec::new();
    let mut level = vec![project.id.clone()];
    while !level.is_empty() {
        let below = PROJECTS.query(tx, &Select::all().is_in("parent_id", &level))?;
        level = below.iter().map(|project| project.id.clone()).collect();
        all.extend(below.into_iter().map(|project| project.into_inner()));
    }
    Ok(all)
}

/// The ids of the projects below the one of this id.
pub(crate) fn subtree(tx: &mut Tx<'_>, id: &ProjectId) -> Result<Vec<ProjectId>, store::Error> {
    let Some(project) = PROJECTS.load(tx, id)? else { return Ok(Vec::new()) };
    Ok(descendants(tx, &project)?.into_iter().map(|project| project.id).collect())
}

/// Those of the projects in which the caller's user has a role.
pub(crate) fn own(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut projects: Vec<Project>,
) -> Result<Vec<Project>, Error> {
    let targets = targets_of(tx, &caller.user_id)?;
    projects.retain(|project| targets.contains(&AssignedIn::Project(project.id.clone())));
    Ok(projects)
}

/// Refuses a place for a new project below one of another domain, one that is disabled, or too many.
pub(crate) fn refuse_parent(tx: &mut Tx<'_>, parent: &Project, domain_id: &DomainId) -> Result<(), Error> {
    if parent.domain_id != *domain_id {
        let message = match parent.is_domain {
            true => format!(
                "Cannot create project, the parent ({}) is acting as a domain, but this project's domain id ({domain_id}) does not match the parent's id.",
                parent.id
            ),
            false => format!(
                "Cannot create project, since it specifies its domain_id {domain_id}, but specifies a parent in a different domain ({}).",
                parent.domain_id
            ),
        };
        return Err(Error::Invalid(message));
    }
    let mut above = parents(tx, parent)?;
    above.push(parent.clone());
    if let Some(disabled) = above.iter().find(|project| !project.enabled) {
        let message =
            format!("cannot create a project in a branch containing a disabled project: {}", disabled.id);
        return Err(Error::Invalid(message));
    }
    if above.len() + 1 > DEPTH_MAX + 1 {
        return Err(Error::Forbidden(format!("Max hierarchy depth reached for {} branch.", parent.id)));
    }
    Ok(())
}

/// An enabled project has no disabled one above it.
pub(crate) fn refuse_switch(tx: &mut Tx<'_>, project: &Project, enabled: bool) -> Result<(), Error> {
    let id = &project.id;
    if enabled && !project.enabled && parents(tx, project)?.iter().any(|above| !above.enabled) {
        let message = format!("Cannot enable project {id} since it has disabled parents");
        return Err(Error::Forbidden(message));
    }
    if !enabled && project.enabled && descendants(tx, project)?.iter().any(|below| below.enabled) {
        let message = format!("Cannot disable project {id} since its subtree contains enabled projects.");
        return Err(Error::Forbidden(message));
    }
    Ok(())
}
