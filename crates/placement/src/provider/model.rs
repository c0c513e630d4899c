//! What a provider and its inventories are.

use std::collections::BTreeMap;

use agent_api::NodeFacts;
use serde::{Deserialize, Serialize};
use types::ResourceProviderId;

/// Virtual CPUs.
pub const VCPU: &str = "VCPU";
/// Memory in MiB.
pub const MEMORY_MB: &str = "MEMORY_MB";
/// Disk in GiB.
pub const DISK_GB: &str = "DISK_GB";

/// How many virtual CPUs may share a real one: what Nova promised for its first thirteen years. Small hosts would be
/// full with a handful of idle servers otherwise.
const VCPU_RATIO: f64 = 16.0;
/// Memory kept for the host itself, as Nova's default.
const MEMORY_RESERVED_MIB: u64 = 512;

/// OpenStack's standard resource classes.
pub(crate) const CLASSES: &[&str] = &[
    VCPU,
    MEMORY_MB,
    DISK_GB,
    "PCI_DEVICE",
    "SRIOV_NET_VF",
    "NUMA_SOCKET",
    "NUMA_CORE",
    "NUMA_THREAD",
    "NUMA_MEMORY_MB",
    "IPV4_ADDRESS",
    "VGPU",
    "VGPU_DISPLAY_HEAD",
    "NET_BW_EGR_KILOBIT_PER_SEC",
    "NET_BW_IGR_KILOBIT_PER_SEC",
    "PCPU",
    "MEM_ENCRYPTION_CONTEXT",
    "FPGA",
    "PGPU",
    "NET_PACKET_RATE_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
];

/// The traits that providers here can have.
pub(crate) const TRAITS: &[&str] = &[
    "COMPUTE_NODE",
    "COMPUTE_STATUS_DISABLED",
    "COMPUTE_DEVICE_TAGGING",
    "COMPUTE_NET_ATTACH_INTERFACE",
    "COMPUTE_VOLUME_MULTI_ATTACH",
    "COMPUTE_IMAGE_TYPE_QCOW2",
    "COMPUTE_IMAGE_TYPE_RAW",
];

/// The traits of a compute host.
pub(crate) const HOST_TRAITS: &[&str] =
    &["COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NODE"];

/// Whether this is a resource class that an inventory may have.
pub fn is_class(name: &str) -> bool {
    CLASSES.contains(&name)
}

/// A resource provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    /// Its id.
    pub id: ResourceProviderId,
    /// The host's name.
    pub name: String,
    /// Grows when inventories change.
    pub generation: i64,
    /// What it is able to do.
    pub traits: Vec<String>,
    /// Whether it stands for a host, so that its inventories follow the host's facts.
    pub is_host: bool,
}

/// What is needed to make a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderDraft {
    /// The id that the client chose, if any.
    pub id: Option<ResourceProviderId>,
    /// Its name.
    pub name: String,
}

/// How much of one resource class a provider has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// How much there is.
    pub total: u64,
    /// How much of it is not given out.
    pub reserved: u64,
    /// The least that can be asked for.
    pub min_unit: u64,
    /// The most that one consumer can have.
    pub max_unit: u64,
    /// What is asked for must be a multiple of this.
    pub step_size: u64,
    /// How much more than there is may be given out.
    pub allocation_ratio: f64,
}

impl Inventory {
    /// An inventory of which one consumer may have everything.
    pub fn plain(total: u64, reserved: u64, allocation_ratio: f64) -> Inventory {
        Inventory { total, reserved, min_unit: 1, max_unit: total, step_size: 1, allocation_ratio }
    }

    /// How much can be given out altogether.
    pub fn capacity(&self) -> u64 {
        (self.total.saturating_sub(self.reserved) as f64 * self.allocation_ratio) as u64
    }

    /// How much more can be given out when this much is.
    pub fn free(&self, used: u64) -> u64 {
        self.capacity().saturating_sub(used)
    }

    /// Whether one consumer may have this much when `used` is given out.
    pub fn fits(&self, asked: u64, used: u64) -> bool {
        asked >= self.min_unit
            && asked <= self.max_unit
            && asked.checked_rem(self.step_size).unwrap_or(0) == 0
            && asked <= self.free(used)
    }
}

/// The inventories that a host's facts make.
pub(crate) fn inventories_of(facts: &NodeFacts) -> BTreeMap<String, Inventory> {
    let ram_reserved = MEMORY_RESERVED_MIB.min(facts.ram_mib / 4);
    let all = [
        (VCPU, Inventory::plain(facts.vcpus.into(), 0, VCPU_RATIO)),
        (MEMORY_MB, Inventory::plain(facts.ram_mib, ram_reserved, 1.0)),
        (DISK_GB, Inventory::plain(facts.disk_gib, 0, 1.0)),
    ];
    all.into_iter().filter(|(_, i)| i.total > 0).map(|(class, i)| (class.to_owned(), i)).collect()
}
