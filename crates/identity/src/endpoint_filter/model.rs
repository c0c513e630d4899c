//! A choice of endpoints for a project.

use serde::{Deserialize, Serialize};
use types::ProjectId;

use crate::ids::{EndpointGroupId, EndpointId, key_of};

/// What was chosen for a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The project.
    pub project_id: ProjectId,
    /// What its catalog shows, and with it everything else that was chosen.
    pub chosen: Chosen,
}

/// An endpoint, or all that are in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// One endpoint.
    Endpoint(EndpointId),
    /// A group.
    Group(EndpointGroupId),
}

impl Chosen {
    /// `endpoint` or `group`.
    pub fn kind(&self) -> &'static str {
        match self {
            Chosen::Endpoint(_) => "endpoint",
            Chosen::Group(_) => "group",
        }
    }

    /// The id of what was chosen.
    pub fn id(&self) -> &str {
        match self {
            Chosen::Endpoint(id) => &id.0,
            Chosen::Group(id) => &id.0,
        }
    }
}

impl Choice {
    /// One key for the project and what was chosen.
    pub fn key(&self) -> String {
        key_of(&[self.project_id.as_str(), self.chosen.kind(), self.chosen.id()])
    }
}
