//! The VMs of this node: carries out the plan for each, and keeps what must survive a restart of the agent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent_api::block::Volume;
use agent_api::compute::{Milestone, PostedPassword, Power, PowerSeen, TimelineEvent, Vm, VmSeen};
use agent_api::network::Port;
use hypervisor::{Detach, Disk, Machine, Nic, VmSpec};
use storage::{VolumeBackend, luks};
use types::{PortId, ServerId, Timestamp, VolumeId};

use crate::config_drive;
use crate::effects::Effects;
use crate::plan::{Action, Halt, VmNow, VmState, note, plan, plan_removal};
use crate::root_disk;
use crate::volumes;

/// How often a VM that cannot be given an encrypted disk looks whether the key has come.
const KEY_LOOK: Duration = Duration::from_secs(1);
/// How many events a server's timeline keeps.
const TIMELINE_MAX: usize = 64;

/// The VMs of this node.
pub struct Vms {
    /// Where each VM's state is kept.
    dir: Option<PathBuf>,
    /// Where console logs go.
    console_dir: PathBuf,
    states: BTreeMap<ServerId, VmState>,
}

/// What a VM needs that has documents of its own.
pub struct Needs {
    /// The ports of its cards that are ready, with their VNIs.
    pub ports: BTreeMap<PortId, (u32, Port)>,
    /// The volumes that it should have.
    pub volumes: BTreeMap<VolumeId, Arc<Volume>>,
}

/// What a look at a VM led to.
pub struct Outcome {
    /// What is seen of it; `None` when it is gone.
    pub seen: Option<VmSeen>,
    /// When to look again.
    pub again: Option<Duration>,
}

impl Vms {
    /// Reads the states kept in `dir`.
    pub fn open(dir: Option<&Path>, console_dir: &Path) -> std::io::Result<Vms> {
        let mut states = BTreeMap::new();
        if let Some(dir) = dir {
            std::fs::create_dir_all(dir)?;
            for entry in std::fs::read_dir(dir)? {
                let path = entry?.path();
                let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
                let state = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                if let (Some(id), Some(state)) = (id, state) {
                    states.insert(id, state);
                }
            }
        }
        std::fs::create_dir_all(console_dir)?;
        Ok(Vms { dir: dir.map(Path::to_owned), console_dir: console_dir.to_owned(), states })
    }

    /// Servers that there is a state of.
    pub fn known(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.states.keys().copied()
    }

    /// Brings a VM one step closer to what is wanted.
    pub fn converge(&mut self, effects: &mut Effects, vm: &Vm, needs: &Needs) -> Result<Outcome, String> {
        let mut state = self.states.get(&vm.id).cloned().unwrap_or_default();
        let result = Step { effects, vm, needs, state: &mut state, console_dir: &self.console_dir }.run();
        self.keep(vm.id, state);
        result
    }

    /// Removes a VM with its own disks.
    pub fn remove(&mut self, effects: &mut Effects, id: ServerId) -> Result<(), String> {
        let now = observe(effects, id)?;
        for action in plan_removal(&now) {
            match action {
                Action::Kill => effects.hypervisor.stop(id).map_err(words)?,
                _ => effects.hypervisor.remove(id).map_err(words)?,
            }
        }
        effects.backends.root_disks().remove_volume(root_disk::volume_id(id)).map_err(words)?;
        for path in [config_drive::path(&self.console_dir, id), console_log(&self.console_dir, id)] {
            remove_file(&path)?;
        }
        self.states.remove(&id);
        if let Some(path) = self.path(id) {
            remove_file(&path)?;
        }
        Ok(())
    }

    /// Notes that something happened to a VM; tells whether it is news.
    pub fn happened(&mut self, id: ServerId, event: Milestone, at: Timestamp, detail: &str) -> bool {
        let Some(mut state) = self.states.get(&id).cloned() else { return false };
        let noted = note_event(&mut state, event, at, detail);
        self.keep(id, state);
        noted
    }

    /// Keeps the password that a guest posted.
    pub fn posted(&mut self, vm: &Vm, text: String) {
        let Some(mut state) = self.states.get(&vm.id).cloned() else { return };
        state.password = Some(PostedPassword { cleared: vm.metadata.passwords_cleared, text });
        self.keep(vm.id, state);
    }

    /// The password that the guest posted, unless it was cleared since.
    pub fn password(&self, vm: &Vm) -> &str {
        let posted =
            self.posted_password(vm.id).filter(|posted| posted.cleared == vm.metadata.passwords_cleared);
        posted.map_or("", |posted| &posted.text)
    }

