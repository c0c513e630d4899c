//! `role_assignments`: who has which role where, as it was assigned or as it is in force.

use std::collections::{BTreeMap, BTreeSet};

use policy::{Caller, Target as Asked};
use store::{Select, Tx};
use types::{DomainId, ProjectId, RoleId};

use super::model::{Actor, Assignment, AssignmentFilter, Grant, Target};
use super::reach::reached;
use super::store::{ASSIGNMENTS, of_actor, of_user};
use crate::Error;
use crate::domain::ops::scoped_to;
use crate::domain::store::DOMAINS;
use crate::group::store::{GROUPS, MEMBERSHIPS};
use crate::policy::RULES;
use crate::project::ops::load as load_project;
use crate::project::store::PROJECTS;
use crate::project::tree::subtree;
use crate::role::model::Implication;
use crate::role::store::{ROLES, implications};
use crate::user::store::USERS;

/// Every assignment that the filter lets through, sorted.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, filter: &AssignmentFilter) -> Result<Vec<Grant>, Error> {
    let project = match &filter.project_id {
        Some(id) => load_project(tx, id.as_str())?,
        None => None,
    };
    let own = scoped_to(caller).cloned();
    let (rule, domain_id) = match filter.subtree {
        true => {
            ("identity:list_role_assignments_for_tree", project.as_ref().map(|project| &project.domain_id))
        }
        false => ("identity:list_role_assignments", own.as_ref()),
    };
    RULES.check(rule, caller, &Asked { domain_id, ..Asked::default() })?;
    if let (true, None, Some(id)) = (filter.effective || filter.subtree, &project, &filter.project_id) {
        return Err(Error::not_found("project", id));
    }
    let mut grants = if filter.effective { in_force(tx, filter)? } else { as_made(tx, filter)? };
    grants.retain(|grant| filter.role_id.as_ref().is_none_or(|role| *role == grant.assignment.role_id));
    if let (false, Some(own)) = (filter.subtree, &own) {
        grants = in_domain(tx, grants, own)?;
    }
    grants.sort();
    grants.dedup();
    Ok(grants)
}

/// Where the filter looks; none if it looks everywhere.
fn targets(tx: &mut Tx<'_>, filter: &AssignmentFilter) -> Result<Option<BTreeSet<Target>>, Error> {
    let mut targets: BTreeSet<Target> = filter.domain_id.iter().cloned().map(Target::Domain).collect();
    if let Some(project) = &filter.project_id {
        targets.insert(Target::Project(project.clone()));
        if filter.subtree {
            targets.extend(subtree(tx, project)?.into_iter().map(Target::Project));
        }
    }
    Ok(if targets.is_empty() { None } else { Some(targets) })
}

/// What was assigned, as it was.
fn as_made(tx: &mut Tx<'_>, filter: &AssignmentFilter) -> Result<Vec<Grant>, Error> {
    let found = match (&filter.user_id, &filter.group_id) {
        (Some(user), _) => of_actor(tx, &Actor::User(user.clone()))?,
        (None, Some(group)) => of_actor(tx, &Actor::Group(group.clone()))?,
        (None, None) => all(tx)?,
    };
    let targets = targets(tx, filter)?;
    let wanted = found.into_iter().filter(|a| match (&a.target, &targets) {
        // Those of the system are never inherited, and upstream lists them whatever is asked about that.
        (Target::System, targets) => targets.is_none(),
        _ if filter.system => false,
        (target, targets) => {
            targets.as_ref().is_none_or(|targets| targets.contains(target))
                && filter.inherited.is_none_or(|inherited| inherited == a.inherited)
        }
    });
    let as_grant = |assignment| Grant { assignment, source: None, group_id: None, prior_role_id: None };
    Ok(wanted.map(as_grant).collect())
}

fn all(tx: &mut Tx<'_>) -> Result<Vec<Assignment>, Error> {
    Ok(ASSIGNMENTS.query(tx, &Select::all())?.into_iter().map(|a| a.into_inner()).collect())
}

