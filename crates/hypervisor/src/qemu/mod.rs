//! VMs as QEMU processes.
//!
//! | module | knows |
//! | --- | --- |
//! | [`config`] | the command line; pure |
//! | [`control`] | the life of one VM |
//! | `layers` | what lies below its disks |
//! | `mirror` | how a disk is exchanged for another under a running guest |
//! | [`qmp`] | the protocol |
//! | [`process`], [`cgroup`] | how processes are started, found again and ended |
//! | [`rundir`] | what is kept on disk about a running VM |
//! | [`console`] | the log of the serial console |
//! | [`probe`] | what this QEMU can do |

pub mod cgroup;
pub mod config;
pub mod console;
mod control;
mod layers;
mod mirror;
pub mod probe;
pub mod process;
pub mod qmp;
pub mod rundir;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::Sender;

use serde_json::Value;
use types::{CopyId, ServerId, VolumeId};

use cgroup::Containment;
use control::Vm;
use probe::Features;
use rundir::RunDir;

use crate::error::Doing;
use crate::{
    AcceleratorChoice, Detach, Disk, Exchange, HostSupport, Hypervisor, Limits, Merge, Mirrored, Observed,
    Power, Result, Sockets, VmEvent, VmSpec, probe_accelerator,
};

/// How QEMU is run on this node.
#[derive(Debug, Clone)]
pub struct QemuConfig {
    /// The program; a bare name is looked for in `PATH`.
    pub binary: PathBuf,
    /// Holds a directory per VM. Short, for sockets' paths are limited, and gone after a boot, as `/run` is.
    pub run_root: PathBuf,
    /// KVM, TCG, or what works.
    pub accelerator: AcceleratorChoice,
    /// The control group, below our own, that holds the VMs'. `None` for none.
    pub cgroup: Option<String>,
}

impl QemuConfig {
    /// The usual program and accelerator.
    pub fn new(run_root: impl Into<PathBuf>) -> QemuConfig {
        QemuConfig {
            binary: PathBuf::from(if cfg!(target_arch = "aarch64") {
                "qemu-system-aarch64"
            } else {
                "qemu-system-x86_64"
            }),
            run_root: run_root.into(),
            accelerator: AcceleratorChoice::Auto,
            cgroup: None,
        }
    }
}

/// What all VMs of a node share.
pub(crate) struct Shared {
    config: QemuConfig,
    features: Features,
    containment: Containment,
    host: HostSupport,
    events: Sender<VmEvent>,
}

/// Runs VMs as QEMU processes.
pub struct Qemu {
    shared: Shared,
    vms: BTreeMap<ServerId, Vm>,
}

impl Qemu {
    /// Looks at the host and at QEMU. Events go to `events`.
    pub fn new(config: QemuConfig, events: Sender<VmEvent>) -> Result<Qemu> {
        let features = probe::features(&config.binary)?;
        let (accelerator, accelerator_reason) = probe_accelerator(config.accelerator)?;
        let containment = Containment::detect(config.cgroup.as_deref());
        let host = HostSupport {
            version: features.describe(),
            accelerator,
            accelerator_reason,
            containment: containment.describe(),
            vcpus: probe::processors(),
            ram_mib: probe::memory_mib(),
        };
        let shared = Shared { config, features, containment, host, events };
        Ok(Qemu { shared, vms: BTreeMap::new() })
    }

    fn run_dir(&self, server: ServerId) -> RunDir {
        RunDir::new(&self.shared.config.run_root, server)
    }

    /// Does something with a VM that must have a body.
    fn with_body<T>(
        &mut self,
        server: ServerId,
        doing: &'static str,
        act: impl FnOnce(&mut Vm, &Shared) -> Result<T>,
    ) -> Result<T> {
        let absent = || crate::Error::State { doing, found: Power::Absent };
        let vm = self.vms.get_mut(&server).ok_or_else(absent)?;
        match vm.observe(&self.shared)?.power {
            power if power.has_body() => act(vm, &self.shared),
            found => Err(crate::Error::State { doing, found }),
        }
    }
}

impl Hypervisor for Qemu {
    fn host(&self) -> &HostSupport {
        &self.shared.host
    }

    fn adopt(&mut self) -> Result<Vec<ServerId>> {
        for server in RunDir::all(&self.shared.config.run_root)? {
            if !self.vms.contains_key(&server)
                && let Some(vm) = Vm::adopt(server, self.run_dir(server), &self.shared)?
            {
                self.vms.insert(server, vm);
            }
        }
        Ok(self.vms.keys().copied().collect())
    }

    fn start(&mut self, spec: &VmSpec, taps: Vec<OwnedFd>) -> Result<()> {
        let run = self.run_dir(spec.server);
        if !self.vms.contains_key(&spec.server)
            && let Some(vm) = Vm::adopt(spec.server, run.clone(), &self.shared)?
        {
            self.vms.insert(spec.server, vm);
        }
        if let Some(vm) = self.vms.get_mut(&spec.server) {
            if vm.observe(&self.shared)?.power.has_body() {
                return Ok(());
            }
            // One whose guest crashed may still have its process.
            vm.stop(&self.shared)?;
            self.vms.remove(&spec.server);
        }
        let vm = Vm::start(spec, run, &taps, &self.shared)?;
        self.vms.insert(spec.server, vm);
        Ok(())
    }

