//! The catalog made of regions, services and endpoints, and what can be done with endpoints.

use std::collections::{BTreeMap, BTreeSet};

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};

use super::model::{Endpoint, EndpointChange, Interface, Substitutions, complete};
use super::store::ENDPOINTS;
use crate::Error;
use crate::api::Extra;
use crate::endpoint_filter::model::Chosen;
use crate::endpoint_filter::ops::{chosen_for, forget};
use crate::endpoint_policy::store::forget as forget_policies;
use crate::ids::{EndpointId, RegionId, ServiceId};
use crate::policy::RULES;
use crate::region::model::Region;
use crate::region::store::REGIONS;
use crate::service::model::CatalogService;
use crate::service::store::SERVICES;
use crate::token::ops::changed;

/// A service of the catalog with its endpoints, their URLs completed.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogEntry {
    /// The service.
    pub service: CatalogService,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
}

/// The catalog for one client. An endpoint whose URL makes no sense is left out: one wrong row must not keep everybody
/// from logging in. Services without endpoints are listed, unless endpoints were chosen for the client's project.
pub fn catalog(tx: &mut Tx<'_>, with: &Substitutions<'_>) -> Result<Vec<CatalogEntry>, Error> {
    let chosen = match with.project_id {
        Some(project) => chosen_for(tx, project)?,
        None => Vec::new(),
    };
    let shown: BTreeSet<&EndpointId> = chosen.iter().map(|endpoint| &endpoint.id).collect();
    let order = Select::all().order("id", Direction::Asc);
    let mut by_service: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in ENDPOINTS.query(tx, &order)? {
        let mut endpoint = endpoint.into_inner();
        let is_shown = endpoint.enabled && (shown.is_empty() || shown.contains(&endpoint.id));
        if let (true, Ok(url)) = (is_shown, complete(&endpoint.url, with)) {
            endpoint.url = url;
            by_service.entry(endpoint.service_id.to_string()).or_default().push(endpoint);
        }
    }
    let services =
        SERVICES.query(tx, &Select::all().order("type", Direction::Asc).order("id", Direction::Asc))?;
    let entries = services.into_iter().filter(|service| service.enabled).filter_map(|service| {
        let mut endpoints = by_service.remove(&service.id.0).unwrap_or_default();
        if endpoints.is_empty() && !shown.is_empty() {
            return None;
        }
        endpoints.sort_by_key(|endpoint| (endpoint.region_id.clone(), endpoint.interface.name()));
        Some(CatalogEntry { service: service.into_inner(), endpoints })
    });
    Ok(entries.collect())
}

/// Which endpoints a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct EndpointFilter {
    pub(crate) service_id: Option<String>,
    pub(crate) region_id: Option<String>,
    pub(crate) interface: Option<Interface>,
}

pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    endpoint: Endpoint,
    makes_region: bool,
) -> Result<Endpoint, Error> {
    RULES.check("identity:create_endpoint", caller, &Target::default())?;
    refuse_url(&endpoint.url)?;
    if let (true, Some(region)) = (makes_region, &endpoint.region_id) {
        ensure_region(tx, region)?;
    }
    refuse_missing(tx, endpoint.region_id.as_ref(), Some(&endpoint.service_id))?;
    let endpoint = ENDPOINTS.insert(tx, endpoint)?.into_inner();
    changed(tx);
    Ok(endpoint)
}

/// Clients of older versions name a region that nobody made.
fn ensure_region(tx: &mut Tx<'_>, id: &RegionId) -> Result<(), Error> {
    if REGIONS.load(tx, id)?.is_none() {
        let region =
            Region { id: id.clone(), description: String::new(), parent_id: None, extra: Extra::new() };
        REGIONS.insert(tx, region)?;
    }
    Ok(())
}

fn refuse_missing(
    tx: &mut Tx<'_>,
    region: Option<&RegionId>,
    service: Option<&ServiceId>,
) -> Result<(), Error> {
    if let Some(region) = region
        && REGIONS.load(tx, region)?.is_none()
    {
        return Err(Error::expecting("endpoint region_id", "region table"));
    }
    if let Some(service) = service
        && SERVICES.load(tx, service)?.is_none()
    {
        return Err(Error::expecting("endpoint service_id", "service table"));
    }
    Ok(())
}

/// The URL must make sense for some client. Upstream asks that of new ones only, and then hides those that do not.
fn refuse_url(url: &str) -> Result<(), Error> {
    let with = Substitutions { public_url: "http://client", project_id: Some("p"), user_id: Some("u") };
    let refusal = || Error::Invalid(format!("Cannot create an endpoint with an invalid URL: {url}."));
    complete(url, &with).map(|_| ()).map_err(|_| refusal())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Endpoint, Error> {
    RULES.check("identity:get_endpoint", caller, &Target::default())?;
    Ok(ENDPOINTS.load(tx, id)?.ok_or_else(|| Error::not_found("endpoint", id))?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    filter: &EndpointFilter,
) -> Result<Vec<Endpoint>, Error> {
    RULES.check("identity:list_endpoints", caller, &Target::default())?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(interface) = filter.interface {
        select = select.eq("interface", interface.name());
    }
    for (column, wanted) in [("service_id", &filter.service_id), ("region_id", &filter.region_id)] {
        if let Some(wanted) = wanted {
            select = select.eq(column, wanted);
        }
    }
    Ok(ENDPOINTS.query(tx, &select)?.into_iter().map(|endpoint| endpoint.into_inner()).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: EndpointChange,
) -> Result<Endpoint, Error> {
    RULES.check("identity:update_endpoint", caller, &Target::default())?;
    if let (true, Some(Some(region))) = (change.makes_region, &change.region_id) {
        ensure_region(tx, region)?;
    }
    let region = change.region_id.as_ref().and_then(Option::as_ref);
    refuse_missing(tx, region, change.service_id.as_ref())?;
    let mut endpoint = ENDPOINTS.load(tx, id)?.ok_or_else(|| Error::not_found("endpoint", id))?;
    if let Some(service) = change.service_id {
        endpoint.service_id = service;
    }
    if let Some(region) = change.region_id {
        endpoint.region_id = region;
    }
    if let Some(interface) = change.interface {
        endpoint.interface = interface;
    }
    if let Some(url) = change.url {
        endpoint.url = url;
    }
    if let Some(enabled) = change.enabled {
        endpoint.enabled = enabled;
    }
    endpoint.extra.extend(change.extra);
    refuse_url(&endpoint.url)?;
    ENDPOINTS.save(tx, &mut endpoint)?;
    changed(tx);
    Ok(endpoint.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_endpoint", caller, &Target::default())?;
    let endpoint = ENDPOINTS.load(tx, id)?.ok_or_else(|| Error::not_found("endpoint", id))?;
    remove(tx, &endpoint)?;
    changed(tx);
    Ok(())
}

/// Removes an endpoint, and what was said about it.
pub(crate) fn remove(tx: &mut Tx<'_>, endpoint: &Stored<Endpoint>) -> Result<(), Error> {
    forget(tx, &Chosen::Endpoint(endpoint.id.clone()))?;
    forget_policies(tx, "endpoint_id", &endpoint.id)?;
    Ok(ENDPOINTS.remove(tx, endpoint)?)
}
