//! What a flavor is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use types::{FlavorId, ProjectId, Timestamp};

/// A flavor. A server keeps a copy, so that a later change or removal does not reach it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flavor {
    /// Its id, which the operator may choose.
    pub id: FlavorId,
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory.
    pub ram_mib: u64,
    /// The root disk; 0 is the image's own size.
    pub disk_gib: u64,
    /// A second disk. Shown, counted and not yet made: only 0 boots.
    pub ephemeral_gib: u64,
    /// Swap. As the second disk.
    pub swap_mib: u64,
    /// A word of networking long gone; shown as it was given.
    pub rxtx_factor: f64,
    /// Whether everybody may use it.
    pub is_public: bool,
    /// Words for people.
    pub description: Option<String>,
    /// Words for machines.
    pub extra_specs: BTreeMap<String, String>,
    /// Who may use it if not everybody.
    pub access: BTreeSet<ProjectId>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Flavor {
    /// Whether a project may use and see it.
    pub fn is_open_to(&self, project_id: Option<&ProjectId>) -> bool {
        self.is_public || project_id.is_some_and(|id| self.access.contains(id))
    }

    /// How much disk placement counts for a server that boots from an image.
    pub fn disk_total_gib(&self) -> u64 {
        self.disk_gib + self.ephemeral_gib + self.swap_mib.div_ceil(1024)
    }
}

/// What is needed to make a flavor.
#[derive(Debug, Clone, PartialEq)]
pub struct FlavorDraft {
    /// The id, if the operator chose one.
    pub id: Option<FlavorId>,
    /// The name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory.
    pub ram_mib: u64,
    /// The root disk.
    pub disk_gib: u64,
    /// A second disk.
    pub ephemeral_gib: u64,
    /// Swap.
    pub swap_mib: u64,
    /// See [`Flavor::rxtx_factor`].
    pub rxtx_factor: f64,
    /// Whether everybody may use it.
    pub is_public: bool,
    /// Words for people.
    pub description: Option<String>,
}

/// The flavors of a fresh cloud: name, virtual CPUs, memory in MiB, disk in GiB.
pub(crate) const FRESH: &[(&str, &str, u32, u64, u64)] = &[
    ("42", "m1.nano", 1, 256, 1),
    ("84", "m1.micro", 1, 384, 1),
    ("1", "m1.tiny", 1, 512, 1),
    ("2", "m1.small", 1, 2048, 20),
    ("3", "m1.medium", 2, 4096, 40),
    ("4", "m1.large", 4, 8192, 80),
];
