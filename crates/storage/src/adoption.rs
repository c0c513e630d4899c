//! What lies on a backend and belongs to no volume: how it becomes a volume, and how a volume becomes that again.

use serde::{Deserialize, Serialize};
use types::{SnapshotId, VolumeId};

use crate::{Result, Snapshot};

/// How the name of what was a volume begins; its id follows.
const VOLUME: &str = "volume-";
/// The same for what was a snapshot.
const SNAPSHOT: &str = "_snapshot-";
/// The longest name.
const NAME_BYTES_MAX: usize = 255;

/// Takes in as volumes what lies on a backend under names of its own, and gives volumes away.
///
/// What is unmanaged is nobody's to remove here, whatever this backend removes else: no sweep, no garbage collection and
/// no [`remove_volume`](crate::VolumeBackend::remove_volume), be it of a volume that it once was.
pub trait Adoption {
    /// All that lies there, in the order of names. On a backend that others share these may be volumes of anybody.
    fn observe_unmanaged(&self) -> Result<Vec<Unmanaged>>;

    /// What has this name.
    fn find_unmanaged(&self, name: &str) -> Result<Unmanaged>;

    /// Makes a volume of what has this name, which then is gone; a volume that is there is left as it is. Where the backend
    /// can it gets this size, else [`ensure_size`](crate::VolumeBackend::ensure_size) gives it. Snapshots that it has are
    /// unmanaged ones.
    fn ensure_managed(&self, volume: VolumeId, name: &str, size_bytes: u64) -> Result<()>;

    /// Makes what no volume is of a volume that no VM uses, under the name [`name_of_volume`]; none is fine. `name` is the
    /// name that it was taken in from, where that may not be done yet.
    fn ensure_unmanaged(&self, volume: VolumeId, name: Option<&str>) -> Result<()>;

    /// The snapshots of a volume that are unmanaged.
    fn observe_unmanaged_snapshots(&self, volume: VolumeId) -> Result<Vec<UnmanagedSnapshot>>;

    /// Makes a snapshot of the unmanaged one that has this name; a snapshot that is there is left as it is.
    fn ensure_snapshot_managed(&self, at: Snapshot, name: &str) -> Result<()>;

    /// Makes an unmanaged one of a snapshot, under the name [`name_of_snapshot`]; none is fine.
    fn ensure_snapshot_unmanaged(&self, at: Snapshot) -> Result<()>;
}

/// Something of which a volume can be made, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmanaged {
    /// Its name on the backend.
    pub name: String,
    /// How large a disk it is; nought where that cannot be seen.
    pub size_bytes: u64,
    /// Why no volume can be made of it.
    pub refused: Option<String>,
}

/// A snapshot that is managed no longer, or never was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmanagedSnapshot {
    /// Its name on the backend.
    pub name: String,
    /// How large the disk was.
    pub size_bytes: u64,
}

/// What a volume is called once it is unmanaged.
pub fn name_of_volume(id: VolumeId) -> String {
    format!("{VOLUME}{id}")
}

/// The volume that something of this name was, or is where volumes are called so.
pub fn volume_of_name(name: &str) -> Option<VolumeId> {
    name.strip_prefix(VOLUME)?.parse().ok()
}

/// What a snapshot is called once it is unmanaged.
pub fn name_of_snapshot(id: SnapshotId) -> String {
    format!("{SNAPSHOT}{id}")
}

/// The snapshot that something of this name was.
pub fn snapshot_of_name(name: &str) -> Option<SnapshotId> {
    name.strip_prefix(SNAPSHOT)?.parse().ok()
}

/// Whether it names a thing and nothing else: no path, nothing hidden.
pub(crate) fn is_plain(name: &str) -> bool {
    let odd = |c: char| c == '/' || c == '@' || c.is_control();
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with('.') && !name.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_ids() {
        let id = VolumeId(runtime::new_uuid());
        assert_eq!(volume_of_name(&name_of_volume(id)), Some(id));
        assert_eq!(volume_of_name("volume-of-mine"), None);
        let id = SnapshotId(runtime::new_uuid());
        assert_eq!(snapshot_of_name(&name_of_snapshot(id)), Some(id));
        assert_eq!(snapshot_of_name(&format!("snapshot-{id}")), None);
    }

    #[test]
    fn names_are_no_paths() {
        let check = |name: &str, plain: bool| assert_eq!(is_plain(name), plain, "{name:?}");
        check("disk1.qcow2", true);
        check("a disk", true);
        check("", false);
        check(".", false);
        check("..", false);
        check(".hidden", false);
        check("a/b", false);
        check("/etc/passwd", false);
        check("image@snap", false);
        check("a\0b", false);
        check("a\nb", false);
        check(&"x".repeat(255), true);
        check(&"x".repeat(256), false);
    }
}
