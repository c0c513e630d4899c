//! Documents of the block-storage service.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use types::{BackupId, CopyId, EncryptionKeyId, ImageId, Secret, ServerId, SnapshotId, VolumeId};

/// A volume on a backend that this node serves, with everything that is wanted of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// The volume.
    pub id: VolumeId,
    /// The name of the backend that has it; without, the node's own default.
    #[serde(default)]
    pub backend: Option<String>,
    /// Another backend that it is on its way to, or that it has left.
    #[serde(default)]
    pub elsewhere: Option<Elsewhere>,
    /// Its size. It only grows.
    pub size_gib: u64,
    /// What it holds at first.
    #[serde(default)]
    pub source: VolumeSource,
    /// Whether it should be a volume no longer, and its bytes stay where they are. Its document goes only once that is
    /// so; then nothing is removed with it.
    #[serde(default)]
    pub unmanaged: bool,
    /// The snapshots that it should have; others are removed.
    #[serde(default)]
    pub snapshots: BTreeSet<SnapshotId>,
    /// Those of its snapshots that are not there yet and are to be of one moment with snapshots of other volumes of this
    /// node: all of them, this one included, by their volumes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub together: BTreeMap<SnapshotId, BTreeMap<VolumeId, SnapshotId>>,
    /// Those of its snapshots that are there already, under these names.
    #[serde(default)]
    pub managed_snapshots: BTreeMap<SnapshotId, String>,
    /// Those of its snapshots that should be so no longer, and stay with the volume under names of their own.
    #[serde(default)]
    pub unmanaged_snapshots: BTreeSet<SnapshotId>,
    /// The snapshot that it should once have been put back to.
    #[serde(default)]
    pub revert: Option<Revert>,
    /// With what it is encrypted, if it is.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    /// Whether a VM that gets it can only read it.
    #[serde(default)]
    pub read_only: bool,
    /// Whether several VMs may have it at a time, all of which may write to it. It changes only while none has it.
    #[serde(default)]
    pub multiattach: bool,
    /// What a VM that has it may ask of it; a change counts at once.
    #[serde(default)]
    pub limits: Limits,
}

/// What there is of a volume beside the volume itself: on another backend of the same node, or on its own under another id.
/// Nothing but what is copied there, or nothing any more. No VM opens it, but one that has the volume and is to mirror it
/// there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The backend's name.
    pub backend: String,
    /// Whether there should be a volume of the same size, blank until something is copied to it; else there should be
    /// none.
    pub wanted: bool,
    /// Whether several VMs may have it there.
    #[serde(default)]
    pub multiattach: bool,
    /// How it is encrypted there, if that is not how the volume is.
    #[serde(default)]
    pub anew: Option<Anew>,
    /// The id that it has there, where that is the volume's own backend.
    #[serde(default)]
    pub id: Option<VolumeId>,
    /// Whether it should take the volume's place, which it does once. What was there goes.
    #[serde(default)]
    pub replaces: bool,
    /// The mirror by which the VM that has the volume takes it there. From the moment on at which it has, the volume is
    /// there, for this node before anybody else, and stays so whatever is wanted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<CopyId>,
}

impl Elsewhere {
    /// The same without what opens it: as a node may repeat it.
    pub fn without_secrets(&self) -> Elsewhere {
        let mut wish = self.clone();
        if let Some(encryption) = wish.anew.as_mut().and_then(|anew| anew.encryption.as_mut()) {
            encryption.passphrase = None;
        }
        wish
    }
}

/// The encryption of what a volume is copied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anew {
    /// With what it is encrypted, if it is.
    pub encryption: Option<Encryption>,
}

/// What a new volume holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeSource {
    /// Zeros.
    #[default]
    Blank,
    /// A copy-on-write clone of an image.
    Image(ImageSource),
    /// A copy-on-write clone of a snapshot, which is on the same backend.
    Snapshot {
        /// The volume that the snapshot is of.
        volume: VolumeId,
        /// The snapshot.
        id: SnapshotId,
    },
    /// What lies on the backend under this name and is no volume yet. As long as the volume should have no size, it is only
    /// looked at.
    Unmanaged(String),
}

/// An image that disks are cloned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSource {
    /// The image.
    pub id: ImageId,
    /// Its disk format.
    pub format: String,
}

/// A volume's way back to a snapshot, which is gone once for each token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revert {
    /// The request that asked for it; done when the report shows the same.
    pub token: String,
    /// The newest snapshot of the volume.
    pub snapshot: SnapshotId,
}

/// How a volume is encrypted: as LUKS, by the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// Which key it is encrypted with.
    pub key_id: EncryptionKeyId,
    /// `aes-xts-plain64`.
    pub cipher: String,
    /// 128 to 512.
    pub key_size_bits: u32,
    /// The passphrase that opens its LUKS header. It is added on the way to the node and lies in no database and no file;
    /// a node that was restarted has none until the control plane answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<Secret>,
}

