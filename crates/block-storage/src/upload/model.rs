//! What an upload is, and what an image has from the volume that it is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use image::image::{DiskFormat, Visibility};
use serde::{Deserialize, Serialize};
use types::{CopyId, HostId, ImageId, SnapshotId, Timestamp, VolumeId};

/// How long a copy may make no progress. One that waits behind others makes none.
pub(crate) const COPY_TIME_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// What a volume knows of its image that is the image service's own, and so nothing that another image has from it.
const OWN: [&str; 12] = [
    "checksum",
    "container_format",
    "disk_format",
    "image_id",
    "image_name",
    "min_disk",
    "min_ram",
    "name",
    "owner",
    "protected",
    "size",
    "visibility",
];
/// What begins so is about the bytes of one image.
const ABOUT_BYTES: [&str; 3] = ["os_glance", "img_signature", "signature_verified"];

/// An image that is being made of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Upload {
    /// Its id, which is also the copy's.
    pub(crate) id: CopyId,
    /// The volume.
    pub(crate) volume_id: VolumeId,
    /// The moment of the volume that is copied.
    pub(crate) snapshot_id: SnapshotId,
    /// The image.
    pub(crate) image_id: ImageId,
    /// The image's disk format.
    pub(crate) format: DiskFormat,
    /// The volume's host.
    pub(crate) host: HostId,
    /// How far it is.
    pub(crate) phase: Phase,
    /// When it came into this phase, or was last seen to get on.
    pub(crate) heard_at: Timestamp,
    /// How far the copy was then, in percent.
    pub(crate) percent: u8,
}

/// How far an upload is.
///
/// ```text
/// Holding ──snapshot made──▶ Copying ──host copied it──▶ Ending ──host let go──▶ no row
///    └───────any refusal, deleted image or volume─────────▲
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// The volume's host makes the snapshot.
    Holding,
    /// The host copies it.
    Copying,
    /// The image is there, or never will be; what was held for it goes.
    Ending,
}

/// An image that somebody wants of a volume.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UploadDraft {
    /// The image's name.
    pub(crate) name: String,
    /// Its disk format.
    pub(crate) format: DiskFormat,
    /// Its container format.
    pub(crate) container: String,
    /// Who sees it.
    pub(crate) visibility: Visibility,
    /// Whether it cannot be deleted.
    pub(crate) protected: bool,
    /// Whether the volume may be in a server.
    pub(crate) force: bool,
}

impl Upload {
    /// Whether the copy has made no progress for longer than it may.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        now.since(self.heard_at) >= COPY_TIME_MAX
    }

    /// How the image knows the upload.
    pub(crate) fn token(&self) -> String {
        self.id.to_string()
    }
}

/// The properties of an image that is made of a volume which says this of the image that it was made of itself.
pub(crate) fn properties_of(image_metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = |key: &str| OWN.contains(&key) || ABOUT_BYTES.iter().any(|prefix| key.starts_with(prefix));
    let kept = image_metadata.iter().filter(|(key, _)| !own(key));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}
