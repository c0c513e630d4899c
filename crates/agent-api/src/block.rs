//! Documents of the block-storage service.

use serde::{Deserialize, Serialize};
use types::{ImageId, VolumeId};

/// A volume on a backend that this node serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// The volume.
    pub id: VolumeId,
    /// Its size. It only grows.
    pub size_gib: u64,
    /// The image that it is a copy-on-write clone of, if any.
    pub image: Option<ImageSource>,
}

/// An image that disks are cloned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSource {
    /// The image.
    pub id: ImageId,
    /// Its disk format, `qcow2` or `raw`.
    pub format: String,
}

/// What the node sees of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSeen {
    /// Its size.
    pub size_gib: u64,
}
