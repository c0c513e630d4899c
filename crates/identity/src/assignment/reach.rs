//! Where assignments are in force: those made for a target itself there, inherited ones in the projects below.

use std::collections::BTreeSet;

use store::{Error, Select, Tx};
use types::{RoleId, UserId};

use super::model::{Assignment, Target};
use super::store::of_user;
use crate::project::store::PROJECTS;
use crate::project::tree::{ancestors, subtree};

/// From where `target` inherits: the projects above it and its domain.
fn above(tx: &mut Tx<'_>, target: &Target) -> Result<Vec<Target>, Error> {
    let Target::Project(id) = target else { return Ok(Vec::new()) };
    let Some(project) = PROJECTS.load(tx, id)? else { return Ok(Vec::new()) };
    let mut above = vec![Target::Domain(project.domain_id.clone())];
    above.extend(ancestors(tx, &project)?.into_iter().map(|project| Target::Project(project.id)));
    Ok(above)
}

/// The projects that inherit from `target`.
pub(crate) fn below(tx: &mut Tx<'_>, target: &Target) -> Result<Vec<Target>, Error> {
    let ids = match target {
        Target::Project(id) => subtree(tx, id)?,
        Target::Domain(id) => {
            let found = PROJECTS.query(tx, &Select::all().eq("domain_id", id))?;
            found.into_iter().map(|project| project.into_inner().id).collect()
        }
        Target::System => Vec::new(),
    };
    Ok(ids.into_iter().map(Target::Project).collect())
}

/// Where an assignment is in force.
pub(crate) fn reached(tx: &mut Tx<'_>, assignment: &Assignment) -> Result<Vec<Target>, Error> {
    if assignment.inherited { below(tx, &assignment.target) } else { Ok(vec![assignment.target.clone()]) }
}

/// The roles that a user has somewhere: alone or by a group, assigned there or inherited; without what follows from them.
pub(crate) fn roles_of(tx: &mut Tx<'_>, user: &UserId, target: &Target) -> Result<BTreeSet<RoleId>, Error> {
    let held = of_user(tx, user)?;
    roles_in(tx, held, target)
}

/// The roles that some assignments give somewhere.
pub(crate) fn roles_in(
    tx: &mut Tx<'_>,
    held: Vec<Assignment>,
    target: &Target,
) -> Result<BTreeSet<RoleId>, Error> {
    let above = if held.iter().any(|a| a.inherited) { above(tx, target)? } else { Vec::new() };
    let here = |a: &Assignment| if a.inherited { above.contains(&a.target) } else { a.target == *target };
    Ok(held.into_iter().filter(here).map(|a| a.role_id).collect())
}

/// Everywhere that a user has a role.
pub(crate) fn targets_of(tx: &mut Tx<'_>, user: &UserId) -> Result<BTreeSet<Target>, Error> {
    let held = of_user(tx, user)?;
    targets_in(tx, held)
}

/// Everywhere that some assignments give a role.
pub(crate) fn targets_in(tx: &mut Tx<'_>, held: Vec<Assignment>) -> Result<BTreeSet<Target>, Error> {
    let mut targets = BTreeSet::new();
    for assignment in held {
        targets.extend(reached(tx, &assignment)?);
    }
    Ok(targets)
}
