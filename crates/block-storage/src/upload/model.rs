//! What an upload is.

use image::image::node_copy::NodeCopy;
use image::image::{DiskFormat, Visibility};
use serde::{Deserialize, Serialize};
use types::{SnapshotId, VolumeId};

use crate::encryption::VolumeEncryption;

/// An image that is being made of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Upload {
    /// The copy that fills the image; the upload has its id.
    #[serde(flatten)]
    pub(crate) copy: NodeCopy,
    /// The volume.
    pub(crate) volume_id: VolumeId,
    /// The moment of the volume that is copied.
    pub(crate) snapshot_id: SnapshotId,
    /// How far it is.
    pub(crate) phase: Phase,
    /// With what the volume is encrypted, and so the image, which has its bytes as they lie there. The key's id is that of
    /// the upload.
    #[serde(default)]
    pub(crate) encryption: Option<VolumeEncryption>,
}

/// How far an upload is.
///
/// ```text
/// Holding ──snapshot made──▶ Copying ──host copied it──▶ Ending ──host let go──▶ no row
///    └───────any refusal, deleted image or volume─────────▲ └─encrypted─▶ Kept ──image gone──▶ no row
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
    /// The image is there with encrypted bytes, and the row has the key.
    Kept,
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