    fn observe(&mut self, server: ServerId) -> Result<Observed> {
        match self.vms.get_mut(&server) {
            Some(vm) => vm.observe(&self.shared),
            None => Ok(Observed { power: Power::Absent, disks: Default::default() }),
        }
    }

    fn power_button(&mut self, server: ServerId) -> Result<()> {
        self.with_body(server, "press the power button", |vm, shared| vm.command(shared, "system_powerdown"))
    }

    fn stop(&mut self, server: ServerId) -> Result<()> {
        match self.vms.get_mut(&server) {
            Some(vm) => vm.stop(&self.shared),
            None => Ok(()),
        }
    }

    fn reset(&mut self, server: ServerId) -> Result<()> {
        self.with_body(server, "press the reset button", |vm, shared| vm.command(shared, "system_reset"))
    }

    fn pause(&mut self, server: ServerId) -> Result<()> {
        self.with_body(server, "pause", |vm, shared| vm.command(shared, "stop"))
    }

    fn resume(&mut self, server: ServerId) -> Result<()> {
        self.with_body(server, "resume", |vm, shared| match vm.exchanging() {
            None => vm.command(shared, "cont"),
            Some(_) => Err(crate::Error::Exchanging),
        })
    }

    fn attach_disk(&mut self, server: ServerId, disk: &Disk) -> Result<()> {
        self.with_body(server, "attach a disk", |vm, shared| vm.attach_disk(shared, disk))
    }

    fn detach_disk(&mut self, server: ServerId, volume: VolumeId) -> Result<Detach> {
        match self.vms.get_mut(&server) {
            Some(vm) => vm.detach_disk(&self.shared, volume),
            None => Ok(Detach::Gone),
        }
    }

    fn resize_disk(&mut self, server: ServerId, volume: VolumeId, size_bytes: u64) -> Result<()> {
        self.with_body(server, "resize a disk", |vm, shared| vm.resize_disk(shared, volume, size_bytes))
    }

    fn limit_disk(&mut self, server: ServerId, volume: VolumeId, limits: &Limits) -> Result<()> {
        self.with_body(server, "limit a disk", |vm, shared| vm.limit_disk(shared, volume, limits))
    }

    fn layers(&mut self, server: ServerId) -> Result<Option<Vec<String>>> {
        self.with_body(server, "look at layers", |vm, shared| vm.layers(shared).map(Some))
    }

    fn push_layer(&mut self, server: ServerId, layer: &Value, over: &str) -> Result<()> {
        self.with_body(server, "push a layer", |vm, shared| vm.push_layer(shared, layer, over))
    }

    fn merge_layers(&mut self, server: ServerId, volume: VolumeId, merge: &Merge<'_>) -> Result<bool> {
        self.with_body(server, "merge layers", |vm, shared| vm.merge_layers(shared, volume, merge))
    }

    fn mirrored(&mut self, server: ServerId, volume: VolumeId, id: CopyId) -> Result<Option<Mirrored>> {
        self.with_body(server, "look at a mirror", |vm, shared| vm.mirrored(shared, volume, id))
    }

    fn begin_mirror(&mut self, server: ServerId, volume: VolumeId, (id, to): (CopyId, &Value)) -> Result<()> {
        self.with_body(server, "mirror a disk", |vm, shared| vm.begin_mirror(shared, volume, (id, to)))
    }

    fn end_mirror(&mut self, server: ServerId, volume: VolumeId) -> Result<()> {
        self.with_body(server, "end a mirror", |vm, shared| vm.end_mirror(shared, volume))
    }

    fn exchange_disk(
        &mut self,
        server: ServerId,
        wanted: &Exchange,
        record: &mut dyn FnMut() -> std::io::Result<()>,
    ) -> Result<bool> {
        self.with_body(server, "exchange a disk", |vm, shared| vm.exchange_disk(shared, wanted, record))
    }

    fn exchanging(&mut self, server: ServerId) -> Option<Exchange> {
        self.vms.get_mut(&server)?.exchanging()
    }

    fn console_tail(&self, server: ServerId, bytes_max: usize) -> Result<Vec<u8>> {
        let Some(vm) = self.vms.get(&server) else { return Ok(Vec::new()) };
        let path = vm.console_log();
        console::tail(path, bytes_max).doing(|| format!("read {}", path.display()))
    }

    fn sockets(&self, server: ServerId) -> Option<Sockets> {
        let run = self.vms.get(&server)?.run();
        Some(Sockets { console: run.console_socket(), screen: run.vnc_socket(), agent: run.agent_socket() })
    }

    fn remove(&mut self, server: ServerId) -> Result<()> {
        self.stop(server)?;
        self.vms.remove(&server);
        self.run_dir(server).remove()
    }
}
