//! VMs in memory, for simulations: no process, no thread, no waiting.
//!
//! Clones of a [`World`] are handles on the same VMs. A [`Fake`] made with a world that has VMs adopts them,
//! as a restarted agent does. What a real guest does in its own time, a fake one does when it is observed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use types::{CopyId, ServerId, VolumeId};

use crate::error::Doing;
use crate::spec::DISKS_MAX;
use crate::{
    Accelerator, Detach, Disk, Error, Exchange, HostSupport, Hypervisor, Limits, Merge, Mirrored, Observed,
    Power, Result, Sockets, VmEvent, VmEventKind, VmSpec,
};

/// What a fake guest writes to its console when it starts.
pub const GREETING: &str = "fake guest ready\r\n";

/// A simulated host is as large on every machine, and large enough for a thousand small VMs.
const VCPUS: u32 = 128;
const RAM_MIB: u64 = 1 << 20;

/// The VMs, and what goes wrong with them. It lives as long as a handle does.
#[derive(Debug, Clone, Default)]
pub struct World(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    vms: BTreeMap<ServerId, Vm>,
    failures: VecDeque<String>,
    stubborn: bool,
    events: Option<Sender<VmEvent>>,
}

#[derive(Debug)]
struct Vm {
    spec: VmSpec,
    power: Power,
    disks: BTreeMap<VolumeId, FakeDisk>,
    console: Vec<u8>,
    /// The power button was pressed and the guest will notice.
    pressed: bool,
    /// The exchange that was interrupted, which stopped it, and whether it ran before.
    exchanging: Option<(Exchange, bool)>,
}

#[derive(Debug, Default)]
struct FakeDisk {
    /// The guest was asked to let go of it.
    unplugging: bool,
    size_bytes: u64,
    limits: Limits,
    shared: bool,
    read_only: bool,
    /// What it shows.
    blockdev: Value,
    mirror: Option<Mirror>,
}

/// Where a disk is mirrored to. It is equal at the second look.
#[derive(Debug)]
struct Mirror {
    id: CopyId,
    to: Value,
    looked_at: bool,
}

impl FakeDisk {
    fn of(disk: &Disk) -> FakeDisk {
        let Disk { shared, read_only, .. } = *disk;
        let (limits, blockdev) = (disk.limits.clone(), disk.blockdev.clone());
        FakeDisk { shared, read_only, limits, blockdev, ..FakeDisk::default() }
    }
}

impl World {
    /// The limits of a VM's disk.
    pub fn limits(&self, server: ServerId, volume: VolumeId) -> Option<Limits> {
        Some(self.lock().vms.get(&server)?.disks.get(&volume)?.limits.clone())
    }

    /// The tree that a VM's disk shows.
    pub fn blockdev(&self, server: ServerId, volume: VolumeId) -> Option<Value> {
        Some(self.lock().vms.get(&server)?.disks.get(&volume)?.blockdev.clone())
    }

    /// A world without VMs.
    pub fn new() -> World {
        World::default()
    }

    /// Makes the next operation that changes something fail with this message; repeated calls queue up.
    pub fn fail_next(&self, message: &str) {
        self.lock().failures.push_back(message.to_owned());
    }

    /// Makes guests ignore the power button and keep their disks, or stop doing so.
    pub fn set_stubborn(&self, stubborn: bool) {
        self.lock().stubborn = stubborn;
    }

    /// A guest switches itself off.
    pub fn power_off(&self, server: ServerId) {
        self.end(server, Power::ShutDown, VmEventKind::GuestShutDown);
    }

    /// A VM dies.
    pub fn crash(&self, server: ServerId, reason: &str) {
        self.end(server, Power::Crashed { reason: reason.to_owned() }, VmEventKind::Exited);
    }

    /// The hypervisor stops a VM, as QEMU does when the host is out of space.
    pub fn stall(&self, server: ServerId, reason: &str) {
        let mut state = self.lock();
        if let Some(vm) = state.vms.get_mut(&server).filter(|vm| vm.has_body()) {
            vm.power = Power::Stalled { reason: reason.to_owned() };
            state.tell(server, VmEventKind::Paused);
        }
    }

    /// The host goes down and comes back: nothing runs any more.
    pub fn restart_host(&self) {
        let reason = crate::HOST_RESTARTED.to_owned();
        for vm in self.lock().vms.values_mut().filter(|vm| vm.has_body()) {
            vm.end(Power::Crashed { reason: reason.clone() });
        }
    }

