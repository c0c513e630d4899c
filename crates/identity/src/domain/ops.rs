//! What can be done with domains.

use policy::{Caller, Scope, Target};
use store::{Direction, Select, Stored, Tx};
use types::{DomainId, ProjectId};

use super::model::{Domain, DomainChange, DomainDraft};
use super::store::DOMAINS;
use crate::Error;
use crate::assignment::model::Target as AssignedIn;
use crate::assignment::store::remove_in;
use crate::group::store::GROUPS;
use crate::ids::fresh;
use crate::immutable;
use crate::policy::RULES;
use crate::project::ops::tidy_tags;
use crate::project::store::PROJECTS;
use crate::role::store::ROLES;
use crate::token::ops::changed;
use crate::user::store::USERS;

/// The domain that the caller's token is scoped to.
pub(crate) fn scoped_to(caller: &Caller) -> Option<&DomainId> {
    match &caller.scope {
        Scope::Domain { id } => Some(id),
        Scope::Unscoped | Scope::Project { .. } | Scope::System => None,
    }
}

/// The domain of something new: the one named, else the token's, else the default one.
pub(crate) fn domain_for(caller: &Caller, named: Option<DomainId>) -> DomainId {
    let of_project = match &caller.scope {
        Scope::Project { domain_id, .. } => Some(domain_id.clone()),
        Scope::Unscoped | Scope::Domain { .. } | Scope::System => None,
    };
    let chosen = named.or_else(|| scoped_to(caller).cloned()).or(of_project);
    chosen.unwrap_or_else(|| DomainId::from("default"))
}

/// Refuses a domain that is not there; asked after the rules, so that nobody learns which domains exist.
pub(crate) fn refuse_missing(tx: &mut Tx<'_>, id: &DomainId) -> Result<(), Error> {
    match DOMAINS.load(tx, id)? {
        Some(_) => Ok(()),
        None => Err(Error::not_found("domain", id)),
    }
}

/// Refuses to move something to another domain.
pub(crate) fn refuse_move(domain: &DomainId, asked: Option<&String>) -> Result<(), Error> {
    match asked {
        Some(other) if other != domain.as_str() => Err(Error::Invalid("Cannot change Domain ID".to_owned())),
        _ => Ok(()),
    }
}

fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<Domain>, Error> {
    let found = DOMAINS.load(tx, id)?;
    let target = Target { domain_id: found.as_ref().map(|domain| &domain.id), ..Target::default() };
    RULES.check(rule, caller, &target)?;
    found.ok_or_else(|| Error::not_found("domain", id))
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: DomainDraft) -> Result<Domain, Error> {
    RULES.check("identity:create_domain", caller, &Target::default())?;
    insert(tx, draft)
}

/// Makes a domain, for whoever may.
pub(crate) fn insert(tx: &mut Tx<'_>, draft: DomainDraft) -> Result<Domain, Error> {
    refuse_name(tx, &draft.name, None)?;
    let DomainDraft { id, name, description, enabled, tags, immutable, extra } = draft;
    let id = id.unwrap_or_else(|| DomainId(fresh()));
    // A domain is a project too, so that their ids are one set.
    if DOMAINS.load(tx, &id)?.is_some() || PROJECTS.load(tx, id.as_str())?.is_some() {
        return Err(duplicate(&name));
    }
    let name = name.trim().to_owned();
    let domain = Domain { id, name, description, enabled, tags: tidy_tags(tags)?, immutable, extra };
    Ok(DOMAINS.insert(tx, domain)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Domain, Error> {
    Ok(find(caller, tx, "identity:get_domain", id)?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    name: Option<&str>,
    enabled: Option<bool>,
) -> Result<Vec<Domain>, Error> {
    let own = scoped_to(caller);
    RULES.check("identity:list_domains", caller, &Target { domain_id: own, ..Target::default() })?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(own) = own {
        select = select.eq("id", own);
    }
    if let Some(name) = name {
        select = select.eq("name", name);
    }
    if let Some(enabled) = enabled {
        select = select.eq("enabled", enabled);
    }
    Ok(DOMAINS.query(tx, &select)?.into_iter().map(|domain| domain.into_inner()).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: DomainChange,
) -> Result<Domain, Error> {
    let domain = find(caller, tx, "identity:update_domain", id)?;
    apply(tx, domain, change)
}

/// Changes a domain, for whoever may. Its projects and users stay as they are, and are of no use while it is disabled.
pub(crate) fn apply(
    tx: &mut Tx<'_>,
    mut domain: Stored<Domain>,
    change: DomainChange,
) -> Result<Domain, Error> {
    immutable::refuse_update("domain", domain.id.as_str(), domain.immutable, change.only_unlocks())?;
    if let Some(name) = change.name {
        refuse_name(tx, &name, Some(&domain.id))?;
        domain.name = name.trim().to_owned();
    }
    if let Some(description) = change.description {
        domain.description = description;
    }
    if let Some(enabled) = change.enabled {
        domain.enabled = enabled;
    }
    if let Some(tags) = change.tags {
        domain.tags = tidy_tags(tags)?;
    }
    if let Some(immutable) = change.immutable {
        domain.immutable = immutable;
    }
    domain.extra.extend(change.extra);
    DOMAINS.save(tx, &mut domain)?;
    changed(tx);
    Ok(domain.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let domain = find(caller, tx, "identity:delete_domain", id)?;
    remove(tx, &domain)
}

/// Removes a domain that was disabled before, and everything in it.
pub(crate) fn remove(tx: &mut Tx<'_>, domain: &Stored<Domain>) -> Result<(), Error> {
    immutable::refuse_delete("domain", domain.id.as_str(), domain.immutable)?;
    if domain.enabled {
        let message = "Cannot delete a domain that is enabled, please disable it first.";
        return Err(Error::Forbidden(message.to_owned()));
    }
    let inside = Select::all().eq("domain_id", &domain.id);
    crate::federation::identity_provider::ops::remove_of_domain(tx, &domain.id)?;
    for project in PROJECTS.query(tx, &inside)? {
        crate::project::ops::remove(tx, &project)?;
    }
    for user in USERS.query(tx, &inside)? {
        crate::user::ops::remove(tx, &user)?;
    }
    for group in GROUPS.query(tx, &inside)? {
        crate::group::ops::remove(tx, &group)?;
    }
    for role in ROLES.query(tx, &inside)? {
        crate::role::ops::remove(tx, &role)?;
    }
    remove_in(tx, &AssignedIn::Domain(domain.id.clone()))?;
    remove_in(tx, &AssignedIn::Project(ProjectId::from(domain.id.as_str())))?;
    crate::limit::ops::forget_domain(tx, &domain.id)?;
    crate::domain_config::ops::forget_domain(tx, &domain.id)?;
    DOMAINS.remove(tx, domain)?;
    changed(tx);
    Ok(())
}

fn refuse_name(tx: &mut Tx<'_>, name: &str, own: Option<&DomainId>) -> Result<(), Error> {
    match DOMAINS.first(tx, &Select::all().eq("name", name.trim()))? {
        Some(known) if Some(&known.id) != own => Err(duplicate(name)),
        _ => Ok(()),
    }
}

/// Upstream's words: there a domain is a project of a kind.
fn duplicate(name: &str) -> Error {
    let detail =
        format!("it is not permitted to have two projects acting as domains with the same name: {name}");
    Error::Conflict { kind: "project", detail }
}
