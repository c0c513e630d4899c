//! What a server is: its wishes, its phase, and what is derived from them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use agent_api::compute::{Power, PowerSeen, Reboot};
use serde::{Deserialize, Serialize};
use types::{HostId, ImageId, ProjectId, ServerGroupId, ServerId, Timestamp, UserId};

use super::{Disk, Imaging, Nic};
use crate::flavor::Flavor;

/// The availability zone that every host is in.
pub(crate) const ZONE: &str = "nova";
/// How long a guest has to shut down by itself.
pub(crate) const GRACE_S: u32 = 60;

/// A server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its id, and its VM's.
    pub id: ServerId,
    /// The project it counts for.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// Its name for people.
    pub name: String,
    /// Its name for itself.
    pub hostname: String,
    /// Words for people.
    pub description: Option<String>,
    /// Its size, as the flavor was when it was made.
    pub flavor: Flavor,
    /// The image it was made from; none when it boots from a volume.
    pub image: Option<BootImage>,
    /// The image that said of which volumes it is made, if one did.
    #[serde(default)]
    pub volumes_image: Option<ImageId>,
    /// The names of who made it, for images that are made of it.
    #[serde(default)]
    pub creator: Option<Creator>,
    /// The key that was put into it.
    pub key: Option<Key>,
    /// The owner's pairs.
    pub metadata: BTreeMap<String, String>,
    /// The owner's tags.
    pub tags: BTreeSet<String>,
    /// What the owner tells the guest, base64.
    pub user_data: Option<String>,
    /// Whether the metadata also comes on a drive.
    pub config_drive: bool,
    /// The password that was told the guest.
    pub admin_pass: Option<String>,
    /// The password that the guest made for itself, encrypted with the key's public half; empty if it made none.
    #[serde(default)]
    pub guest_password: String,
    /// How often that was cleared.
    #[serde(default)]
    pub passwords_cleared: u32,
    /// Addresses that the owner wants shown as the way in.
    pub access_ipv4: Option<IpAddr>,
    /// As above.
    pub access_ipv6: Option<IpAddr>,
    /// The owner's word for who partitions the disk; shown as it was given.
    pub disk_config_manual: bool,
    /// Where it must or must not run.
    pub placement: Placement,
    /// What servers made by one request have in common.
    pub reservation_id: String,
    /// Which of those it is.
    pub launch_index: u32,
    /// Who locked it, and why.
    pub lock: Option<Lock>,
    /// Its network cards, as the network service said last.
    pub nics: Vec<Nic>,
    /// Its volumes in device order.
    pub disks: Vec<Disk>,
    /// The images that are being made of its root disk; one at a time, but for what the host has not let go of.
    #[serde(default)]
    pub imagings: Vec<Imaging>,
    /// Where it is in its life.
    pub phase: Phase,
    /// What is being done to it.
    pub task: Option<Task>,
    /// When the phase or the task began, for their deadlines.
    pub since: Timestamp,
    /// Whether the VM is to run.
    pub power: Power,
    /// The last reboot that was asked for.
    pub reboot: Option<Reboot>,
    /// The host that was chosen.
    pub host: Option<HostId>,
    /// What the host last said about its power.
    pub power_seen: PowerSeen,
    /// Why it is in ERROR, or ended or stands still although nobody wanted that.
    pub fault: Option<ServerFault>,
    /// The action that the task belongs to.
    pub task_action: Option<String>,
    /// The action that last started the guest: the milestones of its start are events of it.
    pub boot_action: Option<String>,
    /// When that was asked for.
    pub boot_at: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When it first ran.
    pub launched_at: Option<Timestamp>,
}

/// The image a server was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootImage {
    /// The image.
    pub id: ImageId,
    /// Its disk format.
    pub format: String,
    /// The root disk's size: the flavor's, or the image's where the flavor has none.
    pub root_gib: u64,
    /// Its properties, for the devices of the VM.
    pub properties: BTreeMap<String, String>,
    /// The smallest root disk that it boots from.
    #[serde(default)]
    pub min_disk_gib: u32,
    /// The least memory that it boots with.
    #[serde(default)]
    pub min_ram_mib: u32,
}

