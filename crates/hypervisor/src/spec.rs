//! What a VM is made of: plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use types::{MacAddr, PortId, Secret, ServerId, VolumeId};
use uuid::Uuid;

use crate::{Error, Result};

/// A VM, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VmSpec {
    /// The server whose body it is; also its SMBIOS UUID and serial number.
    pub server: ServerId,
    /// What people call it; shown in process lists.
    pub name: String,
    /// Processors.
    pub vcpus: u32,
    /// Memory.
    pub ram_mib: u64,
    /// The board.
    #[serde(default)]
    pub machine: Machine,
    /// QEMU's name of the processor, or `None` for all that the host can do.
    #[serde(default)]
    pub cpu_model: Option<String>,
    /// In the order of their names in the guest.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// In the order of their names in the guest.
    #[serde(default)]
    pub nics: Vec<Nic>,
    /// An ISO 9660 image shown as a read-only disk.
    #[serde(default)]
    pub config_drive: Option<PathBuf>,
    /// Where the output of the serial console is kept. It stays when the VM is removed.
    pub console_log: PathBuf,
    /// Whether there is a screen, shown by VNC on a socket.
    #[serde(default)]
    pub screen: bool,
    /// Whether there is a channel for the guest agent.
    #[serde(default)]
    pub guest_agent: bool,
    /// What changes when the VM goes back in time, as by restoring a snapshot. `None` is the server's id.
    #[serde(default)]
    pub generation_id: Option<Uuid>,
}

/// The board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// PCI Express.
    #[default]
    Q35,
    /// The board of 1996, for guests that need it.
    Pc,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// What it shows.
    pub volume: VolumeId,
    /// The tree of block nodes. Names that it has begin with `l-`; they are the names of layers.
    pub blockdev: Value,
    /// Its turn when the firmware looks for something to boot; `None` for never.
    #[serde(default)]
    pub boot_index: Option<u32>,
    /// Whether the guest can only read it.
    #[serde(default)]
    pub read_only: bool,
    /// Whether other VMs may write to it at the same time, and this one although they do.
    #[serde(default)]
    pub shared: bool,
    /// What the guest may ask of it.
    #[serde(default)]
    pub limits: Limits,
    /// What opens the encrypted node in its tree, whose `key-secret` is [`Disk::secret_name`]. It is in QEMU's memory and
    /// in no file.
    #[serde(skip)]
    pub secret: Option<Secret>,
}

/// Limits of a disk by the names of QEMU's `ThrottleLimits`, in operations or bytes a second.
pub type Limits = BTreeMap<String, u64>;

/// The limits there are; those not named are none.
const LIMITS: [&str; 13] = [
    "iops-total",
    "iops-total-max",
    "iops-read",
    "iops-read-max",
    "iops-write",
    "iops-write-max",
    "bps-total",
    "bps-total-max",
    "bps-read",
    "bps-read-max",
    "bps-write",
    "bps-write-max",
    "iops-size",
];

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The port it is.
    pub port: PortId,
    /// Its address.
    pub mac: MacAddr,
    /// The largest packet, told to the guest's driver.
    pub mtu: u16,
}

/// virtio-blk takes no longer serial number.
const SERIAL_CHARS: usize = 20;
/// Fixed places on the board.
pub(crate) const NICS_MAX: usize = 8;
/// Each needs a root port of its own, as do ten that come later; firmware and guests look at every one.
pub(crate) const DISKS_MAX: usize = 14;

/// The drivers of block nodes that keep nothing in memory of what is on the disk, so that several processes may write to
/// it: no formats with tables of their own.
const SHARABLE: [&str; 4] = ["file", "host_device", "rbd", "null-co"];

impl Disk {
    /// Refuses what cannot be a disk, or cannot be one of several VMs.
    pub(crate) fn check(&self) -> Result<()> {
        let (volume, driver) = (self.volume, self.blockdev["driver"].as_str().unwrap_or_default());
        if !self.blockdev.is_object() {
            return Err(Error::Spec(format!("the block node of volume {volume} is no JSON object")));
        }
        if self.shared && !SHARABLE.contains(&driver) {
            let text = format!("volume {volume} is {driver}, which not more than one VM can have open");
            return Err(Error::Spec(text));
        }
        Ok(())
    }

    /// The serial number the guest sees: as in Nova, the beginning of the volume's id. Udev makes
    /// `/dev/disk/by-id/virtio-…` of it.
    pub fn serial(&self) -> String {
        self.volume.to_string().chars().take(SERIAL_CHARS).collect()
    }

    /// The name of its topmost block node. QEMU allows 31 characters, so not all of the id is in it.
    pub fn node_name(volume: VolumeId) -> String {
        let digits = volume.0.simple().to_string();
        format!("vol-{}", &digits[..24])
    }

    /// The name of the group of throttled nodes that a disk is alone in.
    pub fn throttle_group(volume: VolumeId) -> String {
        let digits = volume.0.simple().to_string();
        format!("limits-{}", &digits[..24])
    }

    /// The name of the secret of a disk.
    pub fn secret_name(volume: VolumeId) -> String {
        let digits = volume.0.simple().to_string();
        format!("key-{}", &digits[..24])
    }

    /// The group as an object of QEMU.
    pub fn throttle_object(&self) -> Value {
        json!({
            "qom-type": "throttle-group",
            "id": Disk::throttle_group(self.volume),
            "limits": all_limits(&self.limits),
        })
    }

    /// The tree of block nodes under one that throttles it and has the disk's name. Layers come and go below that one.
    pub fn named_blockdev(&self) -> Value {
        let mut below = self.blockdev.clone();
        let mut node = json!({
            "driver": "throttle",
            "node-name": Disk::node_name(self.volume),
            "throttle-group": Disk::throttle_group(self.volume),
        });
        if self.read_only {
            below["read-only"] = true.into();
            node["read-only"] = true.into();
        }
        node["file"] = below;
        node
    }
}

/// All of QEMU's limits: 0 is none, and one that is left out would stay as it was.
pub(crate) fn all_limits(limits: &Limits) -> Value {
    let limit = |name: &str| (name.to_owned(), Value::from(limits.get(name).copied().unwrap_or(0)));
    Value::Object(LIMITS.into_iter().map(limit).collect())
}

impl VmSpec {
    /// Refuses what cannot be made, before anything is done.
    pub fn check(&self, taps: usize) -> Result<()> {
        let refuse = |what: String| Err(Error::Spec(what));
        if self.vcpus == 0 || self.ram_mib == 0 {
            return refuse("it needs at least one processor and 1 MiB of memory".to_owned());
        }
        if taps != self.nics.len() {
            return refuse(format!("{} taps were given for {} network cards", taps, self.nics.len()));
        }
        if self.nics.len() > NICS_MAX {
            return refuse(format!("it has {} network cards, at most {NICS_MAX} fit", self.nics.len()));
        }
        if self.disks.len() > DISKS_MAX {
            return refuse(format!("it has {} disks, at most {DISKS_MAX} fit", self.disks.len()));
        }
        let mut volumes: Vec<VolumeId> = self.disks.iter().map(|disk| disk.volume).collect();
        volumes.sort();
        if volumes.windows(2).any(|pair| pair[0] == pair[1]) {
            return refuse("it has the same volume twice".to_owned());
        }
        self.disks.iter().try_for_each(Disk::check)
    }
}
