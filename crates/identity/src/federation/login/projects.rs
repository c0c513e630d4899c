//! The projects that a mapping gives to whoever logs in: made where they are missing, with the user's roles in them.

use std::collections::BTreeSet;

use store::{Select, Tx};
use types::{DomainId, ProjectId, RoleId, UserId};

use super::ops::domain_named;
use crate::Error;
use crate::assignment::model::{Actor, Assignment, Target};
use crate::assignment::store::{ASSIGNMENTS, assignment_key, of_actor};
use crate::federation::mapping::model::{MappedProject, Version};
use crate::ids::key_of;
use crate::project::model::Project;
use crate::project::store::PROJECTS;
use crate::role::store::ROLES;
use crate::token::ops::changed;

/// The longest name of a project.
const NAME_MAX: usize = 64;

/// Refuses projects with roles that are not there, before anything is made.
pub(super) fn refuse(tx: &mut Tx<'_>, projects: &[MappedProject], domain: &DomainId) -> Result<(), Error> {
    for project in projects {
        if project.name.trim().is_empty() || project.name.chars().count() > NAME_MAX {
            let message = format!("The name of a project has 1 to {NAME_MAX} characters: {}", project.name);
            return Err(Error::LoginRefused(message));
        }
        for role in &project.roles {
            role_named(tx, role, domain)?;
        }
    }
    Ok(())
}

/// A role by name: one of all domains, else one of the user's.
fn role_named(tx: &mut Tx<'_>, name: &str, domain: &DomainId) -> Result<RoleId, Error> {
    for domain_id in ["", domain.as_str()] {
        let select = Select::all().eq("domain_id", domain_id).eq("name_hash", key_of(&[name]));
        if let Some(role) = ROLES.first(tx, &select)? {
            return Ok(role.into_inner().id);
        }
    }
    Err(Error::not_found("role", name))
}

/// Makes the projects that are missing and gives the roles. From version 3.0 on the user keeps no other role in any
/// project.
pub(super) fn ensure(
    tx: &mut Tx<'_>,
    (user, domain): (&UserId, &DomainId),
    projects: &[MappedProject],
    version: Version,
) -> Result<(), Error> {
    let actor = Actor::User(user.clone());
    let mut wanted = BTreeSet::new();
    for project in projects {
        let target = Target::Project(ensure_project(tx, project, domain)?);
        for role in &project.roles {
            let (actor, target) = (actor.clone(), target.clone());
            let role_id = role_named(tx, role, domain)?;
            wanted.insert(Assignment { actor, target, role_id, inherited: false });
        }
    }
    let mut differs = false;
    for assignment in of_actor(tx, &actor)? {
        let in_project = matches!(assignment.target, Target::Project(_));
        if !wanted.remove(&assignment) && version >= Version::V3 && in_project {
            let row = ASSIGNMENTS.load(tx, assignment_key(&assignment))?;
            row.iter().try_for_each(|row| ASSIGNMENTS.remove(tx, row))?;
            differs = true;
        }
    }
    differs |= !wanted.is_empty();
    for assignment in wanted {
        ASSIGNMENTS.insert(tx, assignment)?;
    }
    if differs {
        changed(tx);
    }
    Ok(())
}

fn ensure_project(tx: &mut Tx<'_>, wanted: &MappedProject, domain: &DomainId) -> Result<ProjectId, Error> {
    let domain_id = match &wanted.domain {
        None => domain.clone(),
        Some(named) => domain_named(tx, named)?.ok_or(Error::Unauthorized)?,
    };
    let select = Select::all().eq("domain_id", &domain_id).eq("name", wanted.name.as_str());
    if let Some(known) = PROJECTS.first(tx, &select)? {
        return Ok(known.into_inner().id);
    }
    let project = Project::new(domain_id, &wanted.name, None);
    Ok(PROJECTS.insert(tx, project)?.into_inner().id)
}