/// What people call those who made a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creator {
    /// The user.
    pub user_name: String,
    /// The project.
    pub project_name: String,
}

/// A copy of a keypair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The keypair's name.
    pub name: String,
    /// The public key.
    pub public_key: String,
}

/// Where a server must or must not run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The availability zone that was asked for.
    pub zone: Option<String>,
    /// The host that an operator asked for.
    pub host: Option<HostId>,
    /// Its server group.
    pub group_id: Option<ServerGroupId>,
    /// On the host of these servers.
    pub same_host: Vec<ServerId>,
    /// On another host than these servers.
    pub different_host: Vec<ServerId>,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Whether an operator locked it; then only an operator unlocks it.
    pub by_admin: bool,
    /// Why.
    pub reason: Option<String>,
}

/// Why a server is in ERROR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFault {
    /// As an HTTP status.
    pub code: u16,
    /// For the owner.
    pub message: String,
    /// More, for operators.
    pub details: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Where a server is in its life.
///
/// ```text
/// Scheduling ──placed──▶ Volumes ──ready──▶ Spawning ──runs──▶ Active ⇄ Stopped
///     │                     │                   │                ⇅
///     └──no host────────────┴──────failed───────┴──▶ Failed    Paused
/// ```
///
/// Between the three on the right it goes by tasks. From anywhere an overdue phase or task, or an operator, leads to
/// `Failed`; from there a hard reboot or an operator leads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It has no host yet.
    Scheduling,
    /// It waits for volumes that are being made.
    Volumes,
    /// Its host makes the VM.
    Spawning,
    /// It runs.
    Active,
    /// It is shut down.
    Stopped,
    /// It stands still.
    Paused,
    /// It is in ERROR.
    Failed,
}

/// What is being done to a server. One at a time; deletion replaces any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// On its way from Active to Stopped.
    PoweringOff,
    /// On its way from Stopped to Active.
    PoweringOn,
    /// Asking the guest to reboot.
    Rebooting,
    /// Resetting it.
    RebootingHard,
    /// On its way from Active to Paused.
    Pausing,
    /// On its way back.
    Unpausing,
    /// An image of it was asked for.
    ImageSnapshotPending,
    /// A moment of its root disk is being held for an image.
    ImageSnapshot,
    /// The same, for a backup.
    ImageBackup,
    /// The moment waits for being copied.
    ImagePendingUpload,
    /// The moment is being copied.
    ImageUploading,
    /// On its way out; its row goes last.
    Deleting,
}

impl Phase {
    /// How long it may last before the server is in ERROR.
    pub fn deadline(self) -> Option<Duration> {
        match self {
            Phase::Scheduling => Some(Duration::from_secs(60)),
            // An image of many GiB is being copied where it cannot be cloned.
            Phase::Volumes => Some(Duration::from_secs(1800)),
            Phase::Spawning => Some(Duration::from_secs(600)),
            Phase::Active | Phase::Stopped | Phase::Paused | Phase::Failed => None,
        }
    }

    /// Nova's `vm_state`.
    pub fn vm_state(self) -> &'static str {
        match self {
            Phase::Scheduling | Phase::Volumes | Phase::Spawning => "building",
            Phase::Active => "active",
            Phase::Stopped => "stopped",
            Phase::Paused => "paused",
            Phase::Failed => "error",
        }
    }
}

impl Task {
    /// All of them.
    pub const ALL: [Task; 12] = [
        Task::PoweringOff,
        Task::PoweringOn,
        Task::Rebooting,
        Task::RebootingHard,
        Task::Pausing,
        Task::Unpausing,
        Task::ImageSnapshotPending,
        Task::ImageSnapshot,
        Task::ImageBackup,
        Task::ImagePendingUpload,
        Task::ImageUploading,
        Task::Deleting,
    ];

