//! A node's networking and copies in memory, for simulations.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use agent_api::block::{Copied, CopySeen};
use agent_api::compute::Vm;
use agent_api::network::{External, Network, Port, Router};
use serde_json::Value as Json;
use storage::backup;
use storage::objects::Objects;
use storage::qcow2::Header;
use storage::{DiskFormat, ImageStore, Upload};
use types::{CopyId, ImageId, PortId, RouterId};

use crate::copies::{Copier, Job, Origin, Target, copied_backup};
use crate::effects::{Event, Fabric, NetworkView};
use crate::trouble::Trouble;
use crate::vms::words;

/// How much of a file has its header.
const HEAD_BYTES: u64 = 64 << 10;
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

/// Makes copies in no time, of zeros: what it makes is as large as what real ones make of an empty disk. It is done at the
/// second look, so that whoever waits for it has to.
#[derive(Default)]
pub struct FakeCopier {
    begun: BTreeSet<CopyId>,
    done: BTreeMap<CopyId, Copied>,
    places: Option<(Arc<dyn ImageStore>, Arc<dyn Objects>)>,
}

impl FakeCopier {
    /// Copies to this store of images, and keeps backups here.
    pub fn new(images: Arc<dyn ImageStore>, backups: Arc<dyn Objects>) -> FakeCopier {
        FakeCopier { places: Some((images, backups)), ..FakeCopier::default() }
    }

    fn make(&self, job: &Job) -> Result<Copied, String> {
        let places = self.places.as_ref().ok_or("this simulated host has no place for copies");
        let backups = places.map(|(_, backups)| backups.as_ref());
        match (&job.from, &job.to) {
            (Origin::Disk(tree), Target::Backup(id, parent)) => {
                let size_bytes = size_bytes(&tree.nodes)?;
                let stored = backup::write_zeros(size_bytes, (*id, *parent), backups?).map_err(words)?;
                Ok(copied_backup(stored))
            }
            (Origin::Backup(id), Target::Check) => {
                Ok(copied_backup(backup::check(*id, backups?).map_err(words)?))
            }
            (Origin::Backup(id), Target::Disk(_) | Target::Encrypted(..)) => {
                backup::check(*id, backups?).map(|_| Copied::default()).map_err(words)
            }
            (Origin::Backup(id), Target::Nothing) => {
                backup::remove(*id, backups?).map(|()| Copied::default()).map_err(words)
            }
            (_, Target::Image(image, format)) => self.image(*image, *format),
            _ => Ok(Copied::default()),
        }
    }

    fn image(&self, image: ImageId, format: DiskFormat) -> Result<Copied, String> {
        let (images, _) = self.places.as_ref().ok_or("this simulated host has no store of images")?;
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
        let copied = self.make(job)?;
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

/// How large the disk is that a tree of block nodes shows: in memory, or as a file, of which no more than the header is read.
fn size_bytes(nodes: &Json) -> Result<u64, String> {
    let failed = |e: std::io::Error| format!("cannot look at a disk: {e}");
    let path = |nodes: &Json| nodes["filename"].as_str().unwrap_or_default().to_owned();
    match (nodes["driver"].as_str(), nodes["size"].as_u64()) {
        (_, Some(size)) => Ok(size),
        (Some("file"), _) => Ok(std::fs::metadata(path(nodes)).map_err(failed)?.len()),
        (Some("qcow2"), _) => {
            let mut head = Vec::new();
            let file = std::fs::File::open(path(&nodes["file"])).map_err(failed)?;
            file.take(HEAD_BYTES).read_to_end(&mut head).map_err(failed)?;
            let header = Header::parse(&head).map_err(|why| format!("cannot read a disk: {why:?}"))?;
            Ok(header.size_bytes)
        }
        (Some("raw"), _) => size_bytes(&nodes["file"]),
        (driver, _) => Err(format!("no simulated host can read a disk of {driver:?}")),
    }
}
