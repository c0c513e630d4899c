//! What belongs to an auto-allocated topology.

use serde::{Deserialize, Serialize};
use types::{NetworkId, ProjectId, RouterId, SubnetId};

/// The topology of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoTopology {
    /// The project.
    pub project_id: ProjectId,
    /// Its network.
    pub network_id: NetworkId,
    /// The network's subnets.
    pub subnets: Vec<SubnetId>,
    /// The router that they are on.
    pub router_id: RouterId,
}
