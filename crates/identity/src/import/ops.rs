//! Putting into our tables what another Keystone held.

use std::collections::BTreeMap;

use store::{Select, Tx};
use types::{DomainId, ProjectId, UserId};

use super::model::{Imported, Snapshot};
use super::store::read;
use crate::Error;
use crate::assignment::model::{Actor, Assignment, Target};
use crate::assignment::store::{ASSIGNMENTS, assignment_key};
use crate::domain::store::DOMAINS;
use crate::group::store::{GROUPS, MEMBERSHIPS, membership_key};
use crate::ids::{GroupId, key_of};
use crate::project::store::PROJECTS;
use crate::role::store::{IMPLICATIONS, ROLES};
use crate::token::ops::changed;
use crate::user::store::USERS;

/// What the database of a real Keystone holds.
pub fn snapshot(tx: &mut Tx<'_>) -> Result<Snapshot, Error> {
    read(tx)
}

/// Takes over what is not here yet, ids and passwords included. What has our name and another id is a clash, all of
/// which the error names; nothing is written then. With `merge` ours stands for it instead, as it always does for roles
/// of the whole cloud, whose names say what they mean.
pub fn import(tx: &mut Tx<'_>, snapshot: Snapshot, merge: bool) -> Result<Imported, Error> {
    let mut import = Import { merge, ids: BTreeMap::new(), clashes: Vec::new(), done: Imported::default() };
    import.done.left_out = snapshot.left_out;
    import.places(tx, &snapshot)?;
    import.actors(tx, &snapshot)?;
    if !import.clashes.is_empty() {
        return Err(Error::Invalid(format!(
            "the same names are here already: {}",
            import.clashes.join(", ")
        )));
    }
    import.relations(tx, &snapshot)?;
    changed(tx);
    Ok(import.done)
}

struct Import {
    merge: bool,
    /// What ours is that stands for theirs, by kind and id.
    ids: BTreeMap<(&'static str, String), String>,
    clashes: Vec<String>,
    done: Imported,
}

impl Import {
    /// Whether an object is to be made: not if it is here, nor if one of ours has its name.
    fn is_new(
        &mut self,
        kind: &'static str,
        (id, name): (&str, &str),
        is_here: bool,
        namesake: Option<String>,
    ) -> bool {
        let new = !is_here && namesake.is_none();
        if let (false, Some(ours)) = (is_here, namesake) {
            if self.merge || kind == "role" {
                self.ids.insert((kind, id.to_owned()), ours);
            } else {
                self.clashes.push(format!("{kind} {name}"));
            }
        }
        *self.done.made.entry(kind).or_default() += usize::from(new);
        new
    }

    fn ours(&self, kind: &'static str, id: &str) -> String {
        self.ids.get(&(kind, id.to_owned())).cloned().unwrap_or_else(|| id.to_owned())
    }

    fn domain(&self, id: &DomainId) -> DomainId {
        DomainId(self.ours("domain", id.as_str()))
    }

