//! The data plane of one cloud on this host: the door through which the agent comes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use types::{PortId, RouterId, SecurityGroupId};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::external::{External, ExternalSpec};
use crate::filter::{GroupSpec, PortSpec};
use crate::netlink::Route;
use crate::netns::{Netns, list_namespaces, remove_namespace};
use crate::network::{Network, NetworkSpec, PortSeen, RemotePort, remove_links};
use crate::port;
use crate::router::{Router, RouterSeen, RouterSpec};
use crate::underlay::{Underlay, UnderlaySpec};

/// The data plane of one cloud on this host.
///
/// It remembers what it put into each namespace, so that a small change is a small act. A fresh one, after a restart
/// of the process, remembers nothing: the first `ensure_*` of each thing looks at what is there and sets it right
/// without disturbing packets that are still allowed.
#[derive(Debug)]
pub struct DataPlane {
    cloud: Cloud,
    underlay: Mutex<Option<Underlay>>,
    external: Mutex<Option<External>>,
    networks: Mutex<BTreeMap<u32, Arc<Mutex<Network>>>>,
    routers: Mutex<BTreeMap<RouterId, Arc<Mutex<Router>>>>,
}

impl DataPlane {
    /// The data plane of this cloud; nothing is made yet.
    pub fn new(cloud: Cloud) -> DataPlane {
        DataPlane {
            cloud,
            underlay: Mutex::default(),
            external: Mutex::default(),
            networks: Mutex::default(),
            routers: Mutex::default(),
        }
    }

    /// Whose data plane it is.
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// Makes the underlay's namespace. It comes before the first network.
    pub fn ensure_underlay(&self, spec: &UnderlaySpec) -> Result<()> {
        *lock(&self.underlay) = Some(Underlay::ensure(self.cloud, spec)?);
        Ok(())
    }

    /// Makes the external network's namespace.
    pub fn ensure_external(&self, spec: &ExternalSpec) -> Result<()> {
        let mut external = lock(&self.external);
        let mut open = match external.take() {
            Some(open) => open,
            None => External::open(self.cloud)?,
        };
        open.ensure(spec)?;
        *external = Some(open);
        Ok(())
    }

    /// Removes the external network's namespace.
    pub fn remove_external(&self) -> Result<()> {
        *lock(&self.external) = None;
        remove_open(&self.cloud.external_namespace())
    }

    /// Makes a network with all its ports as the spec says, and removes ports that it does not name.
    pub fn ensure_network(&self, spec: &NetworkSpec) -> Result<()> {
        let network = self.network_or_new(spec.vni)?;
        let mut underlay = lock(&self.underlay);
        let Some(underlay) = underlay.as_mut() else {
            let act = format!("create network {:x}", spec.vni);
            return Err(Error::unfit(act, "the underlay has not been ensured yet"));
        };
        lock(&network).ensure(spec, &mut underlay.overlay())
    }

    /// Makes or changes one port of a network that was ensured before.
    pub fn ensure_port(&self, vni: u32, spec: &PortSpec) -> Result<()> {
        self.with_network(vni, |network| network.ensure_port(spec))
    }

    /// Removes a port with its link, its rules and its connections.
    pub fn remove_port(&self, vni: u32, port: PortId) -> Result<()> {
        self.with_left_network(vni, |network| network.remove_port(port))
    }

    /// Makes or changes one security group in a network that was ensured before. Connections that it no longer
    /// allows are cut.
    pub fn ensure_group(&self, vni: u32, id: SecurityGroupId, spec: &GroupSpec) -> Result<()> {
        self.with_network(vni, |network| network.set_group(id, Some(spec)))
    }

    /// Replaces all security groups of a network that was ensured before.
    pub fn ensure_groups(&self, vni: u32, groups: &BTreeMap<SecurityGroupId, GroupSpec>) -> Result<()> {
        self.with_network(vni, |network| network.ensure_groups(groups))
    }

    /// Removes a security group from a network.
    pub fn remove_group(&self, vni: u32, id: SecurityGroupId) -> Result<()> {
        self.with_left_network(vni, |network| network.set_group(id, None))
    }

    /// Replaces what a network that was ensured before knows of other hosts.
    pub fn ensure_remotes(
        &self,
        vni: u32,
        peers: &BTreeSet<IpAddr>,
        ports: &BTreeSet<RemotePort>,
    ) -> Result<()> {
        self.with_network(vni, |network| network.set_remotes(peers, ports))
    }

