//! Giving and taking roles, and listing who has which.

use std::collections::{BTreeMap, BTreeSet};

use policy::{Caller, Target as Asked};
use store::{Select, Tx};
use types::{DomainId, ProjectId, RoleId, UserId};

use super::model::{Actor, Assignment, AssignmentFilter, Grant, Target};
use super::store::{ASSIGNMENTS, assignment_key, of_user};
use crate::Error;
use crate::domain::ops::scoped_to;
use crate::domain::store::DOMAINS;
use crate::group::store::{GROUPS, MEMBERSHIPS};
use crate::policy::RULES;
use crate::project::ops::subtree;
use crate::project::store::PROJECTS;
use crate::role::model::{Implication, Role};
use crate::role::ops::existing;
use crate::role::store::{ROLES, implications};
use crate::token::ops::changed;
use crate::user::store::USERS;

/// The roles that a domain's manager may give and take; more would let a manager become an administrator.
const FOR_MANAGERS: [&str; 3] = ["manager", "member", "reader"];

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

/// Checks the rule and that actor and target are there. Neither may be in a domain that the caller does not manage.
fn check(caller: &Caller, tx: &mut Tx<'_>, act: Act, actor: &Actor, target: &Target) -> Result<(), Error> {
    let actor_domain = domain_of_actor(tx, actor)?;
    let target_domain = match target {
        Target::Project(id) => PROJECTS.load(tx, id)?.map(|project| project.domain_id.clone()),
        Target::Domain(id) => DOMAINS.load(tx, id)?.map(|domain| domain.id.clone()),
        Target::System => None,
    };
    let shared = target_domain.as_ref().filter(|domain| actor_domain.as_ref() == Some(*domain));
    let asked = Asked { domain_id: shared, ..Asked::default() };
    RULES.check(&rule(act, actor, target), caller, &asked)?;
    if actor_domain.is_none() {
        return Err(Error::not_found(actor.kind(), actor.id()));
    }
    match target {
        Target::Project(id) if target_domain.is_none() => Err(Error::not_found("project", id)),
        Target::Domain(id) if target_domain.is_none() => Err(Error::not_found("domain", id)),
        Target::Project(_) | Target::Domain(_) | Target::System => Ok(()),
    }
}

fn domain_of_actor(tx: &mut Tx<'_>, actor: &Actor) -> Result<Option<DomainId>, store::Error> {
    Ok(match actor {
        Actor::User(id) => USERS.load(tx, id)?.map(|user| user.domain_id.clone()),
        Actor::Group(id) => GROUPS.load(tx, id)?.map(|group| group.domain_id.clone()),
    })
}

fn refuse_role(caller: &Caller, tx: &mut Tx<'_>, role: &Role, target: &Target) -> Result<(), Error> {
    let for_managers = role.domain_id.is_none() && FOR_MANAGERS.contains(&role.name.as_str());
    if !caller.is_admin() && !for_managers {
        return Err(Error::Denied("identity:domain_managed_target_role".to_owned()));
    }
    let Some(domain) = &role.domain_id else { return Ok(()) };
    let inside = match target {
        Target::Project(id) => PROJECTS.load(tx, id)?.is_some_and(|project| project.domain_id == *domain),
        Target::Domain(id) => id == domain,
        Target::System => false,
    };
    if inside {
        return Ok(());
    }
    let message =
        format!("Project {} must be in the same domain as the role {} being assigned.", target.id(), role.id);
    Err(Error::Forbidden(message))
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, assignment: Assignment) -> Result<(), Error> {
    check(caller, tx, Act::Create, &assignment.actor, &assignment.target)?;
    let role = existing(tx, assignment.role_id.as_str())?;
    refuse_role(caller, tx, &role, &assignment.target)?;
    if ASSIGNMENTS.load(tx, assignment_key(&assignment))?.is_none() {
        ASSIGNMENTS.insert(tx, assignment)?;
        changed(tx);
    }
    Ok(())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, assignment: &Assignment) -> Result<(), Error> {
    check(caller, tx, Act::Check, &assignment.actor, &assignment.target)?;
    existing(tx, assignment.role_id.as_str())?;
    match ASSIGNMENTS.load(tx, assignment_key(assignment))? {
        Some(_) => Ok(()),
        None => Err(absent(assignment)),
    }
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, assignment: &Assignment) -> Result<(), Error> {
    check(caller, tx, Act::Revoke, &assignment.actor, &assignment.target)?;
    let role = existing(tx, assignment.role_id.as_str())?;
    refuse_role(caller, tx, &role, &assignment.target)?;
    let found = ASSIGNMENTS.load(tx, assignment_key(assignment))?;
    ASSIGNMENTS.remove(tx, &found.ok_or_else(|| absent(assignment))?)?;
    changed(tx);
    Ok(())
}

