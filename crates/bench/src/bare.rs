//! A guest without a control plane: QEMU with the arguments that Cuttle gave it, in a network made from the documents
//! that the agent had.

use std::fs::{self, File};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use agent::Linux;
use agent::effects::{Event, Fabric, NetworkView};
use agent_api::compute::Vm;
use agent_api::network::{External, Network, Port, Router, SecurityGroup};
use anyhow::{Context, Result, anyhow};
use hypervisor::qemu::process::{Launch, Process};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use storage::file::{FileConfig, FileVolumes};
use storage::{GIB, NewVolume, Source, VolumeBackend};
use tempfile::TempDir;
use types::VolumeId;

use crate::boot::{Cost, await_banner};
use crate::machine;

/// How long QEMU may take to end.
const END_TIME_MAX: Duration = Duration::from_secs(10);

/// What is to be known of a server that ran, to boot it again by hand.
pub struct Recipe {
    program: PathBuf,
    arguments: Vec<String>,
    /// What is replaced in the arguments: where the sockets were, where the disk and the console's log.
    server: String,
    run_dir: PathBuf,
    cloud_dir: PathBuf,
    address: IpAddr,
    vm: Vm,
    view: NetworkView,
    routers: Vec<Router>,
    externals: Vec<External>,
}

impl Recipe {
    /// Takes it from a running VM and the documents of its node.
    pub fn take(pid: u32, server: &str, run_dir: &Path, cloud_dir: &Path, address: IpAddr) -> Result<Recipe> {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).context("cannot read QEMU's arguments")?;
        let mut arguments =
            arguments.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        arguments.next();
        let mut arguments: Vec<String> = arguments.collect();
        // The last one ends with a zero too.
        arguments.pop();
        let program = fs::read_link(format!("/proc/{pid}/exe")).context("cannot find QEMU's program")?;
        let vms = documents::<Vm>(cloud_dir, "vm")?;
        let vm = vms.into_iter().find(|vm| vm.id.to_string() == server).context("the VM has no document")?;
        let nic = vm.nics.first().context("the VM has no network card")?.port_id;
        let mut ports = documents::<Port>(cloud_dir, "port")?;
        ports.retain(|port| port.id == nic);
        let network_id = ports.first().context("the port has no document")?.network_id;
        let networks = documents::<Network>(cloud_dir, "network")?;
        let network = networks.into_iter().find(|network| network.id == network_id);
        let groups = documents::<SecurityGroup>(cloud_dir, "security_group")?;
        Ok(Recipe {
            program,
            arguments,
            server: server.to_owned(),
            run_dir: run_dir.to_owned(),
            cloud_dir: cloud_dir.to_owned(),
            address,
            vm,
            view: NetworkView { network: network.context("the network has no document")?, ports, groups },
            routers: documents(cloud_dir, "router")?,
            externals: documents(cloud_dir, "external")?,
        })
    }

    /// The arguments with other places and descriptors.
    fn arguments(&self, disk: VolumeId, run_dir: &Path, qmp: i32, tap: i32) -> Vec<String> {
        let (old_run, new_run) = (self.run_dir.to_string_lossy(), run_dir.to_string_lossy());
        let (old_log, new_log) = (format!("{}.console", self.server), format!("{disk}.console"));
        let (old_disk, new_disk) = (format!("/volumes/{}/", self.server), format!("/volumes/{disk}/"));
        let replaced = |argument: &String| {
            let text = argument.replace(&*old_run, &new_run).replace(&old_log, &new_log);
            let text = text.replace(&old_disk, &new_disk);
            match text.split_once(",fd=") {
                Some((head, tail)) => {
                    let rest = tail.find(',').map_or("", |at| &tail[at..]);
                    let fd = if head.starts_with("tap,") { tap } else { qmp };
                    format!("{head},fd={fd}{rest}")
                }
                None => text,
            }
        };
        self.arguments.iter().map(replaced).collect()
    }
}

