//! What the making of an image is, and what an image has from the server that it is made of.

use std::collections::BTreeMap;

use image::image::node_copy::NodeCopy;
use serde::{Deserialize, Serialize};
use types::SnapshotId;

use crate::server::{Server, Task};

/// How many bytes of a property's value Nova remembers.
const VALUE_BYTES_MAX: usize = 255;
/// Properties that are about one image and nothing that another has from it.
const OWN: [&str; 12] = [
    "mappings",
    "block_device_mapping",
    "img_mappings",
    "img_block_device_mapping",
    "cinder_encryption_key_id",
    "cinder_encryption_key_deletion_policy",
    "img_signature",
    "img_signature_hash_method",
    "img_signature_key_type",
    "img_signature_certificate_uuid",
    "cache_in_nova",
    "bittorrent",
];
/// What begins so is the image service's own.
const RESERVED: &str = "os_glance";

/// An image that is being made of a server's root disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imaging {
    /// The copy that fills the image.
    pub copy: NodeCopy,
    /// The moment of the root disk that is copied.
    pub snapshot_id: SnapshotId,
    /// How far it is.
    pub phase: ImagingPhase,
    /// Which backups go when this one is there; none if it is no backup.
    pub rotation: Option<Rotation>,
    /// The action that it belongs to.
    pub action: String,
}

/// How far the making of an image is.
///
/// ```text
/// Holding ──host holds the moment──▶ Copying ──host copied it──▶ Ending ──host let go──▶ (gone)
///    └────────────any refusal, deleted image or server──────────────▲
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImagingPhase {
    /// The host is to hold a moment of the root disk.
    Holding,
    /// The host is to copy it.
    Copying,
    /// The image is there, or never will be.
    Ending,
}

/// How many backups of a server are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The owner's word for which: `daily`.
    pub backup_type: String,
    /// The newest so many.
    pub keep: u32,
}

impl Imaging {
    /// What the server is shown to do for it.
    pub(crate) fn task(&self, copies: bool) -> Task {
        match self.phase {
            ImagingPhase::Holding if self.rotation.is_some() => Task::ImageBackup,
            ImagingPhase::Holding => Task::ImageSnapshot,
            ImagingPhase::Copying if copies => Task::ImageUploading,
            ImagingPhase::Copying | ImagingPhase::Ending => Task::ImagePendingUpload,
        }
    }
}

/// What an image has from the image that its server was made of, whose properties these are, and from the server.
pub(super) fn inherited(server: &Server, properties: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = |key: &str| OWN.contains(&key) || key.starts_with(RESERVED);
    let kept = properties.iter().filter(|(key, _)| !own(key));
    let mut all: BTreeMap<String, String> =
        kept.map(|(key, value)| (key.clone(), shortened(value))).collect();
    let base = server.image_id().map(|id| id.to_string()).unwrap_or_default();
    all.entry("base_image_ref".to_owned()).or_insert(base);
    if let Some(creator) = &server.creator {
        all.insert("owner_user_name".to_owned(), creator.user_name.clone());
        all.insert("owner_project_name".to_owned(), creator.project_name.clone());
    }
    all
}

fn shortened(value: &str) -> String {
    let mut end = value.len().min(VALUE_BYTES_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].to_owned()
}