    /// A guest writes to its console.
    pub fn write_console(&self, server: ServerId, text: &str) {
        if let Some(vm) = self.lock().vms.get_mut(&server) {
            vm.console.extend_from_slice(text.as_bytes());
        }
    }

    /// What a VM was started with.
    pub fn spec(&self, server: ServerId) -> Option<VmSpec> {
        self.lock().vms.get(&server).map(|vm| vm.spec.clone())
    }

    /// The VMs that have a body.
    pub fn running(&self) -> Vec<ServerId> {
        let state = self.lock();
        state.vms.iter().filter(|(_, vm)| vm.has_body()).map(|(server, _)| *server).collect()
    }

    fn end(&self, server: ServerId, power: Power, kind: VmEventKind) {
        let mut state = self.lock();
        if let Some(vm) = state.vms.get_mut(&server).filter(|vm| vm.has_body()) {
            vm.end(power);
            state.tell(server, kind);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&self, server: ServerId, kind: VmEventKind) {
        if let Some(events) = &self.events {
            // Nobody listens when the program is about to end.
            let _ = events.send(VmEvent { server, kind });
        }
    }

    /// The VM, which must have a body.
    fn body(&mut self, server: ServerId, doing: &'static str) -> Result<&mut Vm> {
        match self.vms.get_mut(&server) {
            Some(vm) if vm.has_body() => Ok(vm),
            Some(vm) => Err(Error::State { doing, found: vm.power.clone() }),
            None => Err(Error::State { doing, found: Power::Absent }),
        }
    }

    /// Refuses a disk that another VM has, as QEMU's locks do, unless both share it or only read it.
    fn check_free(&self, server: ServerId, disk: &Disk) -> Result<()> {
        let others = self.vms.iter().filter(|(other, vm)| **other != server && vm.has_body());
        let mut had = others.filter_map(|(_, vm)| vm.disks.get(&disk.volume));
        let is_free = |had: &FakeDisk| had.shared && disk.shared || had.read_only && disk.read_only;
        match had.all(is_free) {
            true => Ok(()),
            false => Err(Error::Refused {
                command: "blockdev-add".to_owned(),
                description: "Failed to get \"write\" lock".to_owned(),
            }),
        }
    }

    /// Lets a guest do what it was asked for.
    fn advance(&mut self, server: ServerId) {
        let stubborn = self.stubborn;
        let Some(vm) = self.vms.get_mut(&server) else { return };
        if stubborn || vm.power != Power::Running {
            return;
        }
        if vm.pressed {
            vm.end(Power::ShutDown);
            self.tell(server, VmEventKind::GuestShutDown);
            return;
        }
        let leaving: Vec<VolumeId> =
            vm.disks.iter().filter(|(_, disk)| disk.unplugging).map(|(volume, _)| *volume).collect();
        for volume in leaving {
            vm.disks.remove(&volume);
            if let Some(events) = &self.events {
                let _ = events.send(VmEvent { server, kind: VmEventKind::DiskDetached(volume) });
            }
        }
    }
}

impl Vm {
    fn has_body(&self) -> bool {
        self.power.has_body()
    }

    fn end(&mut self, power: Power) {
        self.power = power;
        self.pressed = false;
        self.exchanging = None;
        self.disks.clear();
    }
}

/// The hypervisor of a [`World`].
#[derive(Debug)]
pub struct Fake {
    world: World,
    host: HostSupport,
}

impl Fake {
    /// Drives the VMs of `world`. From now on events go to `events`.
    pub fn new(world: World, events: Sender<VmEvent>) -> Fake {
        world.lock().events = Some(events);
        let host = HostSupport {
            version: "simulated".to_owned(),
            accelerator: Accelerator::Tcg,
            accelerator_reason: "nothing is real".to_owned(),
            containment: "memory".to_owned(),
            vcpus: VCPUS,
            ram_mib: RAM_MIB,
        };
        Fake { world, host }
    }

    /// The world, unless a failure was ordered.
    fn change(&self, doing: &str) -> Result<MutexGuard<'_, State>> {
        let mut state = self.world.lock();
        match state.failures.pop_front() {
            Some(message) => Err(Error::Io { doing: doing.to_owned(), source: io::Error::other(message) }),
            None => Ok(state),
        }
    }
}

