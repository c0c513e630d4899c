//! What can be done with registered limits.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};

use super::model::{Limited, RegisteredLimit, RegisteredLimitChange};
use super::store::REGISTERED_LIMITS;
use crate::Error;
use crate::ids::{RegionId, ServiceId};
use crate::limit::store::LIMITS;
use crate::policy::RULES;
use crate::region::store::REGIONS;
use crate::service::store::SERVICES;

/// Which limits a list shows, registered ones or others.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitedFilter {
    pub(crate) service_id: Option<String>,
    pub(crate) region_id: Option<String>,
    pub(crate) resource_name: Option<String>,
}

impl LimitedFilter {
    pub(crate) fn select(&self) -> Select {
        let conditions = [
            ("service_id", &self.service_id),
            ("region_id", &self.region_id),
            ("resource_name", &self.resource_name),
        ];
        let select = Select::all().order("id", Direction::Asc);
        conditions.into_iter().fold(select, |select, (column, wanted)| match wanted {
            Some(wanted) => select.eq(column, wanted),
            None => select,
        })
    }
}

/// Makes all of them or none.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    limits: Vec<RegisteredLimit>,
) -> Result<Vec<RegisteredLimit>, Error> {
    RULES.check("identity:create_registered_limits", caller, &Target::default())?;
    for limit in &limits {
        refuse_missing(tx, Some(&limit.what.service_id), limit.what.region_id.as_ref(), "registered_limit")?;
    }
    let insert = |limit: RegisteredLimit| {
        refuse_duplicate(tx, &limit.what)?;
        Ok(REGISTERED_LIMITS.insert(tx, limit)?.into_inner())
    };
    limits.into_iter().map(insert).collect()
}

/// The service and the region that `target` names must be there.
pub(crate) fn refuse_missing(
    tx: &mut Tx<'_>,
    service: Option<&ServiceId>,
    region: Option<&RegionId>,
    target: &str,
) -> Result<(), Error> {
    if let Some(service) = service
        && SERVICES.load(tx, service)?.is_none()
    {
        return Err(Error::expecting("service_id", target));
    }
    if let Some(region) = region
        && REGIONS.load(tx, region)?.is_none()
    {
        return Err(Error::expecting("region_id", target));
    }
    Ok(())
}

fn refuse_duplicate(tx: &mut Tx<'_>, what: &Limited) -> Result<(), Error> {
    match of(tx, what)? {
        None => Ok(()),
        Some(_) => Err(Error::Conflict { kind: "registered_limit", detail: "Duplicate entry".to_owned() }),
    }
}

/// The registered limit of a resource.
pub(crate) fn of(tx: &mut Tx<'_>, what: &Limited) -> Result<Option<RegisteredLimit>, Error> {
    let found = REGISTERED_LIMITS.first(tx, &Select::all().eq("what", what.key()))?;
    Ok(found.map(Stored::into_inner))
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<RegisteredLimit, Error> {
    RULES.check("identity:get_registered_limit", caller, &Target::default())?;
    Ok(find(tx, id)?.into_inner())
}

fn find(tx: &mut Tx<'_>, id: &str) -> Result<Stored<RegisteredLimit>, Error> {
    let absent = || Error::Absent(format!("Could not find registered limit for {id}."));
    REGISTERED_LIMITS.load(tx, id)?.ok_or_else(absent)
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    filter: &LimitedFilter,
) -> Result<Vec<RegisteredLimit>, Error> {
    RULES.check("identity:list_registered_limits", caller, &Target::default())?;
    Ok(REGISTERED_LIMITS.query(tx, &filter.select())?.into_iter().map(Stored::into_inner).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: RegisteredLimitChange,
) -> Result<RegisteredLimit, Error> {
    RULES.check("identity:update_registered_limit", caller, &Target::default())?;
    let region = change.region_id.as_ref().and_then(Option::as_ref);
    refuse_missing(tx, change.service_id.as_ref(), region, "registered_limit")?;
    let mut limit = find_free(tx, id)?;
    let before = limit.what.key();
    if let Some(service) = change.service_id {
        limit.what.service_id = service;
    }
    if let Some(region) = change.region_id {
        limit.what.region_id = region;
    }
    if let Some(name) = change.resource_name {
        limit.what.resource_name = name;
    }
    if limit.what.key() != before {
        refuse_duplicate(tx, &limit.what)?;
    }
    if let Some(amount) = change.default_limit {
        limit.default_limit = amount;
    }
    if let Some(description) = change.description {
        limit.description = description;
    }
    REGISTERED_LIMITS.save(tx, &mut limit)?;
    Ok(limit.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_registered_limit", caller, &Target::default())?;
    let limit = find_free(tx, id)?;
    Ok(REGISTERED_LIMITS.remove(tx, &limit)?)
}

/// The registered limit, if no project or domain has a limit in its place: then it can neither change nor go.
fn find_free(tx: &mut Tx<'_>, id: &str) -> Result<Stored<RegisteredLimit>, Error> {
    let limit = find(tx, id)?;
    if LIMITS.count(tx, &Select::all().eq("what", limit.what.key()))? > 0 {
        return Err(Error::Forbidden(format!(
            "Unable to update or delete registered limit {id} because there are project limits associated with it."
        )));
    }
    Ok(limit)
}

/// Whether a registered limit is about this service or region, so that it cannot go.
pub(crate) fn is_about(tx: &mut Tx<'_>, column: &'static str, ids: &[&str]) -> Result<bool, Error> {
    Ok(REGISTERED_LIMITS.count(tx, &Select::all().is_in(column, ids.iter().copied()))? > 0)
}
