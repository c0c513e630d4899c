//! Giving and taking roles.

use policy::{Caller, Named, Value};
use store::{Select, Tx};
use types::DomainId;

use super::model::{Actor, Assignment, Target};
use super::store::{ASSIGNMENTS, assignment_key, of_actor};
use crate::Error;
use crate::application_credential;
use crate::domain::store::DOMAINS;
use crate::group::store::{GROUPS, MEMBERSHIPS};
use crate::policy::RULES;
use crate::project::ops::load as load_project;
use crate::role::model::Role;
use crate::role::ops::existing;
use crate::token::ops::changed;
use crate::user::store::USERS;

/// What is done with an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Give a role.
    Create,
    /// Ask whether it was given.
    Check,
    /// Take it.
    Revoke,
    /// List the roles given.
    List,
}

/// The name of the rule: those of the system are other ones.
fn rule(act: Act, actor: &Actor, target: &Target) -> String {
    let verb = match act {
        Act::Create => "create",
        Act::Check => "check",
        Act::Revoke => "revoke",
        Act::List => "list",
    };
    let plural = if act == Act::List { "s" } else { "" };
    match target {
        Target::System => format!("identity:{verb}_system_grant{plural}_for_{}", actor.kind()),
        Target::Project(_) | Target::Domain(_) => format!("identity:{verb}_grant{plural}"),
    }
}

/// Checks the rule, which knows all of them, and that actor and target are there.
fn check(
    caller: &Caller,
    tx: &mut Tx<'_>,
    act: Act,
    (actor, target): (&Actor, &Target),
    role: Option<&Role>,
) -> Result<(), Error> {
    let actor_domain = domain_of_actor(tx, actor)?;
    // A domain that acts as a project is in no domain whose manager could give roles in it.
    let target_domain = match target {
        Target::Project(id) => {
            load_project(tx, id.as_str())?.map(|project| (!project.is_domain).then_some(project.domain_id))
        }
        Target::Domain(id) => DOMAINS.load(tx, id)?.map(|domain| Some(domain.into_inner().id)),
        Target::System => Some(None),
    };
    let mut named = Vec::new();
    if let Some(domain) = &actor_domain {
        let name = match actor {
            Actor::User(_) => "target.user.domain_id",
            Actor::Group(_) => "target.group.domain_id",
        };
        named.push((name, Value::Text(domain.as_str())));
    }
    if let Some(Some(domain)) = &target_domain {
        let project = matches!(target, Target::Project(_));
        let name = if project { "target.project.domain_id" } else { "target.domain.id" };
        named.push((name, Value::Text(domain.as_str())));
    }
    named.extend(role.into_iter().flat_map(Role::attributes));
    RULES.check(&rule(act, actor, target), caller, &Named(&named))?;
    if actor_domain.is_none() {
        return Err(Error::not_found(actor.kind(), actor.id()));
    }
    match target_domain {
        Some(_) => Ok(()),
        None => Err(Error::not_found(target.kind(), target.id())),
    }
}

fn domain_of_actor(tx: &mut Tx<'_>, actor: &Actor) -> Result<Option<DomainId>, store::Error> {
    Ok(match actor {
        Actor::User(id) => USERS.load(tx, id)?.map(|user| user.domain_id.clone()),
        Actor::Group(id) => GROUPS.load(tx, id)?.map(|group| group.domain_id.clone()),
    })
}

fn refuse_role(tx: &mut Tx<'_>, role: &Role, target: &Target) -> Result<(), Error> {
    let Some(domain) = &role.domain_id else { return Ok(()) };
    match target {
        Target::Domain(_) => Ok(()),
        Target::System => Err(Error::Invalid(format!(
            "Role {} is a domain-specific role. Unable to use a domain-specific role in a system assignment.",
            role.id
        ))),
        Target::Project(id) => match load_project(tx, id.as_str())? {
            Some(project) if project.domain_id == *domain && !project.is_domain => Ok(()),
            _ => Err(Error::Forbidden(format!(
                "Project {id} must be in the same domain as the role {} being assigned.",
                role.id
            ))),
        },
    }
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, assignment: Assignment) -> Result<(), Error> {
    let role = existing(tx, assignment.role_id.as_str())?;
    check(caller, tx, Act::Create, (&assignment.actor, &assignment.target), Some(&role))?;
    refuse_role(tx, &role, &assignment.target)?;
    if ASSIGNMENTS.load(tx, assignment_key(&assignment))?.is_none() {
        ASSIGNMENTS.insert(tx, assignment)?;
        changed(tx);
    }
    Ok(())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, assignment: &Assignment) -> Result<(), Error> {
    let role = existing(tx, assignment.role_id.as_str())?;
    check(caller, tx, Act::Check, (&assignment.actor, &assignment.target), Some(&role))?;
    match ASSIGNMENTS.load(tx, assignment_key(assignment))? {
        Some(_) => Ok(()),
        None => Err(absent(assignment)),
    }
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, assignment: &Assignment) -> Result<(), Error> {
    let role = existing(tx, assignment.role_id.as_str())?;
    check(caller, tx, Act::Revoke, (&assignment.actor, &assignment.target), Some(&role))?;
    refuse_role(tx, &role, &assignment.target)?;
    let found = ASSIGNMENTS.load(tx, assignment_key(assignment))?;
    ASSIGNMENTS.remove(tx, &found.ok_or_else(|| absent(assignment))?)?;
    remove_application_credentials(tx, assignment)?;
    changed(tx);
    Ok(())
}

/// Whoever loses a role in a project loses the application credentials for it, which may give that role.
fn remove_application_credentials(tx: &mut Tx<'_>, assignment: &Assignment) -> Result<(), Error> {
    let Target::Project(project) = &assignment.target else { return Ok(()) };
    match &assignment.actor {
        Actor::User(user) => application_credential::ops::remove_of(tx, Some(user), Some(project)),
        Actor::Group(group) => {
            let members = MEMBERSHIPS.query(tx, &Select::all().eq("group_id", group))?;
            members.iter().try_for_each(|member| {
                application_credential::ops::remove_of(tx, Some(&member.user_id), Some(project))
            })
        }
    }
}

fn absent(assignment: &Assignment) -> Error {
    let target = match &assignment.target {
        Target::System => "system",
        target => target.id(),
    };
    Error::Absent(format!(
        "Could not find role assignment with role: {}, user or group: {}, project, domain, or system: {target}.",
        assignment.role_id,
        assignment.actor.id()
    ))
}

/// The roles given to an actor somewhere: for the target itself, or for the projects below.
pub(crate) fn list_roles(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (actor, target): (&Actor, &Target),
    inherited: bool,
) -> Result<Vec<Role>, Error> {
    check(caller, tx, Act::List, (actor, target), None)?;
    let held = of_actor(tx, actor)?;
    let here = held.iter().filter(|a| a.target == *target && a.inherited == inherited);
    here.map(|assignment| existing(tx, assignment.role_id.as_str())).collect()
}