fn absent(assignment: &Assignment) -> Error {
    let (actor, target) = (assignment.actor.id(), assignment.target.id());
    Error::Absent(format!(
        "Could not find role assignment with role: {}, user or group: {actor}, project, domain, or system: {target}.",
        assignment.role_id
    ))
}

/// The roles given to an actor somewhere.
pub(crate) fn list_roles(
    caller: &Caller,
    tx: &mut Tx<'_>,
    actor: &Actor,
    target: &Target,
) -> Result<Vec<Role>, Error> {
    check(caller, tx, Act::List, actor, target)?;
    let select = Select::all()
        .eq("actor_kind", actor.kind())
        .eq("actor_id", actor.id())
        .eq("target_kind", target.kind())
        .eq("target_id", target.id());
    let found = ASSIGNMENTS.query(tx, &select)?;
    found.iter().map(|assignment| existing(tx, assignment.role_id.as_str())).collect()
}

/// Every assignment that the filter lets through, sorted.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, filter: &AssignmentFilter) -> Result<Vec<Grant>, Error> {
    let tree = filter.subtree;
    let rule = if tree { "list_role_assignments_for_tree" } else { "list_role_assignments" };
    let mut domain_id = scoped_to(caller).cloned();
    if let (true, Some(id)) = (tree, &filter.project_id) {
        let project = PROJECTS.load(tx, id)?;
        domain_id = project.map(|project| project.domain_id.clone());
    }
    let asked = Asked { domain_id: domain_id.as_ref(), ..Asked::default() };
    RULES.check(&format!("identity:{rule}"), caller, &asked)?;
    let mut grants = in_targets(tx, filter)?;
    if filter.effective {
        grants = in_force(tx, grants)?;
    }
    grants.retain(|grant| passes(filter, &grant.assignment));
    if let Some(own) = scoped_to(caller) {
        grants = in_domain(tx, grants, own)?;
    }
    grants.sort();
    grants.dedup();
    Ok(grants)
}

/// What was assigned where the filter looks, and to whom it looks for as far as SQL can tell.
fn in_targets(tx: &mut Tx<'_>, filter: &AssignmentFilter) -> Result<Vec<Grant>, Error> {
    let found: Vec<Assignment> = match &filter.user_id {
        Some(user) if filter.effective => of_user(tx, user)?,
        Some(user) => of_actor(tx, &Actor::User(user.clone()))?,
        None => {
            let mut select = Select::all();
            if let Some(group) = &filter.group_id {
                select = select.eq("actor_id", group);
            }
            ASSIGNMENTS.query(tx, &select)?.into_iter().map(|a| a.into_inner()).collect()
        }
    };
    let mut targets: BTreeSet<Target> = BTreeSet::new();
    if let Some(project) = &filter.project_id {
        targets.insert(Target::Project(project.clone()));
        if filter.subtree {
            targets.extend(subtree(tx, project)?.into_iter().map(Target::Project));
        }
    }
    targets.extend(filter.domain_id.iter().cloned().map(Target::Domain));
    if filter.system {
        targets.insert(Target::System);
    }
    let wanted = found.into_iter().filter(|a| targets.is_empty() || targets.contains(&a.target));
    Ok(wanted.map(|assignment| Grant { assignment, group_id: None, prior_role_id: None }).collect())
}

fn of_actor(tx: &mut Tx<'_>, actor: &Actor) -> Result<Vec<Assignment>, Error> {
    let select = Select::all().eq("actor_kind", actor.kind()).eq("actor_id", actor.id());
    Ok(ASSIGNMENTS.query(tx, &select)?.into_iter().map(|a| a.into_inner()).collect())
}

/// Groups become their users; roles become themselves and all that they imply.
fn in_force(tx: &mut Tx<'_>, grants: Vec<Grant>) -> Result<Vec<Grant>, Error> {
    let mut by_user = Vec::new();
    for grant in grants {
        let Actor::Group(group) = grant.assignment.actor.clone() else {
            by_user.push(grant);
            continue;
        };
        for membership in MEMBERSHIPS.query(tx, &Select::all().eq("group_id", &group))? {
            let actor = Actor::User(membership.user_id.clone());
            let assignment = Assignment { actor, ..grant.assignment.clone() };
            by_user.push(Grant { assignment, group_id: Some(group.clone()), prior_role_id: None });
        }
    }
    let implications = implications(tx)?;
    let of_domains: BTreeSet<RoleId> = ROLES
        .query(tx, &Select::all())?
        .into_iter()
        .filter(|role| role.domain_id.is_some())
        .map(|role| role.into_inner().id)
        .collect();
    let mut all: Vec<Grant> = by_user.iter().flat_map(|grant| with_implied(grant, &implications)).collect();
    // A domain's own role is in force by what it implies alone.
    all.retain(|grant| !of_domains.contains(&grant.assignment.role_id));
    Ok(all)
}

