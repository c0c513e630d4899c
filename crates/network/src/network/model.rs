//! What a network is.

use serde::{Deserialize, Serialize};
use types::{NetworkId, ProjectId};

use crate::Error;
use crate::resource::{Label, Resource, Standard};

/// A network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Owner, name, times and the like.
    pub standard: Standard,
    /// Whether its ports pass traffic.
    pub admin_up: bool,
    /// Whether every project may have ports here.
    pub shared: bool,
    /// Whether it leads outside: routers and floating IPs of every project have their addresses here.
    pub external: bool,
    /// Whether auto-allocated topologies use it; only for external ones.
    #[serde(default)]
    pub is_default: bool,
    /// The largest packet of its ports.
    pub mtu: u32,
    /// Whether new ports get anti-spoofing and security groups unless they say otherwise.
    pub port_security: bool,
    /// How it is made.
    pub provider: Provider,
    /// Deleted for its owner; its row goes when no node has it any more.
    #[serde(default)]
    pub deleted: bool,
}

/// How a network is made underneath.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// A VXLAN segment.
    Vxlan {
        /// Its VXLAN network identifier.
        vni: u32,
    },
    /// Plain Ethernet.
    Flat {
        /// The operator's name for the wire.
        physical_network: String,
    },
}

impl Network {
    /// Its VNI, if it is a VXLAN segment.
    pub fn vni(&self) -> Option<u32> {
        match &self.provider {
            Provider::Vxlan { vni } => Some(*vni),
            Provider::Flat { .. } => None,
        }
    }
}

impl Resource for Network {
    const SINGULAR: &'static str = "network";
    const PLURAL: &'static str = "networks";

    fn table() -> &'static store::Table<Network> {
        &super::store::NETWORKS
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
        Error::NetworkNotFound { id }
    }
}

/// Who else may use a network; only administrators decide it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sharing {
    /// Shared with every project.
    pub shared: Option<bool>,
    /// External.
    pub external: Option<bool>,
    /// The default external one.
    pub is_default: Option<bool>,
}

/// A network that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkDraft {
    /// The owner, if it is not the caller's project.
    pub project_id: Option<ProjectId>,
    /// Name and description.
    pub label: Label,
    /// Whether its ports pass traffic; they do.
    pub admin_up: Option<bool>,
    /// Who else may use it.
    pub sharing: Sharing,
    /// The MTU, if smaller than what fits.
    pub mtu: Option<u32>,
    /// The default for its ports; on.
    pub port_security: Option<bool>,
    /// How it is to be made, if an administrator says so.
    pub provider: Option<Provider>,
}

/// What somebody wants to be different; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkChange {
    /// Name and description.
    pub label: Label,
    /// Whether its ports pass traffic.
    pub admin_up: Option<bool>,
    /// Who else may use it.
    pub sharing: Sharing,
    /// The MTU.
    pub mtu: Option<u32>,
    /// The default for new ports.
    pub port_security: Option<bool>,
}
