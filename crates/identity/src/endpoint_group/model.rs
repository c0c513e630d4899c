//! An endpoint group's data, and which endpoints are in it.

use serde::{Deserialize, Serialize};

use crate::endpoint::model::{Endpoint, Interface};
use crate::ids::{EndpointGroupId, RegionId, ServiceId};

/// A group of endpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointGroup {
    /// Its id.
    pub id: EndpointGroupId,
    /// Its name, which others may have too.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// What its endpoints have in common.
    pub criteria: Vec<Criterion>,
}

/// Something that endpoints can have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// They belong to this service.
    Service(ServiceId),
    /// They are in this region, or in none.
    Region(Option<RegionId>),
    /// They are for the same clients.
    Interface(Interface),
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct EndpointGroupChange {
    /// Its name.
    pub name: Option<String>,
    /// What it is.
    pub description: Option<Option<String>>,
    /// What its endpoints have in common.
    pub criteria: Option<Vec<Criterion>>,
}

impl EndpointGroup {
    /// Whether the endpoint is one of them. Without criteria all are.
    pub fn has(&self, endpoint: &Endpoint) -> bool {
        self.criteria.iter().all(|criterion| match criterion {
            Criterion::Service(id) => endpoint.service_id == *id,
            Criterion::Region(id) => endpoint.region_id == *id,
            Criterion::Interface(interface) => endpoint.interface == *interface,
        })
    }
}