    /// How long it may last before the server is in ERROR. An image that cannot be made harms no server.
    pub fn deadline(self) -> Option<Duration> {
        let grace = Duration::from_secs(GRACE_S.into());
        match self {
            Task::PoweringOff => Some(grace + Duration::from_secs(120)),
            Task::PoweringOn | Task::RebootingHard => Some(Duration::from_secs(300)),
            Task::Rebooting => Some(grace + Duration::from_secs(300)),
            Task::Pausing | Task::Unpausing => Some(Duration::from_secs(120)),
            Task::Deleting => Some(Duration::from_secs(600)),
            Task::ImageSnapshotPending
            | Task::ImageSnapshot
            | Task::ImageBackup
            | Task::ImagePendingUpload
            | Task::ImageUploading => None,
        }
    }

    /// Whether an image is being made, which changes nothing of the server.
    pub fn is_imaging(self) -> bool {
        matches!(
            self,
            Task::ImageSnapshotPending
                | Task::ImageSnapshot
                | Task::ImageBackup
                | Task::ImagePendingUpload
                | Task::ImageUploading
        )
    }

    /// Nova's `task_state`.
    pub fn state(self) -> &'static str {
        match self {
            Task::PoweringOff => "powering-off",
            Task::PoweringOn => "powering-on",
            Task::Rebooting => "rebooting",
            Task::RebootingHard => "rebooting_hard",
            Task::Pausing => "pausing",
            Task::Unpausing => "unpausing",
            Task::ImageSnapshotPending => "image_snapshot_pending",
            Task::ImageSnapshot => "image_snapshot",
            Task::ImageBackup => "image_backup",
            Task::ImagePendingUpload => "image_pending_upload",
            Task::ImageUploading => "image_uploading",
            Task::Deleting => "deleting",
        }
    }
}

/// What a status is made of, for filters.
pub(crate) const STATUSES: &[&str] =
    &["ACTIVE", "BUILD", "ERROR", "HARD_REBOOT", "PAUSED", "REBOOT", "SHUTOFF"];

/// The statuses that Nova knows and a server here is never in.
pub(crate) const STATUSES_UNUSED: &[&str] = &[
    "DELETED",
    "MIGRATING",
    "PASSWORD",
    "REBUILD",
    "RESCUE",
    "RESIZE",
    "REVERT_RESIZE",
    "SHELVED",
    "SHELVED_OFFLOADED",
    "SOFT_DELETED",
    "SUSPENDED",
    "UNKNOWN",
    "VERIFY_RESIZE",
];

