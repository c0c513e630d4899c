//! What VMs ask of their network, answered on the node from what the control plane knows: DHCP, router
//! advertisements and metadata.
//!
//! One thread serves all namespaces of the node; there is no process, configuration file or lease file per
//! network. Tables are set by the agent and compared with the last ones, so setting them again costs little. The
//! answers are pure functions from bytes to bytes ([`dhcp4`], [`dhcp6`], [`ra`], [`http`], [`metadata`]); only
//! `engine` and what it calls touches sockets.
//!
//! Invariants: nobody who is not in a network's table is answered; no answer waits for anything; what is
//! received never panics the thread; every queue and every connection has a bound.

mod advertise;
mod connection;
pub mod dhcp4;
pub mod dhcp6;
mod engine;
mod event;
pub mod http;
pub mod metadata;
mod pushed;
pub mod ra;
mod serve;
mod sockets;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use nix::sys::eventfd::{EfdFlags, EventFd};
use types::PortId;

pub use event::{Observed, Seen};
pub use metadata::{InstanceMetadata, MetadataSource, PublicKey};
pub use table::{
    Ipv6Mode, LEASE_SECONDS_DEFAULT, NetworkTable, Port, Prefix, RouterInterface, RouterTable, SERVICE_V4,
    SERVICE_V6, SubnetV4, SubnetV6,
};

use crate::error::{Doing, Error, Result};
use advertise::Parting;
use engine::{Change, Command, Engine};
use pushed::MetadataTable;
use sockets::{Identity, LegSocket, NetworkSockets, open_namespace};

/// The responder of a node. All methods may be called from any thread; they return when the change is in force.
pub struct Responder {
    commands: Sender<Command>,
    wake: Arc<EventFd>,
    metadata: Arc<MetadataTable>,
    held: Mutex<Held>,
    thread: Option<JoinHandle<()>>,
}

/// What was set last, to tell what changed. Sockets are closed by whoever replaces them and not by the
/// responder's thread, because the kernel takes its time to close a packet socket.
#[derive(Default)]
struct Held {
    networks: BTreeMap<String, (Arc<NetworkTable>, Arc<NetworkSockets>)>,
    routers: BTreeMap<String, (RouterTable, BTreeMap<String, Arc<LegSocket>>)>,
}

impl Responder {
    /// Starts the responder's thread. What is seen goes to `events`; when that is full it is dropped.
    pub fn start(events: SyncSender<Observed>) -> Result<Responder> {
        Responder::start_over(events, None)
    }

    /// Starts it with a source of metadata for ports that none was pushed for.
    pub fn start_with_source(
        events: SyncSender<Observed>,
        source: Arc<dyn MetadataSource>,
    ) -> Result<Responder> {
        Responder::start_over(events, Some(source))
    }