    /// Opens the far end of a port's tap, to be handed to the VM's process. It can be open once at a time.
    pub fn open_tap(&self, vni: u32, port: PortId) -> Result<OwnedFd> {
        self.with_network(vni, |network| {
            let link = network.port(port).map(|port| port.link.clone());
            let link =
                link.ok_or_else(|| Error::unfit(format!("open tap of port {port}"), "there is none"))?;
            port::open_tap(&network.netns, &link)
        })
    }

    /// What is at each port of a network that was ensured before.
    pub fn observe_ports(&self, vni: u32) -> Result<BTreeMap<PortId, PortSeen>> {
        self.with_network(vni, Network::observe)
    }

    /// Removes a network with everything in it.
    pub fn remove_network(&self, vni: u32) -> Result<()> {
        let known = lock(&self.networks).remove(&vni);
        drop(known);
        remove_open(&self.cloud.network_namespace(vni))
    }

    /// Makes a router as the spec says. Its networks and the external network come first.
    pub fn ensure_router(&self, spec: &RouterSpec) -> Result<()> {
        let router = {
            let mut routers = lock(&self.routers);
            match routers.get(&spec.id) {
                Some(router) => Arc::clone(router),
                None => {
                    let router = Arc::new(Mutex::new(Router::open(self.cloud, spec.id)?));
                    Arc::clone(routers.entry(spec.id).or_insert(router))
                }
            }
        };
        lock(&router).ensure(self.cloud, spec)
    }

    /// What a router that was ensured before holds.
    pub fn observe_router(&self, id: RouterId) -> Result<Option<RouterSeen>> {
        let router = lock(&self.routers).get(&id).map(Arc::clone);
        router.map(|router| lock(&router).observe()).transpose()
    }

    /// Removes a router; its legs in the networks go with it.
    pub fn remove_router(&self, id: RouterId) -> Result<()> {
        let known = lock(&self.routers).remove(&id);
        drop(known);
        remove_open(&self.cloud.router_namespace(id))
    }

    /// The namespaces of this cloud on this host.
    pub fn list_namespaces(&self) -> Result<Vec<String>> {
        list_namespaces(self.cloud)
    }

    /// Removes everything that this cloud has on this host.
    pub fn remove_everything(&self) -> Result<()> {
        lock(&self.routers).clear();
        lock(&self.networks).clear();
        *lock(&self.external) = None;
        *lock(&self.underlay) = None;
        remove_everything(self.cloud)
    }

    fn network_or_new(&self, vni: u32) -> Result<Arc<Mutex<Network>>> {
        let mut networks = lock(&self.networks);
        if let Some(network) = networks.get(&vni) {
            return Ok(Arc::clone(network));
        }
        let network = Arc::new(Mutex::new(Network::open(self.cloud, vni)?));
        Ok(Arc::clone(networks.entry(vni).or_insert(network)))
    }

    fn with_network<T>(&self, vni: u32, act: impl FnOnce(&mut Network) -> Result<T>) -> Result<T> {
        let network = lock(&self.networks)
            .get(&vni)
            .map(Arc::clone)
            .ok_or_else(|| Error::unfit(format!("change network {vni:x}"), "it has not been ensured yet"))?;
        act(&mut lock(&network))
    }

    /// For removals: where there is no network, there is nothing to remove.
    fn with_left_network(&self, vni: u32, act: impl FnOnce(&mut Network) -> Result<()>) -> Result<()> {
        let known = lock(&self.networks).contains_key(&vni);
        if !known && Netns::open(&self.cloud.network_namespace(vni))?.is_none() {
            return Ok(());
        }
        self.with_network(vni, act)
    }
}

/// Removes everything that a cloud has on this host, whoever made it.
pub fn remove_everything(cloud: Cloud) -> Result<()> {
    list_namespaces(cloud)?.iter().try_for_each(|name| remove_open(name))
}

/// Removes a namespace's links, which frees their names and VNIs even while a process holds the namespace, and then
/// its name.
fn remove_open(name: &str) -> Result<()> {
    if let Some(netns) = Netns::open(name)? {
        remove_links(&mut Route::open(&netns)?)?;
    }
    remove_namespace(name)
}

/// A thread that panicked while it held the lock has left a namespace half changed, which the next `ensure_*` mends.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