/// The grant, and one for each role that follows, naming the role it follows from.
fn with_implied(grant: &Grant, implications: &[Implication]) -> Vec<Grant> {
    let mut all = vec![grant.clone()];
    let mut seen = BTreeSet::from([grant.assignment.role_id.clone()]);
    let mut at = 0;
    while at < all.len() {
        let prior = all[at].assignment.role_id.clone();
        for implication in implications.iter().filter(|implication| implication.prior == prior) {
            if seen.insert(implication.implied.clone()) {
                let assignment =
                    Assignment { role_id: implication.implied.clone(), ..grant.assignment.clone() };
                all.push(Grant { assignment, prior_role_id: Some(prior.clone()), ..grant.clone() });
            }
        }
        at += 1;
    }
    all
}

fn passes(filter: &AssignmentFilter, assignment: &Assignment) -> bool {
    let user = |id: &UserId| assignment.actor == Actor::User(id.clone());
    filter.role_id.as_ref().is_none_or(|role| *role == assignment.role_id)
        && filter.user_id.as_ref().is_none_or(user)
        && filter.group_id.as_ref().is_none_or(|id| assignment.actor == Actor::Group(id.clone()))
}

/// What concerns one domain: the domain itself and the projects in it.
fn in_domain(tx: &mut Tx<'_>, grants: Vec<Grant>, own: &DomainId) -> Result<Vec<Grant>, Error> {
    let found = PROJECTS.query(tx, &Select::all().eq("domain_id", own))?;
    let projects: BTreeSet<ProjectId> = found.into_iter().map(|project| project.into_inner().id).collect();
    let inside = |grant: &Grant| match &grant.assignment.target {
        Target::Project(id) => projects.contains(id),
        Target::Domain(id) => id == own,
        Target::System => false,
    };
    Ok(grants.into_iter().filter(inside).collect())
}

/// A name and, but for a domain, the domain that it is unique in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) domain: Option<(DomainId, String)>,
}

/// The names of everything that some grants mention, by kind and id.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<(&'static str, String), Name>);

impl Names {
    /// The name of one object.
    pub(crate) fn name_of(&self, kind: &'static str, id: &str) -> Option<&Name> {
        self.0.get(&(kind, id.to_owned()))
    }
}

/// Looks up the names of everything that the grants mention.
pub(crate) fn names(tx: &mut Tx<'_>, grants: &[Grant]) -> Result<Names, Error> {
    let mut names = Names::default();
    for Grant { assignment, .. } in grants {
        let (actor, target) = (&assignment.actor, &assignment.target);
        add_name(tx, &mut names, "role", assignment.role_id.as_str())?;
        add_name(tx, &mut names, actor.kind(), actor.id())?;
        add_name(tx, &mut names, target.kind(), target.id())?;
    }
    Ok(names)
}

fn add_name(tx: &mut Tx<'_>, names: &mut Names, kind: &'static str, id: &str) -> Result<(), Error> {
    if names.name_of(kind, id).is_some() {
        return Ok(());
    }
    let found = match kind {
        "user" => USERS.load(tx, id)?.map(|u| (u.name.clone(), Some(u.domain_id.clone()))),
        "group" => GROUPS.load(tx, id)?.map(|g| (g.name.clone(), Some(g.domain_id.clone()))),
        "project" => PROJECTS.load(tx, id)?.map(|p| (p.name.clone(), Some(p.domain_id.clone()))),
        "role" => ROLES.load(tx, id)?.map(|r| (r.name.clone(), r.domain_id.clone())),
        "domain" => DOMAINS.load(tx, id)?.map(|d| (d.name.clone(), None)),
        _ => None,
    };
    let Some((name, domain_id)) = found else { return Ok(()) };
    let domain = match domain_id {
        None => None,
        Some(id) => {
            let domain = DOMAINS.load(tx, &id)?.map(|domain| domain.name.clone());
            Some((id, domain.unwrap_or_default()))
        }
    };
    names.0.insert((kind, id.to_owned()), Name { name, domain });
    Ok(())
}
