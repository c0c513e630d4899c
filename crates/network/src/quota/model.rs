//! What is limited, and to how much.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::ProjectId;

/// Kinds of things that projects have a limited number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limited {
    /// Networks.
    Network,
    /// Subnets.
    Subnet,
    /// Subnet pools.
    Subnetpool,
    /// Ports.
    Port,
    /// Routers.
    Router,
    /// Floating IPs.
    Floatingip,
    /// Security groups.
    SecurityGroup,
    /// Rules of security groups.
    SecurityGroupRule,
}

impl Limited {
    /// All of them.
    pub const ALL: [Limited; 8] = [
        Limited::Network,
        Limited::Subnet,
        Limited::Subnetpool,
        Limited::Port,
        Limited::Router,
        Limited::Floatingip,
        Limited::SecurityGroup,
        Limited::SecurityGroupRule,
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Limited::Network => "network",
            Limited::Subnet => "subnet",
            Limited::Subnetpool => "subnetpool",
            Limited::Port => "port",
            Limited::Router => "router",
            Limited::Floatingip => "floatingip",
            Limited::SecurityGroup => "security_group",
            Limited::SecurityGroupRule => "security_group_rule",
        }
    }

    /// How many a project may have unless an administrator says otherwise: Neutron's defaults. -1 is no limit.
    pub fn default_limit(self) -> i64 {
        match self {
            Limited::Network | Limited::Subnet | Limited::SecurityGroupRule => 100,
            Limited::Subnetpool => -1,
            Limited::Port => 500,
            Limited::Router | Limited::SecurityGroup => 10,
            Limited::Floatingip => 50,
        }
    }
}

/// The limits that an administrator set for a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The project.
    pub project_id: ProjectId,
    /// What differs from the defaults.
    pub set: BTreeMap<Limited, i64>,
}

impl Limits {
    /// The limit of a kind.
    pub fn of(&self, what: Limited) -> i64 {
        self.set.get(&what).copied().unwrap_or_else(|| what.default_limit())
    }
}