    fn places(&mut self, tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<(), Error> {
        for domain in &snapshot.domains {
            let is_here = DOMAINS.load(tx, &domain.id)?.is_some();
            let namesake = DOMAINS.first(tx, &Select::all().eq("name", &domain.name))?;
            let namesake = namesake.map(|ours| ours.id.to_string());
            if self.is_new("domain", (domain.id.as_str(), &domain.name), is_here, namesake) {
                DOMAINS.insert(tx, domain.clone())?;
            }
        }
        for project in &snapshot.projects {
            let mut project = project.clone();
            project.domain_id = self.domain(&project.domain_id);
            let is_here = PROJECTS.load(tx, &project.id)?.is_some();
            let select = Select::all().eq("domain_id", &project.domain_id).eq("name", &project.name);
            let namesake = PROJECTS.first(tx, &select)?.map(|ours| ours.id.to_string());
            if self.is_new("project", (project.id.as_str(), &project.name), is_here, namesake) {
                PROJECTS.insert(tx, project)?;
            }
        }
        // Which of ours stands for a parent is known only now.
        for theirs in &snapshot.projects {
            let Some(parent) = &theirs.parent_id else { continue };
            let parent = ProjectId(self.ours("project", parent.as_str()));
            let Some(mut project) = PROJECTS.load(tx, &theirs.id)? else { continue };
            let known = project.parent_id.as_ref().map(ToString::to_string);
            if known.is_some_and(|known| self.ids.contains_key(&("project", known))) {
                project.parent_id = Some(parent);
                PROJECTS.save(tx, &mut project)?;
            }
        }
        Ok(())
    }

    fn actors(&mut self, tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<(), Error> {
        for role in &snapshot.roles {
            let mut role = role.clone();
            role.domain_id = role.domain_id.as_ref().map(|id| self.domain(id));
            let is_here = ROLES.load(tx, &role.id)?.is_some();
            let domain = role.domain_id.as_ref().map_or("", |id| id.as_str());
            let select = Select::all().eq("domain_id", domain).eq("name_hash", key_of(&[&role.name]));
            let namesake = ROLES.first(tx, &select)?.map(|ours| ours.id.to_string());
            if self.is_new("role", (role.id.as_str(), &role.name), is_here, namesake) {
                ROLES.insert(tx, role)?;
            }
        }
        for group in &snapshot.groups {
            let mut group = group.clone();
            group.domain_id = self.domain(&group.domain_id);
            let is_here = GROUPS.load(tx, &group.id)?.is_some();
            let select = Select::all().eq("domain_id", &group.domain_id).eq("name", &group.name);
            let namesake = GROUPS.first(tx, &select)?.map(|ours| ours.id.to_string());
            if self.is_new("group", (&group.id.0, &group.name), is_here, namesake) {
                GROUPS.insert(tx, group)?;
            }
        }
        for user in &snapshot.users {
            let mut user = user.clone();
            user.domain_id = self.domain(&user.domain_id);
            let project = user.default_project_id.as_ref();
            user.default_project_id = project.map(|id| ProjectId(self.ours("project", id.as_str())));
            let is_here = USERS.load(tx, &user.id)?.is_some();
            let select =
                Select::all().eq("domain_id", &user.domain_id).eq("name_hash", key_of(&[&user.name]));
            let namesake = USERS.first(tx, &select)?.map(|ours| ours.id.to_string());
            if self.is_new("user", (user.id.as_str(), &user.name), is_here, namesake) {
                USERS.insert(tx, user)?;
            }
        }
        Ok(())
    }

    fn relations(&mut self, tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<(), Error> {
        for implication in &snapshot.implications {
            let mut implication = implication.clone();
            implication.prior = self.ours("role", implication.prior.as_str()).as_str().into();
            implication.implied = self.ours("role", implication.implied.as_str()).as_str().into();
            let key = key_of(&[implication.prior.as_str(), implication.implied.as_str()]);
            if IMPLICATIONS.load(tx, key)?.is_none() {
                IMPLICATIONS.insert(tx, implication)?;
            }
        }
        for membership in &snapshot.memberships {
            let mut membership = membership.clone();
            membership.group_id = GroupId(self.ours("group", &membership.group_id.0));
            membership.user_id = UserId(self.ours("user", membership.user_id.as_str()));
            let key = membership_key(&membership.group_id, &membership.user_id);
            let is_here = MEMBERSHIPS.load(tx, key)?.is_some();
            if !is_here && USERS.load(tx, &membership.user_id)?.is_some() {
                MEMBERSHIPS.insert(tx, membership)?;
            }
        }
        for assignment in &snapshot.assignments {
            let assignment = self.assignment(assignment);
            let is_here = ASSIGNMENTS.load(tx, assignment_key(&assignment))?.is_some();
            if !is_here && has_ends(tx, &assignment)? {
                *self.done.made.entry("assignment").or_default() += 1;
                ASSIGNMENTS.insert(tx, assignment)?;
            }
        }
        Ok(())
    }

    fn assignment(&self, theirs: &Assignment) -> Assignment {
        Assignment {
            actor: match &theirs.actor {
                Actor::User(id) => Actor::User(UserId(self.ours("user", id.as_str()))),
                Actor::Group(id) => Actor::Group(GroupId(self.ours("group", &id.0))),
            },
            target: match &theirs.target {
                Target::Project(id) => Target::Project(ProjectId(self.ours("project", id.as_str()))),
                Target::Domain(id) => Target::Domain(self.domain(id)),
                Target::System => Target::System,
            },
            role_id: self.ours("role", theirs.role_id.as_str()).as_str().into(),
            inherited: theirs.inherited,
        }
    }
}

/// Whether everything that an assignment names is here: Keystone leaves some behind when a user of LDAP goes.
fn has_ends(tx: &mut Tx<'_>, assignment: &Assignment) -> Result<bool, Error> {
    let has_actor = match &assignment.actor {
        Actor::User(id) => USERS.load(tx, id)?.is_some(),
        Actor::Group(id) => GROUPS.load(tx, id)?.is_some(),
    };
    let has_target = match &assignment.target {
        Target::Project(id) => PROJECTS.load(tx, id)?.is_some(),
        Target::Domain(id) => DOMAINS.load(tx, id)?.is_some(),
        Target::System => true,
    };
    Ok(has_actor && has_target && ROLES.load(tx, &assignment.role_id)?.is_some())
}