/// What is in force in projects and domains: inherited assignments in each project that they reach, those of groups for
/// each user, and each with the roles that follow.
fn in_force(tx: &mut Tx<'_>, filter: &AssignmentFilter) -> Result<Vec<Grant>, Error> {
    let found = match &filter.user_id {
        Some(user) if USERS.load(tx, user)?.is_none() => return Err(Error::not_found("user", user)),
        Some(user) => of_user(tx, user)?,
        None => all(tx)?,
    };
    let targets = targets(tx, filter)?;
    let mut grants = Vec::new();
    // Many have roles in the same few domains.
    let mut reach: BTreeMap<(Target, bool), Vec<Target>> = BTreeMap::new();
    for assignment in found {
        let skipped = filter.inherited.is_some_and(|inherited| inherited != assignment.inherited);
        if skipped || assignment.target == Target::System {
            continue;
        }
        let place = (assignment.target.clone(), assignment.inherited);
        if !reach.contains_key(&place) {
            reach.insert(place.clone(), reached(tx, &assignment)?);
        }
        for target in reach.get(&place).into_iter().flatten().cloned() {
            if targets.as_ref().is_none_or(|targets| targets.contains(&target)) {
                let source = assignment.inherited.then(|| assignment.target.clone());
                let assignment = Assignment { target, inherited: false, ..assignment.clone() };
                grants.push(Grant { assignment, source, group_id: None, prior_role_id: None });
            }
        }
    }
    let grants = by_user(tx, grants, filter)?;
    with_implied(tx, &grants)
}

/// Groups become their users, or the one user that the filter names.
fn by_user(tx: &mut Tx<'_>, grants: Vec<Grant>, filter: &AssignmentFilter) -> Result<Vec<Grant>, Error> {
    let mut all = Vec::new();
    for grant in grants {
        let Actor::Group(group) = grant.assignment.actor.clone() else {
            all.push(grant);
            continue;
        };
        let users = match &filter.user_id {
            Some(user) => vec![user.clone()],
            None => {
                let members = MEMBERSHIPS.query(tx, &Select::all().eq("group_id", &group))?;
                members.into_iter().map(|membership| membership.into_inner().user_id).collect()
            }
        };
        for user in users {
            let assignment = Assignment { actor: Actor::User(user), ..grant.assignment.clone() };
            all.push(Grant { assignment, group_id: Some(group.clone()), ..grant.clone() });
        }
    }
    Ok(all)
}

/// The grants and what follows from them; a domain's own role is in force by what it implies alone.
fn with_implied(tx: &mut Tx<'_>, grants: &[Grant]) -> Result<Vec<Grant>, Error> {
    let implications = implications(tx)?;
    let of_domains: BTreeSet<RoleId> = ROLES
        .query(tx, &Select::all())?
        .into_iter()
        .filter(|role| role.domain_id.is_some())
        .map(|role| role.into_inner().id)
        .collect();
    let mut all: Vec<Grant> = grants.iter().flat_map(|grant| implied(grant, &implications)).collect();
    all.retain(|grant| !of_domains.contains(&grant.assignment.role_id));
    Ok(all)
}

/// The grant, and one for each implication that it sets off, naming the role that implies.
fn implied(grant: &Grant, implications: &[Implication]) -> Vec<Grant> {
    let mut all = vec![grant.clone()];
    let mut seen = BTreeSet::new();
    let mut at = 0;
    while at < all.len() {
        let prior = all[at].assignment.role_id.clone();
        for implication in implications.iter().filter(|implication| implication.prior == prior) {
            if seen.insert((prior.clone(), implication.implied.clone())) {
                let assignment =
                    Assignment { role_id: implication.implied.clone(), ..grant.assignment.clone() };
                all.push(Grant { assignment, prior_role_id: Some(prior.clone()), ..grant.clone() });
            }
        }
        at += 1;
    }
    all
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
        "project" => load_project(tx, id)?.map(|p| (p.name, Some(p.domain_id))),
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