impl Hypervisor for Fake {
    fn host(&self) -> &HostSupport {
        &self.host
    }

    fn adopt(&mut self) -> Result<Vec<ServerId>> {
        Ok(self.world.lock().vms.keys().copied().collect())
    }

    fn start(&mut self, spec: &VmSpec, taps: Vec<OwnedFd>) -> Result<()> {
        let mut state = self.change("start a VM")?;
        if state.vms.get(&spec.server).is_some_and(Vm::has_body) {
            return Ok(());
        }
        spec.check(taps.len())?;
        spec.disks.iter().try_for_each(|disk| state.check_free(spec.server, disk))?;
        let mut console = state.vms.remove(&spec.server).map(|vm| vm.console).unwrap_or_default();
        console.extend_from_slice(GREETING.as_bytes());
        let disks = spec.disks.iter().map(|disk| (disk.volume, FakeDisk::of(disk))).collect();
        let vm = Vm {
            spec: spec.clone(),
            power: Power::Running,
            disks,
            console,
            pressed: false,
            exchanging: None,
        };
        state.vms.insert(spec.server, vm);
        Ok(())
    }

    fn observe(&mut self, server: ServerId) -> Result<Observed> {
        let mut state = self.world.lock();
        state.advance(server);
        Ok(match state.vms.get(&server) {
            Some(vm) => Observed { power: vm.power.clone(), disks: vm.disks.keys().copied().collect() },
            None => Observed { power: Power::Absent, disks: BTreeSet::new() },
        })
    }

    fn power_button(&mut self, server: ServerId) -> Result<()> {
        let mut state = self.change("press the power button")?;
        state.body(server, "press the power button")?.pressed = true;
        Ok(())
    }

    fn stop(&mut self, server: ServerId) -> Result<()> {
        let mut state = self.change("stop a VM")?;
        if let Some(vm) = state.vms.get_mut(&server).filter(|vm| vm.has_body()) {
            vm.end(Power::ShutDown);
            state.tell(server, VmEventKind::HostShutDown);
        }
        Ok(())
    }

    fn reset(&mut self, server: ServerId) -> Result<()> {
        let mut state = self.change("reset a VM")?;
        let vm = state.body(server, "press the reset button")?;
        vm.pressed = false;
        vm.console.extend_from_slice(GREETING.as_bytes());
        state.tell(server, VmEventKind::Reset);
        Ok(())
    }

    fn pause(&mut self, server: ServerId) -> Result<()> {
        let mut state = self.change("pause a VM")?;
        state.body(server, "pause")?.power = Power::Paused;
        state.tell(server, VmEventKind::Paused);
        Ok(())
    }

    fn resume(&mut self, server: ServerId) -> Result<()> {
        let mut state = self.change("resume a VM")?;
        let vm = state.body(server, "resume")?;
        if vm.exchanging.is_some() {
            return Err(Error::Exchanging);
        }
        vm.power = Power::Running;
        state.tell(server, VmEventKind::Resumed);
        Ok(())
    }

    fn attach_disk(&mut self, server: ServerId, disk: &Disk) -> Result<()> {
        let mut state = self.change("attach a disk")?;
        state.check_free(server, disk)?;
        let vm = state.body(server, "attach a disk")?;
        disk.check()?;
        if vm.disks.len() > DISKS_MAX && !vm.disks.contains_key(&disk.volume) {
            return Err(Error::NoSlot);
        }
        vm.disks.entry(disk.volume).or_insert_with(|| FakeDisk::of(disk)).limits = disk.limits.clone();
        Ok(())
    }

    fn detach_disk(&mut self, server: ServerId, volume: VolumeId) -> Result<Detach> {
        let mut state = self.change("detach a disk")?;
        // Asking again is looking again.
        state.advance(server);
        let Ok(vm) = state.body(server, "detach a disk") else { return Ok(Detach::Gone) };
        match vm.disks.get_mut(&volume) {
            Some(disk) => {
                disk.unplugging = true;
                Ok(Detach::Waiting)
            }
            None => Ok(Detach::Gone),
        }
    }

