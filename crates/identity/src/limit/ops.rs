//! What can be done with limits.

use std::collections::BTreeMap;

use policy::{Caller, Scope, Target};
use store::{Condition, Direction, Select, Stored, Tx};
use types::{DomainId, ProjectId};

use super::hierarchy;
use super::model::{Limit, LimitChange, LimitModel, LimitOwner};
use super::store::{LIMITS, load_of, select_of};
use crate::Error;
use crate::domain::store::DOMAINS;
use crate::policy::RULES;
use crate::project::store::PROJECTS;
use crate::registered_limit::ops::{LimitedFilter, of, refuse_missing};
use crate::registered_limit::store::REGISTERED_LIMITS;
use crate::service::store::SERVICES;

/// Makes all of them or none. What was called a project may be a domain: then the limit is the domain's.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    model: LimitModel,
    mut limits: Vec<Limit>,
) -> Result<Vec<Limit>, Error> {
    RULES.check("identity:create_limits", caller, &Target::default())?;
    for limit in &mut limits {
        refuse_missing(tx, Some(&limit.what.service_id), limit.what.region_id.as_ref(), "limit")?;
        limit.owner = existing(tx, limit.owner.clone())?;
    }
    hierarchy::refuse(tx, model, &limits)?;
    limits.into_iter().map(|limit| insert(tx, limit)).collect()
}

fn existing(tx: &mut Tx<'_>, owner: LimitOwner) -> Result<LimitOwner, Error> {
    match owner {
        LimitOwner::Project(id) if PROJECTS.load(tx, &id)?.is_some() => Ok(LimitOwner::Project(id)),
        LimitOwner::Project(id) => match DOMAINS.load(tx, id.as_str())? {
            Some(domain) => Ok(LimitOwner::Domain(domain.into_inner().id)),
            None => Err(Error::expecting("project_id", "limit")),
        },
        LimitOwner::Domain(id) if DOMAINS.load(tx, &id)?.is_some() => Ok(LimitOwner::Domain(id)),
        LimitOwner::Domain(_) => Err(Error::expecting("domain_id", "limit")),
    }
}

fn insert(tx: &mut Tx<'_>, limit: Limit) -> Result<Limit, Error> {
    if of(tx, &limit.what)?.is_none() {
        let message = "Unable to create a limit that has no corresponding registered limit.";
        return Err(Error::Forbidden(message.to_owned()));
    }
    if load_of(tx, &limit.owner, &limit.what)?.is_some() {
        return Err(Error::Conflict { kind: "limit", detail: "Duplicate entry".to_owned() });
    }
    Ok(LIMITS.insert(tx, limit)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Limit, Error> {
    let found = LIMITS.load(tx, id)?;
    let (project, domain) = match found.as_ref().map(|limit| limit.owner.clone()) {
        Some(LimitOwner::Project(id)) => {
            let domain = PROJECTS.load(tx, &id)?.map(|project| project.into_inner().domain_id);
            (Some(id), domain)
        }
        Some(LimitOwner::Domain(id)) => (None, Some(id)),
        None => (None, None),
    };
    let target = Target { project_id: project.as_ref(), domain_id: domain.as_ref(), user_id: None };
    RULES.check("identity:get_limit", caller, &target)?;
    Ok(found.ok_or_else(|| absent(id))?.into_inner())
}

/// Which limits a list shows, of those that the caller may see.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitFilter {
    pub(crate) limited: LimitedFilter,
    pub(crate) project_id: Option<String>,
    pub(crate) domain_id: Option<String>,
}

/// An administrator, the system and services see all; others what their token is for.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, filter: &LimitFilter) -> Result<Vec<Limit>, Error> {
    RULES.check("identity:list_limits", caller, &Target::default())?;
    let mut select = filter.limited.select();
    if let Some(seen) = seen_by(caller, tx)? {
        select = select.with(seen);
    }
    for (kind, id) in [("project", &filter.project_id), ("domain", &filter.domain_id)] {
        if let Some(id) = id {
            select = select.eq("owner_kind", kind).eq("owner_id", id);
        }
    }
    Ok(LIMITS.query(tx, &select)?.into_iter().map(Stored::into_inner).collect())
}