/// The encryptions in the body of a volume's document.
pub fn encryptions(body: &mut Json) -> impl Iterator<Item = &mut Map<String, Json>> {
    let fields = body.as_object_mut().into_iter().flatten();
    let found = fields.filter_map(|(name, value)| match name.as_str() {
        "encryption" => Some(value),
        "elsewhere" => value.get_mut("anew")?.get_mut("encryption"),
        _ => None,
    });
    found.filter_map(Json::as_object_mut)
}

/// Takes the secrets out of the body of a volume's document; tells whether there were any.
pub fn take_secrets(body: &mut Json) -> bool {
    let taken = encryptions(body).filter_map(|encryption| encryption.remove("passphrase"));
    taken.count() > 0
}

/// Limits of a disk by the names of QEMU's throttle groups (`iops-total`, `bps-read`, `iops-total-max`, …), in
/// operations or bytes a second. None is no limit.
pub type Limits = BTreeMap<String, u64>;

/// What the node sees of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSeen {
    /// Its size.
    pub size_gib: u64,
    /// Its snapshots.
    #[serde(default)]
    pub snapshots: BTreeSet<SnapshotId>,
    /// The token of the last [`Revert`] that was done.
    #[serde(default)]
    pub reverted: Option<String>,
    /// What became of [`Volume::elsewhere`].
    #[serde(default)]
    pub elsewhere: Option<ElsewhereSeen>,
    /// Whether it is a volume no longer.
    #[serde(default)]
    pub unmanaged: bool,
    /// Which of [`Volume::unmanaged_snapshots`] are snapshots no longer.
    #[serde(default)]
    pub unmanaged_snapshots: BTreeSet<SnapshotId>,
}

/// Something on a backend that is no volume; on one that other nodes serve, too, it may be a volume of anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmanagedVolume {
    /// Its name there.
    pub name: String,
    /// Its size, rounded up; nought where that cannot be seen.
    pub size_gib: u64,
    /// Why no volume can be made of it.
    #[serde(default)]
    pub refused: Option<String>,
}

/// A snapshot of a volume that is managed no longer, or never was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmanagedSnapshot {
    /// The volume.
    pub volume: VolumeId,
    /// Its name there.
    pub name: String,
    /// Its size, rounded up.
    pub size_gib: u64,
}

/// What the node sees of a volume on the other backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElsewhereSeen {
    /// The wish that this is about.
    pub wish: Elsewhere,
    /// Why it cannot be so; without, it is.
    #[serde(default)]
    pub error: Option<String>,
    /// How far the mirror is, in percent.
    #[serde(default)]
    pub percent: u8,
    /// Whether the volume itself is there by its mirror: nothing is removed there, and what is to be removed is where it
    /// was.
    #[serde(default)]
    pub arrived: bool,
}

/// Bytes to be copied once from one place to another. A node that is interrupted begins again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    /// The copy.
    pub id: CopyId,
    /// Where the bytes are.
    pub from: CopyFrom,
    /// Where they go.
    pub to: CopyTo,
    /// Whether the bytes of an encrypted volume are copied as they lie there, so that they stay secret on the way and need
    /// the same key in the end. Otherwise it is what its VM sees.
    #[serde(default)]
    pub sealed: bool,
}

/// Where bytes to be copied are. What is named here does not change meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyFrom {
    /// A snapshot of a volume that has a document on this node.
    Snapshot {
        /// The volume.
        volume: VolumeId,
        /// The snapshot.
        id: SnapshotId,
    },
    /// A moment of the root disk of a VM that has a document on this node.
    RootDisk {
        /// The VM's server.
        server: ServerId,
        /// The moment.
        id: SnapshotId,
    },
    /// A backup.
    Backup(BackupId),
    /// An image, for a volume on the same backend.
    Image(ImageSource),
    /// Nothing: an encrypted volume gets its header.
    Blank,
}

/// Where copied bytes go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyTo {
    /// The bytes of an image, in this disk format.
    Image(ImageSource),
    /// A backup.
    Backup {
        /// The backup.
        id: BackupId,
        /// The backup that it adds to; without, it is a full one.
        parent: Option<BackupId>,
    },
    /// A volume that has a document on this node and that no VM has. One that is encrypted is encrypted anew, unless the
    /// copy is sealed.
    Volume(VolumeId),
    /// What there is of such a volume elsewhere, which is encrypted anew if it is otherwise there.
    Elsewhere(VolumeId),
    /// Nowhere: the backup that it is from is removed.
    Nothing,
    /// Nowhere: only whether the backup that it is from is there, with all that it needs.
    Check,
}

/// What the node sees of a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopySeen {
    /// How far it is, in percent.
    pub percent: u8,
    /// What came of it, once it is done.
    #[serde(default)]
    pub done: Option<Copied>,
}

/// What came of a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// How many bytes there are at the destination.
    pub size_bytes: u64,
    /// How large the disk in them is.
    pub virtual_size_bytes: u64,
    /// MD5 of an image's bytes.
    #[serde(default)]
    pub md5: Option<String>,
    /// SHA-512 of an image's bytes.
    #[serde(default)]
    pub sha512: Option<String>,
    /// How many objects a backup has.
    #[serde(default)]
    pub objects: u64,
}
