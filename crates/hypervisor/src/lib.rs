//! VMs on a node.
//!
//! [`Hypervisor`] is the trait; [`qemu`] runs one QEMU process per VM and speaks QMP with it; [`fake`] is a
//! world in memory for simulations. All are synchronous, and everything may be repeated.
//!
//! Invariants:
//! - A VM outlives the program that started it: [`Hypervisor::adopt`] finds it again by its run directory.
//! - No signal goes to a process that was not started here: a process is its id, its start time and the boot
//!   of the host.
//! - A guest that switched itself off is [`Power::ShutDown`]; a process that ended in any other way than by
//!   [`Hypervisor::stop`] is [`Power::Crashed`].
//! - Nothing waits for a guest: what needs its consent returns at once and is asked for again after an event.
//!
//! Nothing here knows volumes' backends, networks or the control plane: disks come as JSON for QEMU, network
//! cards as file descriptors of taps.

mod accelerator;
mod error;
pub mod fake;
pub mod qemu;
mod spec;

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::{CopyId, ServerId, VolumeId};

pub use accelerator::{
    Accelerator, AcceleratorChoice, choose as choose_accelerator, probe as probe_accelerator,
};
pub use error::{Error, Result};
pub use spec::{Disk, Limits, Machine, Nic, VmSpec};

/// What runs VMs on this node. Implementations deliver [`VmEvent`]s on the channel they were made with.
pub trait Hypervisor: Send {
    /// What this host offers.
    fn host(&self) -> &HostSupport;

    /// Finds the VMs that an earlier run of this program started, in the order of ids. Call it once, first.
    fn adopt(&mut self) -> Result<Vec<ServerId>>;

    /// Starts a VM. One that runs is left as it is. `taps` are for the cards of `spec.nics`, in their order.
    fn start(&mut self, spec: &VmSpec, taps: Vec<OwnedFd>) -> Result<()>;

    /// How a VM is.
    fn observe(&mut self, server: ServerId) -> Result<Observed>;

    /// Presses the power button. What the guest makes of it shows later.
    fn power_button(&mut self, server: ServerId) -> Result<()>;

    /// Ends a VM, whatever its guest thinks of it. One that does not run stays as it is.
    fn stop(&mut self, server: ServerId) -> Result<()>;

    /// Presses the reset button.
    fn reset(&mut self, server: ServerId) -> Result<()>;

    /// Stops the processors.
    fn pause(&mut self, server: ServerId) -> Result<()>;

    /// Lets the processors go on.
    fn resume(&mut self, server: ServerId) -> Result<()>;

    /// Gives a running VM another disk.
    fn attach_disk(&mut self, server: ServerId, disk: &Disk) -> Result<()>;

    /// Takes a disk from a running VM. As long as the guest holds it the answer is [`Detach::Waiting`]; ask
    /// again after [`VmEventKind::DiskDetached`], or later.
    fn detach_disk(&mut self, server: ServerId, volume: VolumeId) -> Result<Detach>;

    /// Makes a disk of a running VM larger, backend and guest in one.
    fn resize_disk(&mut self, server: ServerId, volume: VolumeId, size_bytes: u64) -> Result<()>;

    /// Changes what a running VM may ask of a disk.
    fn limit_disk(&mut self, server: ServerId, volume: VolumeId, limits: &Limits) -> Result<()>;

    /// The names of the layers that a running VM has open; of all its disks. `None` where no files are open at all.
    fn layers(&mut self, server: ServerId) -> Result<Option<Vec<String>>>;

    /// Lays a new layer over the layer `over`, which is a disk's topmost. Done twice it changes nothing.
    fn push_layer(&mut self, server: ServerId, layer: &Value, over: &str) -> Result<()>;

