//! What can be done with the catalog's services.

use policy::{Caller, Target};
use store::{Direction, Select, Tx};

use super::model::{CatalogService, ServiceChange};
use super::store::SERVICES;
use crate::Error;
use crate::endpoint::ops::remove;
use crate::endpoint::store::ENDPOINTS;
use crate::endpoint_policy::store::forget;
use crate::policy::RULES;
use crate::registered_limit::ops::is_about;
use crate::token::ops::changed;

pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    service: CatalogService,
) -> Result<CatalogService, Error> {
    RULES.check("identity:create_service", caller, &Target::default())?;
    let service = SERVICES.insert(tx, service)?.into_inner();
    changed(tx);
    Ok(service)
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<CatalogService, Error> {
    RULES.check("identity:get_service", caller, &Target::default())?;
    Ok(SERVICES.load(tx, id)?.ok_or_else(|| Error::not_found("service", id))?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    kind: Option<&str>,
    name: Option<&str>,
) -> Result<Vec<CatalogService>, Error> {
    RULES.check("identity:list_services", caller, &Target::default())?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(kind) = kind {
        select = select.eq("type", kind);
    }
    if let Some(name) = name {
        select = select.eq("name", name);
    }
    Ok(SERVICES.query(tx, &select)?.into_iter().map(|service| service.into_inner()).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: ServiceChange,
) -> Result<CatalogService, Error> {
    RULES.check("identity:update_service", caller, &Target::default())?;
    let mut service = SERVICES.load(tx, id)?.ok_or_else(|| Error::not_found("service", id))?;
    if let Some(kind) = change.kind {
        service.kind = kind;
    }
    if let Some(name) = change.name {
        service.name = name;
    }
    if let Some(description) = change.description {
        service.description = description;
    }
    if let Some(enabled) = change.enabled {
        service.enabled = enabled;
    }
    service.extra.extend(change.extra);
    SERVICES.save(tx, &mut service)?;
    changed(tx);
    Ok(service.into_inner())
}

/// Removes a service and its endpoints, unless something of it is limited.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_service", caller, &Target::default())?;
    let service = SERVICES.load(tx, id)?.ok_or_else(|| Error::not_found("service", id))?;
    if is_about(tx, "service_id", &[id])? {
        let message = format!("Unable to delete service {id} because it has registered limits.");
        return Err(Error::Forbidden(message));
    }
    for endpoint in ENDPOINTS.query(tx, &Select::all().eq("service_id", &service.id))? {
        remove(tx, &endpoint)?;
    }
    forget(tx, "service_id", &service.id)?;
    SERVICES.remove(tx, &service)?;
    changed(tx);
    Ok(())
}
