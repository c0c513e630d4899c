//! Documents of the compute service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::block::ImageSource;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use types::{ImageId, MacAddr, PortId, ProjectId, ServerId, SnapshotId, Timestamp, VolumeId};

/// A VM: the body of a server on its host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vm {
    /// The server.
    pub id: ServerId,
    /// The server's name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory.
    pub ram_mib: u64,
    /// Whether it should run. `false` asks the guest to power off and, after a grace time, makes it.
    pub power: Power,
    /// Its own root disk, unless it boots from a volume.
    pub root_disk: Option<RootDisk>,
    /// Volumes, in device order; the one with `boot` comes first.
    pub volumes: Vec<VmVolume>,
    /// Its ports in order, which have documents too.
    pub nics: Vec<Nic>,
    /// What the metadata service and the config drive tell the guest.
    pub metadata: Metadata,
    /// Whether the metadata also comes on a drive.
    pub config_drive: bool,
    /// One-shot acts, each done once when its token is new.
    pub reboot: Option<Reboot>,
    /// Extra words of the image: `hw_disk_bus` and the like.
    pub image_properties: BTreeMap<String, String>,
}

/// Whether a VM should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Running.
    On,
    /// Shut down by the guest's own means, or after `grace_s` by force.
    Off {
        /// Seconds.
        grace_s: u32,
    },
    /// Running, but its CPUs stand still.
    Paused,
}

/// A root disk made from an image, or empty if the server has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootDisk {
    /// The image.
    pub image: ImageSource,
    /// The size; at least the image's.
    pub size_gib: u64,
    /// The moments of it that are held; others are let go.
    #[serde(default)]
    pub snapshots: BTreeSet<SnapshotId>,
}

/// A volume in a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmVolume {
    /// The volume, which has a document too.
    pub id: VolumeId,
    /// `/dev/vdb`: what the API says; the guest may name it otherwise.
    pub device: String,
    /// Whether the VM boots from it.
    pub boot: bool,
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The port.
    pub port_id: PortId,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its MTU.
    pub mtu: u32,
}

/// A reboot that should have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reboot {
    /// The request that asked for it; done when the report shows the same.
    pub token: String,
    /// Reset at once, without asking the guest.
    pub hard: bool,
    /// How long a soft reboot waits for the guest before it becomes a hard one, in seconds.
    pub grace_s: u32,
}

/// What a guest can learn about itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The project.
    pub project_id: Option<ProjectId>,
    /// The guest's host name.
    pub hostname: String,
    /// Keypairs: name, `ssh` or `x509`, public key.
    pub keys: Vec<(String, String, String)>,
    /// The server's own metadata.
    pub meta: BTreeMap<String, String>,
    /// User data, base64.
    pub user_data: Option<String>,
    /// The administrator's password, if the client set one.
    pub admin_pass: Option<String>,
    /// The availability zone.
    pub availability_zone: String,
    /// Which of the servers created together this is.
    pub launch_index: u32,
    /// The flavor's name.
    pub flavor: String,
    /// The image.
    pub image_id: Option<ImageId>,
    /// When the server was created.
    pub created_at: Timestamp,
    /// `network_data.json`.
    pub network_data: Json,
    /// Floating IPs, for EC2's `public-ipv4`.
    pub floating_ips: Vec<IpAddr>,
    /// Fixed IPs, the first port's first.
    pub fixed_ips: Vec<IpAddr>,
    /// How often the guest's password was cleared: what was posted before the last time counts no more.
    #[serde(default)]
    pub passwords_cleared: u32,
}

/// What the node sees of a VM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSeen {
    /// Its power state.
    pub power: PowerSeen,
    /// The token of the last reboot that was done.
    pub rebooted: Option<String>,
    /// Volumes that the VM has now.
    pub volumes: Vec<VolumeId>,
    /// Ports that the VM has now.
    pub nics: Vec<PortId>,
    /// What happened since the VM was made or last started, oldest first.
    pub timeline: Vec<TimelineEvent>,
    /// Why it ended, or stands still, although nobody wanted that.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What the guest posted as its password.
    #[serde(default)]
    pub password: Option<PostedPassword>,
    /// The moments of its root disk that are held.
    #[serde(default)]
    pub root_snapshots: BTreeSet<SnapshotId>,
    /// Why they are not those that are wanted.
    #[serde(default)]
    pub root_trouble: Option<String>,
}

/// A password as a guest posted it, encrypted with the server's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedPassword {
    /// [`Metadata::passwords_cleared`] when it was posted.
    pub cleared: u32,
    /// The password.
    pub text: String,
}

/// A VM's power state as its hypervisor says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerSeen {
    /// Not there yet, or not any more.
    #[default]
    Absent,
    /// Running.
    Running,
    /// Standing still.
    Paused,
    /// Off.
    Shutdown,
    /// The process died.
    Crashed,
}

/// Something that happened to a VM on its way to being reachable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// What.
    pub event: Milestone,
    /// When.
    pub at: Timestamp,
    /// More about it: an address, a path, a banner.
    pub detail: String,
}

/// The milestones of a VM's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// Its disks are there.
    DiskReady,
    /// QEMU runs.
    Started,
    /// The guest took a DHCP lease.
    DhcpLease,
    /// The guest read its metadata.
    MetadataRead,
    /// An ssh server greeted.
    SshBanner,
    /// The guest powered itself off.
    GuestShutdown,
}