impl Server {
    /// The status that clients wait for.
    pub fn status(&self) -> &'static str {
        match (self.phase, self.task) {
            (Phase::Scheduling | Phase::Volumes | Phase::Spawning, _) => "BUILD",
            (Phase::Active, Some(Task::Rebooting)) => "REBOOT",
            (Phase::Active, Some(Task::RebootingHard)) => "HARD_REBOOT",
            (Phase::Active, _) => "ACTIVE",
            (Phase::Stopped, _) => "SHUTOFF",
            (Phase::Paused, _) => "PAUSED",
            (Phase::Failed, _) => "ERROR",
        }
    }

    /// Nova's `vm_state`: where it is at rest.
    pub fn vm_state(&self) -> &'static str {
        self.phase.vm_state()
    }

    /// Nova's `task_state`: what is being done.
    pub fn task_state(&self) -> Option<&'static str> {
        match (self.task, self.phase) {
            (Some(task), _) => Some(task.state()),
            (None, Phase::Scheduling) => Some("scheduling"),
            (None, Phase::Volumes) => Some("block_device_mapping"),
            (None, Phase::Spawning) => Some("spawning"),
            (None, Phase::Active | Phase::Stopped | Phase::Paused | Phase::Failed) => None,
        }
    }

    /// Nova's `power_state`, a number of libvirt's.
    pub fn power_state(&self) -> u8 {
        match self.power_seen {
            PowerSeen::Absent if self.phase == Phase::Stopped => 4,
            PowerSeen::Absent => 0,
            PowerSeen::Running => 1,
            PowerSeen::Paused => 3,
            PowerSeen::Shutdown => 4,
            PowerSeen::Crashed => 6,
        }
    }

    /// 100 once it is made, 0 before.
    pub fn progress(&self) -> Option<u8> {
        match self.status() {
            "BUILD" | "ACTIVE" | "REBOOT" | "HARD_REBOOT" => Some(0),
            _ => None,
        }
    }

    /// The image that clients are told it was made from.
    pub fn image_id(&self) -> Option<ImageId> {
        self.image.as_ref().map(|image| image.id).or(self.volumes_image)
    }

    /// Whether it is on its way out.
    pub fn is_deleting(&self) -> bool {
        self.task == Some(Task::Deleting)
    }

    /// Whether it is still being made.
    pub fn is_building(&self) -> bool {
        matches!(self.phase, Phase::Scheduling | Phase::Volumes | Phase::Spawning)
    }

    /// Whether somebody must still do something about it.
    pub fn is_moving(&self) -> bool {
        self.task.is_some() || self.is_building() || !self.imagings.is_empty()
    }

    /// What of its time is left before it is in ERROR; `None` where it may stay as it is.
    pub fn time_left(&self, now: Timestamp) -> Option<Duration> {
        let deadline = match self.task {
            Some(task) => task.deadline(),
            None => self.phase.deadline(),
        };
        deadline.map(|deadline| self.since.plus(deadline).since(now))
    }

    /// Goes to a phase, at rest.
    pub(crate) fn enter(&mut self, phase: Phase, now: Timestamp) {
        self.phase = phase;
        self.task = None;
        self.since = now;
        self.updated_at = now;
        if phase != Phase::Failed {
            self.fault = None;
        }
    }

    /// Begins a task.
    pub(crate) fn begin(&mut self, task: Task, now: Timestamp) {
        self.task = Some(task);
        self.since = now;
        self.updated_at = now;
    }

    /// Goes to ERROR. A deletion goes on nevertheless.
    pub(crate) fn fail(&mut self, code: u16, message: String, details: Option<String>, now: Timestamp) {
        let deleting = self.is_deleting();
        self.enter(Phase::Failed, now);
        if deleting {
            self.task = Some(Task::Deleting);
        }
        self.fault = Some(ServerFault { code, message, details, at: now });
    }

    /// What places it: amounts by resource class. A server that boots from a volume takes no disk of its host.
    pub(crate) fn resources(&self) -> BTreeMap<String, u64> {
        let disk = match self.image {
            Some(_) => self.flavor.disk_total_gib(),
            None => self.flavor.disk_total_gib() - self.flavor.disk_gib,
        };
        let all = [
            (placement::provider::VCPU, u64::from(self.flavor.vcpus)),
            (placement::provider::MEMORY_MB, self.flavor.ram_mib),
            (placement::provider::DISK_GB, disk),
        ];
        all.into_iter().filter(|(_, n)| *n > 0).map(|(class, n)| (class.to_owned(), n)).collect()
    }

    /// Its name at its hypervisor, as operators are shown it.
    pub(crate) fn vm_name(&self) -> String {
        format!("instance-{}", &self.id.0.simple().to_string()[..8])
    }

    /// The device that it boots from.
    pub(crate) fn root_device(&self) -> String {
        let boot = self.disks.iter().find(|disk| disk.boot);
        boot.map_or_else(|| "/dev/vda".to_owned(), |disk| disk.device.clone())
    }

    /// The first device name that is free.
    pub(crate) fn next_device(&self) -> Option<String> {
        let root = self.image.is_some().then(|| "/dev/vda".to_owned());
        let taken: BTreeSet<String> = self.disks.iter().map(|disk| disk.device.clone()).chain(root).collect();
        let names = ('a'..='z').map(|letter| format!("/dev/vd{letter}"));
        let from = usize::from(!self.disks.is_empty() || self.image.is_some());
        names.skip(from).find(|name| !taken.contains(name))
    }
}

/// A host name made of a server's name, as Nova makes it.
pub(crate) fn hostname_of(name: &str, id: ServerId) -> String {
    let mut host = String::new();
    for c in name.chars() {
        match c {
            ' ' | '_' => host.push('-'),
            c if c.is_ascii_alphanumeric() || c == '-' || c == '.' => host.push(c.to_ascii_lowercase()),
            _ => {}
        }
    }
    let host = host.trim_matches(['-', '.']).replace('.', "-");
    let host: String = host.chars().take(63).collect();
    let host = host.trim_end_matches('-').to_owned();
    if host.is_empty() { format!("server-{id}") } else { host }
}