    fn start_over(
        events: SyncSender<Observed>,
        source: Option<Arc<dyn MetadataSource>>,
    ) -> Result<Responder> {
        let act = || "start the responder";
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).doing(act)?;
        let wake = Arc::new(wake);
        let metadata = Arc::new(MetadataTable::new(source));
        let (commands, queue) = mpsc::channel();
        let engine = Engine::new(wake.clone(), queue, events, metadata.clone()).doing(act)?;
        let thread = runtime::spawn_thread("responder", move || engine.run()).doing(act)?;
        Ok(Responder { commands, wake, metadata, held: Mutex::default(), thread: Some(thread) })
    }

    /// Serves a network in the namespace of this name, whose bridge must be there. Opens sockets anew where the
    /// namespace or the bridge was replaced; does next to nothing when all is as it was.
    pub fn set_network(&self, ns: &str, table: NetworkTable) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let netns = match open_namespace(ns) {
            Ok(netns) => netns,
            Err(error) => {
                // Sockets of a namespace without a name would keep it alive for nothing.
                self.forget_network(&mut held, ns)?;
                return Err(error);
            }
        };
        let identity = Identity::of(&netns)?;
        let sockets = match held.networks.get(ns) {
            Some((old, sockets)) if sockets.serve(identity, &table.device) => {
                if **old == table {
                    return Ok(());
                }
                sockets.clone()
            }
            _ => {
                // The addresses can be bound once only.
                self.forget_network(&mut held, ns)?;
                Arc::new(NetworkSockets::open(&netns, &table.device)?)
            }
        };
        let table = Arc::new(table);
        self.send(Change::SetNetwork(ns.to_owned(), table.clone(), sockets.clone()))?;
        held.networks.insert(ns.to_owned(), (table, sockets));
        Ok(())
    }

    /// Stops serving a network and lets go of its namespace.
    pub fn remove_network(&self, ns: &str) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.forget_network(&mut held, ns)
    }

    fn forget_network(&self, held: &mut Held, ns: &str) -> Result<()> {
        if held.networks.contains_key(ns) {
            self.send(Change::RemoveNetwork(ns.to_owned()))?;
            held.networks.remove(ns);
        }
        Ok(())
    }

    /// Advertises a router on its legs. A leg that is no longer in the table is taken leave of. Fails when a leg
    /// has no device yet; the others are advertised all the same.
    pub fn set_router(&self, ns: &str, table: RouterTable) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let netns = match open_namespace(ns) {
            Ok(netns) => netns,
            Err(error) => {
                self.forget_router(&mut held, ns, Parting::Silent)?;
                return Err(error);
            }
        };
        let identity = Identity::of(&netns)?;
        let old = held.routers.get(ns);
        let mut legs = BTreeMap::new();
        let mut changed = old.is_none_or(|(old, _)| *old != table);
        let mut failure = None;
        for device in table.interfaces.keys() {
            let kept = old.and_then(|(_, legs)| legs.get(device)).filter(|leg| leg.serves(identity, device));
            let leg = match kept.cloned() {
                Some(leg) => leg,
                None => {
                    changed = true;
                    match LegSocket::open(&netns, device) {
                        Ok(leg) => Arc::new(leg),
                        // One leg that is not ready does not silence the others.
                        Err(error) => {
                            failure = Some(error);
                            continue;
                        }
                    }
                }
            };
            legs.insert(device.clone(), leg);
        }
        if changed {
            self.send(Change::SetRouter(ns.to_owned(), table.clone(), legs.clone()))?;
            held.routers.insert(ns.to_owned(), (table, legs));
        }
        failure.map_or(Ok(()), Err)
    }

    /// Stops advertising a router: hosts are told to forget it, and its namespace is let go of. To be called
    /// before the router's devices are removed, else hosts find out by themselves minutes later.
    pub fn remove_router(&self, ns: &str) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.forget_router(&mut held, ns, Parting::Leaving)
    }

    /// Stops advertising a router without a word, because another node does so from now on. A good-bye that came
    /// after the other's first advertisement would take the hosts' default route away.
    pub fn release_router(&self, ns: &str) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.forget_router(&mut held, ns, Parting::Silent)
    }

    fn forget_router(&self, held: &mut Held, ns: &str, parting: Parting) -> Result<()> {
        if held.routers.contains_key(ns) {
            self.send(Change::RemoveRouter(ns.to_owned(), parting))?;
            held.routers.remove(ns);
        }
        Ok(())
    }

    /// What the server behind a port reads about itself; `None`: nothing, and 404.
    pub fn set_metadata(&self, port: PortId, metadata: Option<Arc<InstanceMetadata>>) {
        self.metadata.set(port, metadata);
    }

    /// Hands a change to the thread and waits until it is made.
    fn send(&self, what: Change) -> Result<()> {
        let gone = || Error::unfit("change what the responder serves", "its thread has ended");
        let (done, finished) = mpsc::sync_channel(1);
        self.commands.send(Command { what, done }).map_err(|_| gone())?;
        self.wake.write(1).doing(|| "wake the responder")?;
        finished.recv().map_err(|_| gone())
    }
}

impl Drop for Responder {
    /// Ends the thread. Routers are not said to leave: they go on routing while the agent restarts.
    fn drop(&mut self) {
        // The thread drops `done` unanswered, which is no error here.
        let _ = self.send(Change::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
