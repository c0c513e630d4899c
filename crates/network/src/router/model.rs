//! What a router is.

use serde::{Deserialize, Serialize};
use types::{HostId, NetworkId, PortId, ProjectId, RouterId, SubnetId};

use crate::Error;
use crate::port::FixedIpWish;
use crate::resource::{Label, Resource, Standard};
use crate::subnet::HostRoute;

/// How many extra routes a router can have, as in Neutron.
pub(crate) const ROUTES_MAX: usize = 30;

/// A router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Router {
    /// Its id.
    pub id: RouterId,
    /// Owner, name, times and the like.
    pub standard: Standard,
    /// Whether it forwards.
    pub admin_up: bool,
    /// Its way outside.
    pub gateway: Option<Gateway>,
    /// Extra routes.
    #[serde(default)]
    pub routes: Vec<HostRoute>,
    /// The host it is placed on.
    #[serde(default)]
    pub host: Option<HostId>,
    /// How far it is.
    pub phase: Phase,
    /// Deleted for its owner; its row goes when its host has let go of it.
    #[serde(default)]
    pub deleted: bool,
}

/// A router's way outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// The external network.
    pub network_id: NetworkId,
    /// The port that holds the router's addresses there.
    pub port_id: PortId,
    /// Whether IPv4 from inside leaves with the router's own address.
    pub snat: bool,
}

/// How far a router is.
///
/// ```text
/// Idle ──first leg──▶ Building ──host has it──▶ Up ◀──▶ Down
///   ▲──────────────────last leg gone─────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It has no legs, so there is nothing to be made.
    Idle,
    /// A host is to make it.
    Building,
    /// Its host has it.
    Up,
    /// Its host had it and has it no more.
    Down,
}

impl Router {
    /// Its state in the API's words. One that has nothing to do is as active as it can be.
    pub fn status(&self) -> &'static str {
        match self.phase {
            Phase::Idle | Phase::Up => "ACTIVE",
            Phase::Building => "BUILD",
            Phase::Down => "DOWN",
        }
    }
}

impl Resource for Router {
    const SINGULAR: &'static str = "router";
    const PLURAL: &'static str = "routers";

    fn table() -> &'static store::Table<Router> {
        &super::store::ROUTERS
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn is_deleted(&self) -> bool {
        self.deleted
    }

    fn not_found(id: String) -> Error {
        Error::RouterNotFound { id }
    }
}

/// A way outside that somebody wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GatewayWish {
    /// The external network; none takes the gateway away.
    pub network_id: Option<NetworkId>,
    /// Whether IPv4 from inside leaves with the router's own address; it does.
    pub snat: Option<bool>,
    /// The router's addresses there; one of each family.
    pub fixed_ips: Option<Vec<FixedIpWish>>,
}

/// A router that somebody wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouterDraft {
    /// The owner, if it is not the caller's project.
    pub project_id: Option<ProjectId>,
    /// Name and description.
    pub label: Label,
    /// Whether it forwards; it does.
    pub admin_up: Option<bool>,
    /// Its way outside.
    pub gateway: Option<GatewayWish>,
}

/// What somebody wants to be different; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouterChange {
    /// Name and description.
    pub label: Label,
    /// Whether it forwards.
    pub admin_up: Option<bool>,
    /// Its way outside.
    pub gateway: Option<GatewayWish>,
    /// Extra routes.
    pub routes: Option<Vec<HostRoute>>,
}

/// Which leg a client means: that in a subnet, that of a port, or one that is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// The subnet.
    pub subnet_id: Option<SubnetId>,
    /// The port.
    pub port_id: Option<PortId>,
}