fn seen_by(caller: &Caller, tx: &mut Tx<'_>) -> Result<Option<Condition>, Error> {
    if caller.is_admin() || caller.has_role("service") || caller.scope == Scope::System {
        return Ok(None);
    }
    let of_owner = |kind: &str, ids: Vec<&str>| {
        let ids = Condition::In("owner_id", ids.into_iter().map(Into::into).collect());
        Condition::All(vec![Condition::Eq("owner_kind", kind.into()), ids])
    };
    Ok(Some(match &caller.scope {
        Scope::Project { id, .. } => of_owner("project", vec![id.as_str()]),
        Scope::Domain { id } => {
            let inside = PROJECTS.query(tx, &Select::all().eq("domain_id", id))?;
            let projects = inside.iter().map(|project| project.id.as_str()).collect();
            Condition::Any(vec![of_owner("domain", vec![id.as_str()]), of_owner("project", projects)])
        }
        Scope::Unscoped | Scope::System => Condition::Any(Vec::new()),
    }))
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    model: LimitModel,
    id: &str,
    change: LimitChange,
) -> Result<Limit, Error> {
    RULES.check("identity:update_limit", caller, &Target::default())?;
    let mut limit = LIMITS.load(tx, id)?.ok_or_else(|| absent(id))?;
    if let Some(amount) = change.resource_limit {
        limit.resource_limit = amount;
    }
    if let Some(description) = change.description {
        limit.description = description;
    }
    hierarchy::refuse(tx, model, std::slice::from_ref(&*limit))?;
    LIMITS.save(tx, &mut limit)?;
    Ok(limit.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_limit", caller, &Target::default())?;
    let limit = LIMITS.load(tx, id)?.ok_or_else(|| absent(id))?;
    Ok(LIMITS.remove(tx, &limit)?)
}

fn absent(id: &str) -> Error {
    Error::Absent(format!("Could not find limit for {id}."))
}

/// The name and the meaning of the model may be known by whoever has a token.
pub(crate) fn show_model(caller: &Caller) -> Result<(), Error> {
    Ok(RULES.check("identity:get_limit_model", caller, &Target::default())?)
}

/// The limits of a project, for whoever may see the project.
pub(crate) fn of_project(tx: &mut Tx<'_>, id: &ProjectId) -> Result<Vec<Limit>, Error> {
    let select = select_of(&LimitOwner::Project(id.clone())).order("id", Direction::Asc);
    Ok(LIMITS.query(tx, &select)?.into_iter().map(|limit| limit.into_inner()).collect())
}

/// What binds a project in a service of this type, by the name of what is limited: its own limit, or else the
/// registered one. What a region has of its own is not counted here, for a cloud is one region.
pub fn limits_of(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    service: &str,
) -> Result<BTreeMap<String, i64>, store::Error> {
    let mut limits = BTreeMap::new();
    for service in SERVICES.query(tx, &Select::all().eq("type", service))? {
        for registered in REGISTERED_LIMITS.query(tx, &Select::all().eq("service_id", &service.id))? {
            let own = load_of(tx, &LimitOwner::Project(project.clone()), &registered.what)?;
            let amount = own.map_or(registered.default_limit, |limit| limit.resource_limit);
            limits.insert(registered.what.resource_name.clone(), amount);
        }
    }
    Ok(limits)
}

/// Forgets the limits of a project that goes.
pub(crate) fn forget_project(tx: &mut Tx<'_>, id: &ProjectId) -> Result<(), Error> {
    forget(tx, &LimitOwner::Project(id.clone()))
}

/// Forgets the limits of a domain that goes.
pub(crate) fn forget_domain(tx: &mut Tx<'_>, id: &DomainId) -> Result<(), Error> {
    forget(tx, &LimitOwner::Domain(id.clone()))
}

fn forget(tx: &mut Tx<'_>, owner: &LimitOwner) -> Result<(), Error> {
    for limit in LIMITS.query(tx, &select_of(owner))? {
        LIMITS.remove(tx, &limit)?;
    }
    Ok(())
}