    /// What the guest posted last, cleared or not.
    pub fn posted_password(&self, id: ServerId) -> Option<&PostedPassword> {
        self.states.get(&id)?.password.as_ref()
    }

    /// Whether a milestone was reached since the VM was last started.
    pub fn has_reached(&self, id: ServerId, milestone: Milestone) -> bool {
        self.states.get(&id).is_some_and(|state| reached(state, milestone))
    }

    /// When the VM was last started.
    pub fn started_at(&self, id: ServerId) -> Option<Timestamp> {
        let timeline = &self.states.get(&id)?.timeline;
        timeline.iter().find(|event| event.event == Milestone::Started).map(|event| event.at)
    }

    /// The last bytes of a console, as text.
    pub fn console(&self, effects: &Effects, id: ServerId, bytes_max: usize) -> Result<String, String> {
        let bytes = effects.hypervisor.console_tail(id, bytes_max).map_err(words)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn keep(&mut self, id: ServerId, state: VmState) {
        if self.states.get(&id) == Some(&state) {
            return;
        }
        if let Some(path) = self.path(id) {
            let temporary = path.with_extension("tmp");
            let write = serde_json::to_vec(&state)
                .map_err(std::io::Error::other)
                .and_then(|bytes| std::fs::write(&temporary, bytes))
                .and_then(|()| std::fs::rename(&temporary, &path));
            if let Err(error) = write {
                tracing::error!("cannot keep the state of VM {id}: {error}");
            }
        }
        self.states.insert(id, state);
    }

    fn path(&self, id: ServerId) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(format!("{id}.json")))
    }
}

/// One pass over one VM.
struct Step<'s> {
    effects: &'s mut Effects,
    vm: &'s Vm,
    needs: &'s Needs,
    state: &'s mut VmState,
    console_dir: &'s Path,
}