    fn resize_disk(&mut self, server: ServerId, volume: VolumeId, size_bytes: u64) -> Result<()> {
        let mut state = self.change("resize a disk")?;
        let vm = state.body(server, "resize a disk")?;
        let disk = vm.disks.get_mut(&volume).ok_or(Error::NoDisk { doing: "resize a disk" })?;
        if size_bytes < disk.size_bytes {
            let now = disk.size_bytes;
            return Err(Error::Spec(format!("a disk of {now} bytes cannot shrink to {size_bytes}")));
        }
        disk.size_bytes = size_bytes;
        Ok(())
    }

    fn limit_disk(&mut self, server: ServerId, volume: VolumeId, limits: &Limits) -> Result<()> {
        let mut state = self.change("limit a disk")?;
        let vm = state.body(server, "limit a disk")?;
        let disk = vm.disks.get_mut(&volume).ok_or(Error::NoDisk { doing: "limit a disk" })?;
        disk.limits = limits.clone();
        Ok(())
    }

    fn layers(&mut self, _server: ServerId) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    fn push_layer(&mut self, _server: ServerId, _layer: &Value, _over: &str) -> Result<()> {
        Err(Error::NoDisk { doing: "push a layer" })
    }

    fn merge_layers(&mut self, _server: ServerId, _volume: VolumeId, _merge: &Merge<'_>) -> Result<bool> {
        Err(Error::NoDisk { doing: "merge layers" })
    }

    fn mirrored(&mut self, server: ServerId, volume: VolumeId, id: CopyId) -> Result<Option<Mirrored>> {
        let mut state = self.change("look at a mirror")?;
        let vm = state.body(server, "look at a mirror")?;
        let disk = vm.disks.get_mut(&volume).ok_or(Error::NoDisk { doing: "look at a mirror" })?;
        let mirror = disk.mirror.as_mut().filter(|mirror| mirror.id == id);
        Ok(mirror.map(|mirror| match std::mem::replace(&mut mirror.looked_at, true) {
            true => Mirrored::Equal,
            false => Mirrored::Going { percent: 50 },
        }))
    }

    fn begin_mirror(&mut self, server: ServerId, volume: VolumeId, (id, to): (CopyId, &Value)) -> Result<()> {
        let mut state = self.change("mirror a disk")?;
        let vm = state.body(server, "mirror a disk")?;
        let disk = vm.disks.get_mut(&volume).ok_or(Error::NoDisk { doing: "mirror a disk" })?;
        disk.mirror = Some(Mirror { id, to: to.clone(), looked_at: false });
        Ok(())
    }

    fn end_mirror(&mut self, server: ServerId, volume: VolumeId) -> Result<()> {
        let mut state = self.change("end a mirror")?;
        let vm = state.body(server, "end a mirror")?;
        if let Some(disk) = vm.disks.get_mut(&volume) {
            disk.mirror = None;
        }
        Ok(())
    }

    fn exchange_disk(
        &mut self,
        server: ServerId,
        wanted: &Exchange,
        record: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<bool> {
        let mut state = self.change("exchange a disk")?;
        let vm = state.body(server, "exchange a disk")?;
        let disk = vm.disks.get_mut(&wanted.volume).ok_or(Error::NoDisk { doing: "exchange a disk" })?;
        if vm.exchanging.as_ref().is_none_or(|(begun, _)| begun != wanted) {
            let Some(mirror) = disk.mirror.take_if(|mirror| mirror.id == wanted.id) else { return Ok(false) };
            disk.blockdev = mirror.to;
            vm.exchanging = Some((wanted.clone(), vm.power == Power::Running));
            vm.power = Power::Paused;
        }
        record().doing(|| "record that a disk was exchanged".to_owned())?;
        if vm.exchanging.take().is_some_and(|(_, running)| running) {
            vm.power = Power::Running;
        }
        Ok(true)
    }

    fn exchanging(&mut self, server: ServerId) -> Option<Exchange> {
        let state = self.world.lock();
        Some(state.vms.get(&server)?.exchanging.as_ref()?.0.clone())
    }

    fn console_tail(&self, server: ServerId, bytes_max: usize) -> Result<Vec<u8>> {
        let state = self.world.lock();
        let Some(vm) = state.vms.get(&server) else { return Ok(Vec::new()) };
        Ok(vm.console[vm.console.len().saturating_sub(bytes_max)..].to_vec())
    }

    fn sockets(&self, _server: ServerId) -> Option<Sockets> {
        None
    }

    fn remove(&mut self, server: ServerId) -> Result<()> {
        self.change("remove a VM")?.vms.remove(&server);
        Ok(())
    }
}
