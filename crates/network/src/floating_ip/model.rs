//! What a floating IP is.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use types::{FloatingIpId, NetworkId, PortId, ProjectId, RouterId, SubnetId};

use crate::Error;
use crate::resource::{Label, Resource, Standard};

/// A floating IP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FloatingIp {
    /// Its id.
    pub id: FloatingIpId,
    /// Owner, times and the like; a floating IP has no name.
    pub standard: Standard,
    /// The external network.
    pub network_id: NetworkId,
    /// The address outside.
    pub address: Ipv4Addr,
    /// The port that holds the address.
    pub holder: PortId,
    /// Where it leads.
    #[serde(default)]
    pub association: Option<Association>,
    /// Whether its router translates it.
    #[serde(default)]
    pub active: bool,
}

/// Where a floating IP leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// The port.
    pub port_id: PortId,
    /// Which of the port's addresses.
    pub fixed_ip: Ipv4Addr,
    /// The router in between.
    pub router_id: RouterId,
}

impl FloatingIp {
    /// Its state in the API's words.
    pub fn status(&self) -> &'static str {
        if self.association.is_some() && self.active { "ACTIVE" } else { "DOWN" }
    }

    /// The port that it leads to.
    pub fn port_id(&self) -> Option<PortId> {
        self.association.as_ref().map(|association| association.port_id)
    }

    /// The address that it leads to.
    pub fn fixed_ip(&self) -> Option<IpAddr> {
        self.association.as_ref().map(|association| association.fixed_ip.into())
    }

    /// The router that translates it.
    pub fn router_id(&self) -> Option<RouterId> {
        self.association.as_ref().map(|association| association.router_id)
    }
}

impl Resource for FloatingIp {
    const SINGULAR: &'static str = "floatingip";
    const PLURAL: &'static str = "floatingips";

    fn table() -> &'static store::Table<FloatingIp> {
        &super::store::FLOATING_IPS
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn not_found(id: String) -> Error {
        Error::FloatingIPNotFound { id }
    }
}

/// Where somebody wants a floating IP to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssociationWish {
    /// The port.
    pub port_id: PortId,
    /// Which of its addresses; its first IPv4 one.
    pub fixed_ip: Option<IpAddr>,
}

/// A floating IP that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatingIpDraft {
    /// The owner, if it is not the caller's project.
    pub project_id: Option<ProjectId>,
    /// A description.
    pub label: Label,
    /// The external network.
    pub network_id: NetworkId,
    /// One of the network's subnets.
    pub subnet_id: Option<SubnetId>,
    /// The address.
    pub address: Option<Ipv4Addr>,
    /// Where it is to lead.
    pub association: Option<AssociationWish>,
}

/// What somebody wants to be different; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FloatingIpChange {
    /// A description.
    pub label: Label,
    /// Where it is to lead; `Some(None)` is nowhere.
    pub association: Option<Option<AssociationWish>>,
}
