//! A user as a caller without a login: for an operator who asks what the user may do.

use policy::{Caller, Policy, Scope};
use store::{Select, Tx};
use types::{DomainId, ProjectId, UserId};

use crate::Error;
use crate::assignment::model::Target;
use crate::domain::store::DOMAINS;
use crate::project::store::PROJECTS;
use crate::token::resolve::effective_roles;
use crate::user::store::USERS;

/// Where the user acts, by ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// With a token for nothing.
    Nowhere,
    /// In a project.
    Project(ProjectId),
    /// In a domain.
    Domain(DomainId),
    /// In the system.
    System,
}

/// The user of this id, or of this name if it is the only one, with the roles that a token for this place would give.
pub fn caller_of(tx: &mut Tx<'_>, user: &str, place: &Place, policy: &Policy) -> Result<Caller, Error> {
    let found = match USERS.load(tx, user)? {
        Some(user) => vec![user],
        None => USERS.query(tx, &Select::all().eq("name_hash", crate::ids::key_of(&[user])))?,
    };
    let [user] = <[_; 1]>::try_from(found).map_err(|found| match found.len() {
        0 => Error::not_found("user", user),
        many => Error::Invalid(format!("There are {many} users called {user}: name one by its id")),
    })?;
    let user_id: UserId = user.id.clone();
    let (scope, target) = match place {
        Place::Nowhere => (Scope::Unscoped, None),
        Place::System => (Scope::System, Some(Target::System)),
        Place::Domain(id) => {
            DOMAINS.load(tx, id)?.ok_or_else(|| Error::not_found("domain", id))?;
            (Scope::Domain { id: id.clone() }, Some(Target::Domain(id.clone())))
        }
        Place::Project(id) => {
            let project = PROJECTS.load(tx, id)?.ok_or_else(|| Error::not_found("project", id))?;
            let (name, domain_id) = (project.name.clone(), project.domain_id.clone());
            (Scope::Project { id: id.clone(), name, domain_id }, Some(Target::Project(id.clone())))
        }
    };
    let roles = match &target {
        Some(target) => effective_roles(tx, &user_id, target)?,
        None => Vec::new(),
    };
    Ok(Caller {
        user_id,
        user_name: user.name.clone(),
        user_domain_id: user.domain_id.clone(),
        scope,
        roles: roles.into_iter().map(|role| role.name).collect(),
        delegation: None,
        policy: policy.clone(),
    })
}