impl Step<'_> {
    fn run(&mut self) -> Result<Outcome, String> {
        let again = self.converge()?;
        let root = root_disk::ensure(self.effects, self.vm, &mut self.state.root);
        Ok(Outcome { seen: Some(self.seen()?), again: again.into_iter().chain(root).min() })
    }

    /// Carries out the plan; tells when to look again.
    fn converge(&mut self) -> Result<Option<Duration>, String> {
        let mut again = None;
        // A VM that was killed for a reboot is started in the same pass; twice is as deep as that goes.
        for _ in 0..2 {
            let now = observe(self.effects, self.vm.id)?;
            note(self.vm, self.state, &now);
            let actions = plan(self.vm, self.state, &now, runtime::now());
            let killed = actions.contains(&Action::Kill);
            for action in actions {
                match action {
                    Action::Look(after) => again = Some(after),
                    action if self.lacks_key(&action) => again = Some(KEY_LOOK),
                    other => self.act(&other)?,
                }
            }
            if !killed {
                break;
            }
        }
        Ok(again)
    }

    /// Whether a disk would be opened whose passphrase the control plane has not sent again since the agent was started.
    fn lacks_key(&self, action: &Action) -> bool {
        let is_locked = |id: &VolumeId| {
            let encryption = self.needs.volumes.get(id).and_then(|volume| volume.encryption.as_ref());
            encryption.is_some_and(|encryption| encryption.passphrase.is_none())
        };
        match action {
            Action::Start => self.vm.volumes.iter().any(|volume| is_locked(&volume.id)),
            Action::Attach(volume) => is_locked(volume),
            _ => false,
        }
    }

    fn act(&mut self, action: &Action) -> Result<(), String> {
        let id = self.vm.id;
        tracing::info!("VM {id}: {action:?}");
        match action {
            Action::EnsureDisks => self.ensure_disks(),
            Action::Start => self.start(),
            Action::PowerDown => {
                self.begin_power_off();
                self.effects.hypervisor.power_button(id).map_err(words)
            }
            Action::Kill => {
                self.begin_power_off();
                self.effects.hypervisor.stop(id).map_err(words)
            }
            Action::Pause => self.effects.hypervisor.pause(id).map_err(words),
            Action::Resume => {
                self.state.resumed_at = Some(runtime::now());
                self.effects.hypervisor.resume(id).map_err(words)
            }
            Action::Attach(volume) => {
                let disk = self.disk(*volume, None)?;
                self.effects.hypervisor.attach_disk(id, &disk).map_err(words)
            }
            Action::Detach(volume) => {
                match self.effects.hypervisor.detach_disk(id, *volume).map_err(words)? {
                    Detach::Waiting => self.state.unplugging.insert(*volume),
                    Detach::Gone => self.state.unplugging.remove(volume),
                };
                Ok(())
            }
            Action::Remove | Action::Look(_) => Ok(()),
        }
    }

    /// Remembers since when, and whether it is for a reboot.
    fn begin_power_off(&mut self) {
        let at = runtime::now();
        match (&self.vm.power, &self.vm.reboot) {
            (Power::On, Some(reboot)) => self.state.rebooting = Some((reboot.token.clone(), at)),
            _ => self.state.stopping_since = Some(at),
        }
    }

    fn ensure_disks(&mut self) -> Result<(), String> {
        if let Some(root) = &self.vm.root_disk {
            let volume = root_disk::new_volume(self.vm.id, root)?;
            self.effects.backends.root_disks().ensure_volume(&volume).map_err(words)?;
        }
        if self.vm.config_drive {
            config_drive::write(&config_drive::path(self.console_dir, self.vm.id), self.vm)?;
        }
        self.repair_disks()?;
        note_event(self.state, Milestone::DiskReady, runtime::now(), "");
        Ok(())
    }

    /// Disks that a hypervisor did not close before it ended are put in order before they are opened again.
    fn repair_disks(&mut self) -> Result<(), String> {
        let power = observe(self.effects, self.vm.id)?.power;
        let went_with_its_host = self.state.started && power == PowerSeen::Absent;
        if power != PowerSeen::Crashed && !went_with_its_host {
            return Ok(());
        }
        let root = self.vm.root_disk.as_ref().map(|_| root_disk::volume_id(self.vm.id));
        for volume in root.into_iter().chain(self.vm.volumes.iter().map(|volume| volume.id)) {
            self.backend_of(volume)?.repair(volume).map_err(words)?;
        }
        Ok(())
    }

    fn backend_of(&self, volume: VolumeId) -> Result<&dyn VolumeBackend, String> {
        let backends = &self.effects.backends;
        if volume == root_disk::volume_id(self.vm.id) {
            return Ok(backends.root_disks());
        }
        let document = self.needs.volumes.get(&volume);
        backends.named(document.and_then(|document| volumes::backend_name(self.effects, document)))
    }

    fn start(&mut self) -> Result<(), String> {
        let vm = self.vm;
        let mut taps = Vec::with_capacity(vm.nics.len());
        for nic in &vm.nics {
            let ready = self.needs.ports.get(&nic.port_id);
            let (vni, _) = ready.ok_or_else(|| format!("port {} is not ready on this host", nic.port_id))?;
            taps.push(self.effects.fabric.open_tap(*vni, nic.port_id)?);
        }
        let spec = self.spec()?;
        // What a run before this one reached is not reached by this one.
        self.state.timeline.retain(|event| event.event == Milestone::DiskReady);
        self.effects.hypervisor.start(&spec, taps).map_err(words)?;
        note_event(self.state, Milestone::Started, runtime::now(), &self.effects.hypervisor.host().version);
        self.state.started = true;
        self.state.halted = None;
        self.state.trouble = None;
        self.state.rebooting = None;
        self.state.unplugging.clear();
        self.state.rebooted = vm.reboot.as_ref().map(|reboot| reboot.token.clone());
        Ok(())
    }

    fn spec(&self) -> Result<VmSpec, String> {
        let vm = self.vm;
        let mut disks = Vec::new();
        if vm.root_disk.is_some() {
            disks.push(self.disk(root_disk::volume_id(vm.id), Some(1))?);
        }
        for volume in &vm.volumes {
            disks.push(self.disk(volume.id, volume.boot.then_some(1))?);
        }
        let nic = |nic: &agent_api::compute::Nic| Nic {
            port: nic.port_id,
            mac: nic.mac,
            mtu: u16::try_from(nic.mtu).unwrap_or(u16::MAX),
        };
        let machine = match vm.image_properties.get("hw_machine_type").map(String::as_str) {
            Some("pc") => Machine::Pc,
            _ => Machine::Q35,
        };
        Ok(VmSpec {
            server: vm.id,
            name: vm.name.clone(),
            vcpus: vm.vcpus,
            ram_mib: vm.ram_mib,
            machine,
            cpu_model: None,
            disks,
            nics: vm.nics.iter().map(nic).collect(),
            config_drive: vm.config_drive.then(|| config_drive::path(self.console_dir, vm.id)),
            console_log: console_log(self.console_dir, vm.id),
            screen: true,
            guest_agent: true,
            generation_id: None,
        })
    }

    /// A disk that is about to be opened. Whoever else still has it open, on a host that was given up, loses it, unless it is
    /// for several.
    fn disk(&self, volume: VolumeId, boot_index: Option<u32>) -> Result<Disk, String> {
        let document = self.needs.volumes.get(&volume);
        let backend = self.backend_of(volume)?;
        if let Some(document) = document {
            volumes::check_replaced(backend, document).map_err(|trouble| trouble.words)?;
        }
        let limits = document.map(|document| document.limits.clone()).unwrap_or_default();
        let read_only = document.is_some_and(|document| document.read_only);
        let shared = document.is_some_and(|document| document.multiattach);
        if !read_only && !shared {
            backend.ensure_ours(volume).map_err(words)?;
        }
        let mut blockdev = backend.blockdev(volume).map_err(words)?;
        let mut secret = None;
        if let Some(encryption) = document.and_then(|document| document.encryption.as_ref()) {
            let key = encryption.passphrase.clone();
            secret = Some(key.ok_or_else(|| format!("the key of volume {volume} has not come yet"))?);
            blockdev["read-only"] = read_only.into();
            blockdev = luks::node(blockdev, &Disk::secret_name(volume));
        }
        Ok(Disk { volume, blockdev, boot_index, read_only, shared, limits, secret })
    }

    fn seen(&mut self) -> Result<VmSeen, String> {
        let now = observe(self.effects, self.vm.id)?;
        let root = root_disk::volume_id(self.vm.id);
        let power = match (self.state.halted, now.power) {
            (Some(Halt::Crashed), PowerSeen::Absent | PowerSeen::Shutdown) => PowerSeen::Crashed,
            (_, power) => power,
        };
        let running = matches!(power, PowerSeen::Running | PowerSeen::Paused);
        Ok(VmSeen {
            power,
            rebooted: self.state.rebooted.clone(),
            volumes: now
                .volumes
                .union(&self.state.unplugging)
                .filter(|volume| **volume != root)
                .copied()
                .collect(),
            nics: if running { self.vm.nics.iter().map(|nic| nic.port_id).collect() } else { Vec::new() },
            timeline: self.state.timeline.clone(),
            trouble: self.state.trouble.clone(),
            password: self.state.password.clone(),
            root_snapshots: self.state.root.snapshots.clone(),
            root_trouble: self.state.root.trouble.clone(),
        })
    }
}

