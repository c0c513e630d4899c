//! The strict two-level model: what a domain may have bounds what each of its projects may have.

use store::{Select, Tx};
use types::DomainId;

use super::model::{Limit, LimitModel, LimitOwner, is_more};
use super::store::load_of;
use crate::Error;
use crate::project::store::PROJECTS;
use crate::registered_limit::ops::of;

/// Refuses limits that the model cannot bear beside each other and beside those that are there.
pub(crate) fn refuse(tx: &mut Tx<'_>, model: LimitModel, limits: &[Limit]) -> Result<(), Error> {
    if model == LimitModel::Flat {
        return Ok(());
    }
    for limit in limits {
        let fits = match &limit.owner {
            LimitOwner::Project(_) => fits_into_domain(tx, limit, limits)?,
            LimitOwner::Domain(id) => fits_around_projects(tx, limit, id)?,
        };
        if !fits {
            return Err(misfit(limit));
        }
    }
    Ok(())
}

/// A project's limit against its domain's: the one in the same request, else the one that is there, else the
/// registered one. A project below another has no place in this model.
fn fits_into_domain(tx: &mut Tx<'_>, limit: &Limit, beside: &[Limit]) -> Result<bool, Error> {
    let Some(project) = PROJECTS.load(tx, limit.owner.id())? else { return Ok(false) };
    if project.parent_id.is_some() {
        return Ok(false);
    }
    let domain = LimitOwner::Domain(project.into_inner().domain_id);
    let same = |other: &&Limit| other.owner == domain && other.what == limit.what;
    let bound = match beside.iter().find(same) {
        Some(other) => Some(other.resource_limit),
        None => match load_of(tx, &domain, &limit.what)? {
            Some(other) => Some(other.resource_limit),
            None => of(tx, &limit.what)?.map(|registered| registered.default_limit),
        },
    };
    Ok(bound.is_none_or(|bound| !is_more(limit.resource_limit, bound)))
}

/// A domain's limit against those of all its projects.
fn fits_around_projects(tx: &mut Tx<'_>, limit: &Limit, id: &DomainId) -> Result<bool, Error> {
    for project in PROJECTS.query(tx, &Select::all().eq("domain_id", id))? {
        let owner = LimitOwner::Project(project.into_inner().id);
        if let Some(inside) = load_of(tx, &owner, &limit.what)?
            && is_more(inside.resource_limit, limit.resource_limit)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn misfit(limit: &Limit) -> Error {
    let what = &limit.what;
    Error::Forbidden(format!(
        "Invalid resource limit: The resource limit ({}_id: {}, resource_name: {}, resource_limit: {}, \
         service_id: {}, region_id: {}) doesn't satisfy current hierarchy model..",
        limit.owner.kind(),
        limit.owner.id(),
        what.resource_name,
        limit.resource_limit,
        what.service_id,
        what.region_id.as_ref().map_or("None", |id| &id.0),
    ))
}
