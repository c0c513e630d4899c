//! The catalog made of regions, services and endpoints.

use std::collections::BTreeMap;

use store::{Direction, Select, Tx};

use super::model::{Endpoint, Substitutions, complete};
use super::store::ENDPOINTS;
use crate::Error;
use crate::service::model::CatalogService;
use crate::service::store::SERVICES;

/// A service of the catalog with its endpoints, their URLs completed.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogEntry {
    /// The service.
    pub service: CatalogService,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
}

/// The catalog for one client. A service none of whose endpoints can be used from this scope is left out, as is an
/// endpoint whose URL makes no sense: one wrong row must not keep everybody from logging in.
pub fn catalog(tx: &mut Tx<'_>, with: &Substitutions<'_>) -> Result<Vec<CatalogEntry>, Error> {
    let order = Select::all().order("id", Direction::Asc);
    let mut by_service: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in ENDPOINTS.query(tx, &order)? {
        let mut endpoint = endpoint.into_inner();
        if let (true, Ok(url)) = (endpoint.enabled, complete(&endpoint.url, with)) {
            endpoint.url = url;
            by_service.entry(endpoint.service_id.to_string()).or_default().push(endpoint);
        }
    }
    let services =
        SERVICES.query(tx, &Select::all().order("type", Direction::Asc).order("id", Direction::Asc))?;
    let entries = services.into_iter().filter(|service| service.enabled).filter_map(|service| {
        let mut endpoints = by_service.remove(&service.id.0)?;
        endpoints.sort_by_key(|endpoint| (endpoint.region_id.clone(), endpoint.interface.name()));
        Some(CatalogEntry { service: service.into_inner(), endpoints })
    });
    Ok(entries.collect())
}