    /// Begins to merge layers of a disk, or goes on with it. `true` once a [`Merge::Down`] is done; whether a
    /// [`Merge::Up`] is shows in the upper layer's header.
    fn merge_layers(&mut self, server: ServerId, volume: VolumeId, merge: &Merge<'_>) -> Result<bool>;

    /// How far a disk's mirror is; nothing where there is none of this id. One that failed is told once.
    fn mirrored(&mut self, server: ServerId, volume: VolumeId, id: CopyId) -> Result<Option<Mirrored>>;

    /// Begins to write what a disk of a running VM holds to another tree of block nodes, and all that the guest writes to
    /// both. Nothing of what the tree holds counts. Any other mirror of the disk ends.
    fn begin_mirror(&mut self, server: ServerId, volume: VolumeId, mirror: (CopyId, &Value)) -> Result<()>;

    /// Ends the mirror of a disk, if it has one, and closes its tree. The disk stays what it was.
    fn end_mirror(&mut self, server: ServerId, volume: VolumeId) -> Result<()>;

    /// Puts a mirror in the place of its disk, which is closed, and tells whether that was done; else there is no mirror
    /// any more. The guest stands still meanwhile. `record` is called once both are equal and nothing can be written to
    /// either: what it writes down decides which of them is opened when the VM is started again, and only once it has
    /// written that does the guest go on. To be called again for what [`Hypervisor::exchanging`] tells.
    fn exchange_disk(
        &mut self,
        server: ServerId,
        wanted: &Exchange,
        record: &mut dyn FnMut() -> std::io::Result<()>,
    ) -> Result<bool>;

    /// The exchange that was interrupted. Until it is brought to its end, the VM stands still.
    fn exchanging(&mut self, server: ServerId) -> Option<Exchange>;

    /// The last bytes of what the guest wrote to its serial console; nothing for a VM that is not known.
    fn console_tail(&self, server: ServerId, bytes_max: usize) -> Result<Vec<u8>>;

    /// Where a VM's consoles can be reached; `None` where they cannot.
    fn sockets(&self, server: ServerId) -> Option<Sockets>;

    /// Stops a VM and forgets it.
    fn remove(&mut self, server: ServerId) -> Result<()>;
}

/// How layers of a disk become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge<'n> {
    /// What `top` has is written into `base`, which is the one below it; `top`, which is not a disk's topmost, is taken
    /// out.
    Down {
        /// The upper layer.
        top: &'n str,
        /// The lower one.
        base: &'n str,
        /// What the layer above them is told its backing file is called.
        backing_file: &'n str,
    },
    /// What lies between `top` and `base` is written into `top`, which then lies over `base`, or over nothing.
    Up {
        /// The layer that is written to.
        top: &'n str,
        /// The first that stays below it.
        base: Option<&'n str>,
        /// What `top` is told its backing file is called.
        backing_file: Option<&'n str>,
    },
}

/// How far the mirror of a disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirrored {
    /// It is on its way.
    Going {
        /// How far.
        percent: u8,
    },
    /// All is in both, and stays so as long as nothing fails: the disk can be exchanged.
    Equal,
    /// It ended before it was whole, and its tree is closed.
    Failed(String),
}

/// A disk that is exchanged for its mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The disk.
    pub volume: VolumeId,
    /// Its mirror.
    pub id: CopyId,
    /// What that is called by whoever has it exchanged.
    pub to: String,
}

/// What a host offers for VMs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSupport {
    /// The program and its version, for people.
    pub version: String,
    /// How processors are provided.
    pub accelerator: Accelerator,
    /// Why it is this one.
    pub accelerator_reason: String,
    /// How the processes of a VM are kept together, for people.
    pub containment: String,
    /// Processors.
    pub vcpus: u32,
    /// Memory.
    pub ram_mib: u64,
}

/// Unix sockets of a VM. Each takes one connection at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets {
    /// The serial console.
    pub console: PathBuf,
    /// The screen, by VNC.
    pub screen: PathBuf,
    /// The guest agent.
    pub agent: PathBuf,
}

/// The reason of [`Power::Crashed`] for a VM that went with its host and may be started again by itself.
pub const HOST_RESTARTED: &str = "the host was restarted";

/// Whether a VM runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// There is none.
    Absent,
    /// Its processors run.
    Running,
    /// Its processors are stopped.
    Paused,
    /// Its processors were stopped by the hypervisor itself, which cannot go on as it is.
    Stalled {
        /// Why.
        reason: String,
    },
    /// It was switched off, by its guest or by [`Hypervisor::stop`].
    ShutDown,
    /// It ended otherwise.
    Crashed {
        /// What is known about why.
        reason: String,
    },
}

impl Power {
    /// Whether there is a process, so that there are devices, too.
    pub fn has_body(&self) -> bool {
        matches!(self, Power::Running | Power::Paused | Power::Stalled { .. })
    }
}

/// How a VM is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Whether it runs.
    pub power: Power,
    /// The disks its guest sees, as long as it has a body. Whether files are closed only
    /// [`Hypervisor::detach_disk`] tells.
    pub disks: BTreeSet<VolumeId>,
}

/// How far the removal of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detach {
    /// The guest has been asked, and still has it.
    Waiting,
    /// It is gone, and nothing has its files open.
    Gone,
}

/// Something happened to a VM. An event may be lost with the program; what it tells can be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmEvent {
    /// The VM.
    pub server: ServerId,
    /// What happened.
    pub kind: VmEventKind,
}

/// What happened to a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmEventKind {
    /// The guest switched itself off.
    GuestShutDown,
    /// It was ended from the host.
    HostShutDown,
    /// It began again.
    Reset,
    /// Its processors were stopped.
    Paused,
    /// Its processors go on.
    Resumed,
    /// The guest let go of a disk.
    DiskDetached(VolumeId),
    /// The guest refused to let go of a disk.
    DetachRefused(VolumeId),
    /// A merge of layers ended, well or not, or a mirror is equal to its disk or ended; see [`Hypervisor::merge_layers`] and
    /// [`Hypervisor::mirrored`].
    DiskWork,
    /// The process ended.
    Exited,
}