/// The bodies of an agent's documents of one kind.
pub fn documents<T: DeserializeOwned>(cloud_dir: &Path, kind: &str) -> Result<Vec<T>> {
    let mut bodies = Vec::new();
    for entry in fs::read_dir(cloud_dir.join("agent/documents")).context("cannot list the documents")? {
        let path = entry?.path();
        let Ok(text) = fs::read(&path) else { continue };
        let Ok(mut kept) = serde_json::from_slice::<Json>(&text) else { continue };
        if kept["key"]["kind"] == kind && kept["removing"] == false {
            let body = serde_json::from_value(kept["body"].take());
            bodies.push(body.with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    Ok(bodies)
}

/// A network of its own, served and ready, and QEMU to be started in it.
pub struct Bare {
    recipe: Recipe,
    cloud: linux_net::Cloud,
    fabric: std::sync::Mutex<Linux>,
    run_dir: TempDir,
    /// What the responder tells; nobody listens.
    _events: Receiver<Event>,
}

impl Bare {
    /// Makes the network.
    pub fn new(recipe: Recipe) -> Result<Bare> {
        let (sender, events) = channel();
        let cloud = linux_net::Cloud::random();
        let fabric = Linux::start(cloud, &sender).map_err(|e| anyhow!(e))?;
        let run_dir = tempfile::Builder::new().prefix("cuttle-bench-").tempdir_in("/run")?;
        let bare = Bare { recipe, cloud, fabric: fabric.into(), run_dir, _events: events };
        bare.make_network().map_err(|e| anyhow!("cannot make the network without a control plane: {e}"))?;
        Ok(bare)
    }

    fn make_network(&self) -> Result<(), String> {
        let (recipe, mut fabric) = (&self.recipe, self.fabric());
        recipe.externals.iter().try_for_each(|external| fabric.ensure_external(external))?;
        fabric.ensure_network(&recipe.view)?;
        let networks = [recipe.view.network.clone()];
        recipe.routers.iter().try_for_each(|router| fabric.ensure_router(router, &networks))?;
        for nic in &recipe.vm.nics {
            fabric.set_metadata(nic.port_id, Some((&recipe.vm, "")));
        }
        Ok(())
    }

    fn fabric(&self) -> std::sync::MutexGuard<'_, Linux> {
        self.fabric.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Boots the guest from a fresh clone and ends it. Only what QEMU and the guest do is counted.
    pub fn boot(&self) -> Result<Cost> {
        let volumes = FileVolumes::open(&FileConfig::new(&self.recipe.cloud_dir))?;
        let disk = VolumeId(runtime::new_uuid());
        let root = self.recipe.vm.root_disk.as_ref().context("the VM has no root disk")?;
        let format = root.image.format.parse().map_err(|_| anyhow!("{} is no format", root.image.format))?;
        let source = Source::Image { id: root.image.id, format };
        volumes.ensure_volume(&NewVolume {
            id: disk,
            size_bytes: root.size_gib * GIB,
            source,
            multiattach: false,
        })?;
        let cost = self.run(disk);
        volumes.remove_volume(disk)?;
        cost
    }

    fn run(&self, disk: VolumeId) -> Result<Cost> {
        let recipe = &self.recipe;
        let dir = self.run_dir.path().join(disk.to_string());
        fs::create_dir(&dir)?;
        let port = recipe.view.ports.first().context("there is no port")?.id;
        let vni = recipe.view.network.vni;
        let tap = self.fabric().open_tap(vni, port).map_err(|e| anyhow!("cannot open the tap: {e}"))?;
        let qmp = UnixListener::bind(dir.join("qmp.sock"))?;
        let (qmp_fd, tap_fd) = (qmp.as_raw_fd(), tap.as_raw_fd());
        // By Cuttle's own launcher: a process in a session of its own competes otherwise for processors.
        let launch = Launch {
            program: &recipe.program,
            arguments: &recipe.arguments(disk, &dir, qmp_fd, tap_fd),
            log: File::create(dir.join("qemu.log"))?,
            pid_file: File::create(dir.join("pid"))?,
            keep: vec![qmp_fd, tap_fd],
            cgroup: None,
        };
        let began = runtime::monotonic();
        let _qemu = Ending(launch.spawn().context("cannot start QEMU")?);
        drop((tap, qmp));
        let namespace = self.cloud.network_namespace(vni);
        let banner = await_banner(&namespace, recipe.address, began);
        let wall = banner.with_context(|| {
            format!("QEMU said: {}", fs::read_to_string(dir.join("qemu.log")).unwrap_or_default())
        })?;
        let pid = fs::read_to_string(dir.join("pid")).context("cannot read QEMU's id")?;
        let cpu_s = machine::cpu_seconds(pid.trim().parse().context("QEMU's id is no number")?)?;
        let _ = fs::remove_file(recipe.cloud_dir.join(format!("log/{disk}.console")));
        Ok(Cost { wall, cpu_s })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if let Err(error) = linux_net::remove_everything(self.cloud) {
            eprintln!("bench: cannot remove what it made: {error}");
        }
    }
}

/// A process that ends with us.
struct Ending(Process);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.kill();
        self.0.wait(END_TIME_MAX);
        self.0.exit();
    }
}
