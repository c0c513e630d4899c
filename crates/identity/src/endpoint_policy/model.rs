//! What a policy document is for.

use serde::{Deserialize, Serialize};

use crate::ids::{EndpointId, PolicyId, RegionId, ServiceId, key_of};

/// A policy document and what it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Association {
    /// The document.
    pub policy_id: PolicyId,
    /// What it is for; one document at a time is.
    pub subject: Subject,
}

/// Endpoints that share a policy document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One endpoint.
    Endpoint(EndpointId),
    /// All of a service.
    Service(ServiceId),
    /// Those of a service in a region and in the regions below it.
    ServiceIn(ServiceId, RegionId),
}

impl Subject {
    /// One key for all that it names.
    pub fn key(&self) -> String {
        match self {
            Subject::Endpoint(id) => key_of(&["endpoint", &id.0]),
            Subject::Service(id) => key_of(&["service", &id.0]),
            Subject::ServiceIn(service, region) => key_of(&["service", &service.0, &region.0]),
        }
    }

    /// The endpoint, if it is one.
    pub fn endpoint_id(&self) -> Option<&EndpointId> {
        match self {
            Subject::Endpoint(id) => Some(id),
            Subject::Service(_) | Subject::ServiceIn(..) => None,
        }
    }

    /// The service, unless it is an endpoint.
    pub fn service_id(&self) -> Option<&ServiceId> {
        match self {
            Subject::Service(id) | Subject::ServiceIn(id, _) => Some(id),
            Subject::Endpoint(_) => None,
        }
    }

    /// The region, if there is one.
    pub fn region_id(&self) -> Option<&RegionId> {
        match self {
            Subject::ServiceIn(_, region) => Some(region),
            Subject::Endpoint(_) | Subject::Service(_) => None,
        }
    }
}