/// Where a console's output is kept.
pub fn console_log(dir: &Path, id: ServerId) -> PathBuf {
    dir.join(format!("{id}.console"))
}

fn observe(effects: &mut Effects, id: ServerId) -> Result<VmNow, String> {
    let observed = effects.hypervisor.observe(id).map_err(words)?;
    let mut trouble = None;
    let power = match observed.power {
        hypervisor::Power::Absent => PowerSeen::Absent,
        hypervisor::Power::Running => PowerSeen::Running,
        hypervisor::Power::Paused => PowerSeen::Paused,
        hypervisor::Power::Stalled { reason } => {
            trouble = Some(reason);
            PowerSeen::Paused
        }
        hypervisor::Power::ShutDown => PowerSeen::Shutdown,
        hypervisor::Power::Crashed { reason } if reason == hypervisor::HOST_RESTARTED => PowerSeen::Absent,
        hypervisor::Power::Crashed { reason } => {
            trouble = Some(reason);
            PowerSeen::Crashed
        }
    };
    let root = root_disk::volume_id(id);
    let volumes: BTreeSet<VolumeId> = observed.disks.into_iter().filter(|volume| *volume != root).collect();
    Ok(VmNow { power, volumes, trouble })
}

fn note_event(state: &mut VmState, event: Milestone, at: Timestamp, detail: &str) -> bool {
    if reached(state, event) || state.timeline.len() >= TIMELINE_MAX {
        return false;
    }
    state.timeline.push(TimelineEvent { event, at, detail: detail.to_owned() });
    true
}

fn reached(state: &VmState, milestone: Milestone) -> bool {
    state.timeline.iter().any(|event| event.event == milestone)
}

fn remove_file(path: &Path) -> Result<(), String> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

/// An error with its causes, in words.
pub fn words(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
