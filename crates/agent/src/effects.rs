//! What the agent acts through. A simulation replaces each of these.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use agent_api::compute::Vm;
use agent_api::network::{External, Network, Port, Router, SecurityGroup};
use hypervisor::Hypervisor;
use types::{PortId, RouterId, Timestamp};

use crate::backends::Backends;
use crate::copies::Copier;
use crate::moved::Moved;

/// A network as it should be on this node: its document and those that belong to it.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkView {
    /// The network.
    pub network: Network,
    /// Its ports on this node.
    pub ports: Vec<Port>,
    /// The groups of those ports.
    pub groups: Vec<SecurityGroup>,
}

/// The node's networking. Errors are words for the owner and the operator.
pub trait Fabric: Send {
    /// Makes the external network as the document says.
    fn ensure_external(&mut self, external: &External) -> Result<(), String>;
    /// Makes a network with its ports and groups so, and answers DHCP and metadata in it.
    fn ensure_network(&mut self, view: &NetworkView) -> Result<(), String>;
    /// Makes a router so. `networks` are those that its legs are in.
    fn ensure_router(&mut self, router: &Router, networks: &[Network]) -> Result<(), String>;
    /// Removes a network and all that is in it.
    fn remove_network(&mut self, vni: u32) -> Result<(), String>;
    /// Removes a router.
    fn remove_router(&mut self, id: RouterId) -> Result<(), String>;
    /// Removes the external network.
    fn remove_external(&mut self) -> Result<(), String>;
    /// Removes networks and routers of this cloud that are not among these.
    fn retain(&mut self, vnis: &BTreeSet<u32>, routers: &BTreeSet<RouterId>) -> Result<(), String>;
    /// The VM's end of a port.
    fn open_tap(&mut self, vni: u32, port: PortId) -> Result<OwnedFd, String>;
    /// Tells whoever asks the metadata service from this port about the VM, and which password the VM has posted.
    fn set_metadata(&mut self, port: PortId, about: Option<(&Vm, &str)>);
    /// Looks for an ssh server at a port's address, in the background; the answer comes as an event.
    fn probe_ssh(&mut self, network: &Network, port: &Port);
}

/// Everything a node can do.
pub struct Effects {
    /// Its networking.
    pub fabric: Box<dyn Fabric>,
    /// Its VMs.
    pub hypervisor: Box<dyn Hypervisor>,
    /// Where its disks are.
    pub backends: Backends,
    /// Which of them are elsewhere than their documents say.
    pub moved: Moved,
    /// What copies them.
    pub copier: Box<dyn Copier>,
}

/// Something that happened on the node by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The VM changed its state: the agent looks at it again.
    Vm(types::ServerId),
    /// The VM has merged layers of a disk, or mirrored it: the agent looks at its volumes again.
    DiskWork(types::ServerId),
    /// A copy ended: the agent looks at it again.
    Copy(types::CopyId),
    /// A guest took a DHCP lease.
    DhcpLease {
        /// The port.
        port: PortId,
        /// The address.
        address: std::net::IpAddr,
        /// When.
        at: Timestamp,
    },
    /// A guest read its metadata.
    MetadataRead {
        /// The port.
        port: PortId,
        /// What it asked for.
        path: String,
        /// When.
        at: Timestamp,
    },
    /// A guest posted its password.
    PasswordPosted {
        /// The port.
        port: PortId,
        /// The password, encrypted.
        password: String,
    },
    /// An ssh server greeted at a port's address, or did not.
    SshProbe {
        /// The port.
        port: PortId,
        /// The banner.
        banner: Option<String>,
        /// When.
        at: Timestamp,
    },
}
