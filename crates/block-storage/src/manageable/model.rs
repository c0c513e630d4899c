//! How something on a backend is referred to, and what is listed of it.

use types::{HostId, SnapshotId, VolumeId};

/// How what was, or is, a volume is called, before its id.
const VOLUME: &str = "volume-";
/// The same for what was a snapshot.
const SNAPSHOT: &str = "_snapshot-";

/// By what a client refers to something on a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Its name there.
    Name(String),
    /// The id that it had when it was managed.
    Id(String),
    /// By nothing that is known here: what is wrong with that is told as what is wrong with the thing.
    None,
}

impl Reference {
    /// The name of a volume.
    pub(crate) fn of_volume(self) -> String {
        self.name(VOLUME)
    }

    /// The name of a snapshot.
    pub(crate) fn of_snapshot(self) -> String {
        self.name(SNAPSHOT)
    }

    fn name(self, before: &str) -> String {
        match self {
            Reference::Name(name) => name,
            Reference::Id(id) => format!("{before}{id}"),
            Reference::None => String::new(),
        }
    }
}

/// The name of a volume on its backend.
pub(crate) fn name_of_volume(id: VolumeId) -> String {
    format!("{VOLUME}{id}")
}

/// The volume that has this name, if it is one that volumes have.
pub(crate) fn volume_of_name(name: &str) -> Option<VolumeId> {
    name.strip_prefix(VOLUME)?.parse().ok()
}

/// The name of a snapshot as long as it is managed.
pub(crate) fn name_of_snapshot(id: SnapshotId) -> String {
    format!("snapshot-{id}")
}

/// A backend of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backend {
    /// The host.
    pub(crate) host: HostId,
    /// The backend as rows and documents name it: nothing if its host names none.
    pub(crate) named: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// Whether volumes that name none are on it.
    pub(crate) is_default: bool,
}

/// Something on a backend, in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name there.
    pub(crate) name: String,
    /// Its size, rounded up.
    pub(crate) size_gib: u64,
    /// Which volume or snapshot it is already.
    pub(crate) managed: Option<String>,
    /// Why it cannot be managed.
    pub(crate) refused: Option<String>,
    /// The volume that a snapshot is of.
    pub(crate) source: Option<VolumeId>,
}

impl Entry {
    /// Why it is not safe to manage.
    pub(crate) fn reason_not_safe(&self) -> Option<&str> {
        self.managed.as_ref().map(|_| "already managed").or(self.refused.as_deref())
    }
}
