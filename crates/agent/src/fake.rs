//! A node's networking and copies in memory, for simulations.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use agent_api::block::{Copied, CopySeen};
use agent_api::compute::Vm;
use agent_api::network::{External, Network, Port, Router};
use storage::{DiskFormat, ImageStore, Upload};
use types::{CopyId, ImageId, PortId, RouterId};

use crate::copies::{Copier, Job, Target};
use crate::effects::{Event, Fabric, NetworkView};
use crate::trouble::Trouble;
use crate::vms::words;

/// How many bytes an image has that a simulated host makes.
const FAKE_IMAGE_BYTES: usize = 1 << 20;

/// What is on a simulated node, open to a simulation's invariants. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct World(Arc<Mutex<Things>>);

/// The things themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Things {
    /// Networks by VNI, with the ids of their ports.
    pub networks: BTreeMap<u32, BTreeSet<PortId>>,
    /// Routers.
    pub routers: BTreeSet<RouterId>,
    /// Whether the external network is there.
    pub external: bool,
    /// How many of the next changes fail.
    pub failing: u32,
}

impl World {
    /// A copy of what is there now.
    pub fn look(&self) -> Things {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the next changes fail.
    pub fn fail_next(&self, changes: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failing = changes;
    }

    /// The host was restarted: its kernel knows nothing of all this any more.
    pub fn restart_host(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Things::default();
    }

    fn change(&self, f: impl FnOnce(&mut Things)) -> Result<(), String> {
        let mut things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if things.failing > 0 {
            things.failing -= 1;
            return Err("the simulated kernel refuses".to_owned());
        }
        f(&mut things);
        Ok(())
    }
}

/// The fake fabric: guests take their leases and greet by ssh as soon as they are looked for.
pub struct FakeFabric {
    world: World,
    events: Sender<Event>,
}

impl FakeFabric {
    /// A fabric over a world that may outlive it.
    pub fn new(world: World, events: Sender<Event>) -> FakeFabric {
        FakeFabric { world, events }
    }
}

impl Fabric for FakeFabric {
    fn ensure_external(&mut self, _external: &External) -> Result<(), String> {
        self.world.change(|things| things.external = true)
    }

    fn ensure_network(&mut self, view: &NetworkView) -> Result<(), String> {
        let ports = view.ports.iter().map(|port| port.id).collect();
        self.world.change(|things| {
            things.networks.insert(view.network.vni, ports);
        })
    }

    fn ensure_router(&mut self, router: &Router, networks: &[Network]) -> Result<(), String> {
        let missing =
            router.interfaces.iter().find(|leg| !networks.iter().any(|network| network.id == leg.network_id));
        if let Some(leg) = missing {
            return Err(format!("network {} is not on this host yet", leg.network_id));
        }
        self.world.change(|things| {
            things.routers.insert(router.id);
        })
    }

    fn remove_network(&mut self, vni: u32) -> Result<(), String> {
        self.world.change(|things| {
            things.networks.remove(&vni);
        })
    }

    fn remove_router(&mut self, id: RouterId) -> Result<(), String> {
        self.world.change(|things| {
            things.routers.remove(&id);
        })
    }

    fn remove_external(&mut self) -> Result<(), String> {
        self.world.change(|things| things.external = false)
    }

    fn retain(&mut self, vnis: &BTreeSet<u32>, routers: &BTreeSet<RouterId>) -> Result<(), String> {
        self.world.change(|things| {
            things.networks.retain(|vni, _| vnis.contains(vni));
            things.routers.retain(|id| routers.contains(id));
        })
    }

    fn open_tap(&mut self, vni: u32, port: PortId) -> Result<OwnedFd, String> {
        if !self.world.look().networks.get(&vni).is_some_and(|ports| ports.contains(&port)) {
            return Err(format!("network {vni:x} has no port {port}"));
        }
        std::fs::File::open("/dev/null").map(OwnedFd::from).map_err(|e| format!("cannot open /dev/null: {e}"))
    }

    fn set_metadata(&mut self, _port: PortId, _about: Option<(&Vm, &str)>) {}

    fn probe_ssh(&mut self, _network: &Network, port: &Port) {
        let at = runtime::now();
        let address = port.fixed_ips.first().copied();
        let lease = address.map(|address| Event::DhcpLease { port: port.id, address, at });
        let banner = Some("SSH-2.0-simulated".to_owned());
        let greeted = Event::SshProbe { port: port.id, banner, at };
        for event in lease.into_iter().chain([greeted]) {
            // The agent that listened may be gone with its simulation.
            let _ = self.events.send(event);
        }
    }
}

/// Makes copies in no time, of nothing: an image it makes has as many zeros as the disk would have. It is done at the
/// second look, so that whoever waits for it has to.
#[derive(Default)]
pub struct FakeCopier {
    begun: BTreeSet<CopyId>,
    done: BTreeMap<CopyId, Copied>,
    images: Option<Arc<dyn ImageStore>>,
}

impl FakeCopier {
    /// Copies to this store of images.
    pub fn new(images: Arc<dyn ImageStore>) -> FakeCopier {
        FakeCopier { images: Some(images), ..FakeCopier::default() }
    }

    fn image(&self, image: ImageId, format: DiskFormat) -> Result<Copied, String> {
        let images = self.images.as_ref().ok_or("this simulated host has no store of images")?;
        let upload = Upload { image, format, size_bytes_max: u64::MAX, enforce: false };
        let mut writer = images.writer(&upload).map_err(words)?;
        writer.write(&[0; FAKE_IMAGE_BYTES]).map_err(words)?;
        let stored = writer.finish().map_err(words)?;
        Ok(Copied {
            size_bytes: stored.size_bytes,
            virtual_size_bytes: stored.virtual_size_bytes,
            md5: Some(stored.md5),
            sha512: Some(stored.sha512),
            objects: 0,
        })
    }
}

impl Copier for FakeCopier {
    fn ensure(&mut self, job: &Job) -> Result<CopySeen, Trouble> {
        if self.begun.insert(job.id) {
            return Ok(CopySeen::default());
        }
        let copied = match &job.to {
            Target::Disk(_) | Target::Encrypted(..) | Target::Nothing => Copied::default(),
            Target::Backup(..) | Target::Check => Copied { objects: 2, ..Copied::default() },
            Target::Image(image, format) => self.image(*image, *format)?,
        };
        self.done.insert(job.id, copied.clone());
        Ok(CopySeen { percent: 100, done: Some(copied) })
    }

    fn done(&self, id: CopyId) -> Option<Copied> {
        self.done.get(&id).cloned()
    }

    fn remove(&mut self, id: CopyId) -> Result<(), String> {
        self.begun.remove(&id);
        self.done.remove(&id);
        Ok(())
    }
}
