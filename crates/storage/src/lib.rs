//! Image bytes and volumes: the traits, and what implements them.
//!
//! | implementation | where | what for |
//! | --- | --- | --- |
//! | [`file`] | qcow2 files in one directory | one machine, no daemon |
//! | [`rbd`] | a Ceph cluster | many machines |
//! | [`fake`] | memory | simulation and tests of other crates |
//!
//! Invariants:
//! - An image never changes once it is stored; a volume never writes to the image it was cloned from.
//! - Removing an image takes nothing from its clones.
//! - Everything may be repeated: to create what is there and to remove what is not both succeed.
//! - A crash leaves either the whole thing or a temporary file that [`VolumeBackend::sweep`] and
//!   [`ImageStore::sweep`] remove.
//! - Bytes that came from outside are never opened by QEMU before [`inspect`] has seen their header.
//!
//! Nothing here knows the database, HTTP or a hypervisor; [`VolumeBackend::blockdev`] is plain JSON.

mod adoption;
pub mod backup;
mod convert;
pub mod copy;
pub mod disk;
mod error;
pub mod fake;
pub mod figures;
pub mod file;
mod hashes;
pub mod inspect;
pub mod iso;
pub mod luks;
mod nbd;
pub mod objects;
pub mod qcow2;
pub mod rbd;

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};
use types::{ImageId, SnapshotId, VolumeId};

pub use adoption::{
    Adoption, Unmanaged, UnmanagedSnapshot, name_of_snapshot, name_of_volume, snapshot_of_name,
    volume_of_name,
};
pub use error::{Error, Result};
pub use inspect::{DiskFormat, Inspection, Refusal};
pub use nbd::Extent;

/// Keeps the bytes of images.
pub trait ImageStore: Send + Sync {
    /// Starts an upload. Nothing can be seen of it until [`ImageWriter::finish`].
    fn writer(&self, upload: &Upload) -> Result<Box<dyn ImageWriter>>;

    /// The bytes in `range`, cut at the image's end.
    fn reader(&self, image: ImageId, range: Range<u64>) -> Result<Box<dyn Read + Send>>;

    /// How many bytes are stored, or `None` where there is no such image.
    fn observe_image(&self, image: ImageId) -> Result<Option<u64>>;

    /// Every image that is stored, in the order of ids.
    fn observe_images(&self) -> Result<Vec<ImageId>>;

    /// Forgets an image. What was cloned from it keeps what it needs.
    fn remove_image(&self, image: ImageId) -> Result<()>;

    /// Gives an image a second name as a file, without a byte copied; `false` where that cannot be.
    fn link_image(&self, _image: ImageId, _to: &Path) -> Result<bool> {
        Ok(false)
    }

    /// Removes what interrupted uploads left, and says how many there were.
    fn sweep(&self) -> Result<usize>;
}

/// An upload on its way. Dropped unfinished, it leaves nothing.
pub trait ImageWriter: Send {
    /// Takes the next bytes. Fails as soon as they are too many, or as the header is one to refuse.
    fn write(&mut self, chunk: &[u8]) -> Result<()>;

    /// Makes the image durable and visible, in place of an older one with the same id.
    fn finish(self: Box<Self>) -> Result<StoredImage>;
}

/// What is uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The image it is for.
    pub image: ImageId,
    /// What the uploader says it is; other bytes are refused.
    pub format: DiskFormat,
    /// How many bytes are taken at most.
    pub size_bytes_max: u64,
    /// Whether other bytes than of that format are refused. Without it they are kept as they came; a volume is
    /// cloned from them only if they pass the same inspection then.
    pub enforce: bool,
}

/// An image that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    /// How many bytes there are.
    pub size_bytes: u64,
    /// How large the disk in it is; without enforcement of the format, the number of bytes if there is no disk.
    pub virtual_size_bytes: u64,
    /// MD5 of the bytes, in hexadecimal digits: OpenStack's `checksum`.
    pub md5: String,
    /// SHA-512 of the bytes, in hexadecimal digits: OpenStack's `os_hash_value`.
    pub sha512: String,
}

/// Keeps volumes and their snapshots.
///
/// A snapshot is a moment of one volume, held until it is removed. Everything that reads a volume while it may be
/// written reads a snapshot: a clone, a backup, an image made of it. Clones of a snapshot share its blocks, and keep
/// what they need of them when the snapshot or its volume is removed.
///
/// What a running VM has open is changed through the VM: such operations take the disk as [`LiveDisk`], and `None`
/// says that no VM has the volume open.
pub trait VolumeBackend: Adoption + Send + Sync {
    /// Makes a volume where there is none with this id; one that is there is left as it is, but for how many VMs may
    /// write to it. [`Error::Underway`] asks to be called again.
    fn ensure_volume(&self, volume: &NewVolume) -> Result<()>;

    /// Whether [`VolumeBackend::ensure_volume`] need not convert or fetch an image first, which may take minutes.
    fn is_prepared(&self, _volume: &NewVolume) -> Result<bool> {
        Ok(true)
    }

    /// Converts or fetches the image that a volume is to be a clone of. What it leaves belongs to the image.
    fn prepare(&self, _volume: &NewVolume) -> Result<()> {
        Ok(())
    }

    /// Makes a volume that no VM uses at least this large. (A running VM resizes its disks itself.)
    fn ensure_size(&self, volume: VolumeId, size_bytes: u64) -> Result<()>;

    /// Puts in order what a VM left that ended without closing the volume. Content is never lost by that, but room may be.
    fn repair(&self, _volume: VolumeId) -> Result<()> {
        Ok(())
    }

    /// Removes a volume with its content and its snapshots. One that has unmanaged snapshots stays, with words.
    fn remove_volume(&self, volume: VolumeId) -> Result<()>;

    /// Size, use and snapshots of a volume, or `None` where there is none.
    fn observe_volume(&self, volume: VolumeId) -> Result<Option<VolumeState>>;

    /// Every volume there is, in the order of ids.
    fn observe_volumes(&self) -> Result<Vec<VolumeId>>;

    /// Whether others keep volumes here too, so that one that nobody here knows must stay.
    fn is_shared(&self) -> bool;

    /// Makes sure that no other host writes to a volume, be it dead or cut off: to be called before a VM opens a volume
    /// that none has open on this host, and that is for one VM at a time.
    fn ensure_ours(&self, _volume: VolumeId) -> Result<()> {
        Ok(())
    }

    /// Holds the volume's content of now under this id; a snapshot that is there is left as it is. As long as several VMs
    /// have the volume open there is no moment that is the same for all of them, and it is refused.
    fn ensure_snapshot(&self, at: Snapshot, live: Option<&mut dyn LiveDisk>) -> Result<()>;

    /// Gives a running VM what an interrupted [`VolumeBackend::ensure_snapshot`] did not give it any more. Comes before
    /// everything else that is done with a volume that a VM has open.
    fn ensure_live(&self, volume: VolumeId, live: &mut dyn LiveDisk) -> Result<()>;

    /// Lets go of a snapshot. Its room may come back later: see [`VolumeBackend::tidy`].
    fn remove_snapshot(&self, at: Snapshot, live: Option<&mut dyn LiveDisk>) -> Result<()>;

    /// Puts a volume that no VM uses back to a snapshot, once for each token. The backend keeps the last token with
    /// the volume, so that what is written afterwards is never lost to a repetition.
    fn ensure_reverted(&self, to: Snapshot, token: &str) -> Result<()>;

    /// Lets another volume take the place of one that no VM uses, under whose id it is from then on; what was there is
    /// gone. Neither may have unmanaged snapshots. The volume keeps by whom it was replaced, so that a repetition does
    /// nothing; where neither that nor the other one is there it is an error.
    fn ensure_replaced(&self, volume: VolumeId, by: VolumeId) -> Result<()>;

    /// Does a part of what need not be done at once for this volume: merges layers that nobody needs any more,
    /// shortens long chains. [`Tidied::More`] asks to be called again soon.
    fn tidy(&self, volume: VolumeId, live: Option<&mut dyn LiveDisk>) -> Result<Tidied>;

    /// The tree of block nodes by which QEMU opens the volume, without node names. What lies below the
    /// volume's own file is read-only in a way that no block job can get around.
    fn blockdev(&self, volume: VolumeId) -> Result<serde_json::Value>;

    /// The same for a snapshot, read-only from the top.
    fn snapshot_blockdev(&self, at: Snapshot) -> Result<serde_json::Value>;

    /// How much room there is.
    fn capacity(&self) -> Result<Capacity>;

    /// Removes what interrupted work left, and says how many there were.
    fn sweep(&self) -> Result<usize>;
}

/// A disk that a running VM has open: what a backend can have the VM do to it. The agent implements it over the
/// hypervisor. Errors are words.
pub trait LiveDisk {
    /// The names of the block nodes of this disk, in no order. A layer's name is the `node-name` that the backend gave it
    /// in [`VolumeBackend::blockdev`] or [`LiveDisk::push_layer`].
    fn layers(&mut self) -> std::result::Result<Vec<String>, String>;

    /// Lays another layer over the topmost, which is called `over`; from now on the guest writes to it. `layer` is its
    /// tree of block nodes with a `node-name` and `"backing": null`.
    fn push_layer(&mut self, layer: &serde_json::Value, over: &str) -> std::result::Result<(), String>;

    /// Begins, or goes on, to write what the layer `top` has into `base`, the one below it, and to take `top` out; `top`
    /// is not the topmost. `backing_file` is what the layer above is told its backing file is called. `true` once that is
    /// done.
    fn commit_layer(
        &mut self,
        top: &str,
        base: &str,
        backing_file: &str,
    ) -> std::result::Result<bool, String>;

    /// Whether layers can be committed. QEMU does not where another format lies over them, such as an encrypting one.
    fn can_commit(&self) -> bool {
        true
    }

    /// Begins, or goes on, to write what lies between `top` and `base` into `top`, which then lies over `base`, or over
    /// nothing. `backing_file` is what `top` is told its backing file is called, which is how its end shows.
    fn stream_layer(
        &mut self,
        top: &str,
        base: Option<&str>,
        backing_file: Option<&str>,
    ) -> std::result::Result<(), String>;
}

/// Which snapshot of which volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Snapshot {
    /// The volume.
    pub volume: VolumeId,
    /// The snapshot.
    pub id: SnapshotId,
}

/// Whether there is more to tidy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tidied {
    /// Nothing is left to do.
    Done,
    /// Something is on its way, or waits.
    More,
}

/// A volume to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVolume {
    /// Its id.
    pub id: VolumeId,
    /// How large a disk it is.
    pub size_bytes: u64,
    /// What it holds at first.
    pub source: Source,
    /// Whether several VMs may write to it at a time. Where no VM has it, one that is there becomes so, or no longer so.
    pub multiattach: bool,
}

/// What a new volume holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Zeros.
    Blank,
    /// A copy-on-write clone of an image.
    Image {
        /// The image.
        id: ImageId,
        /// Its format; bytes that are another are refused.
        format: DiskFormat,
    },
    /// A copy-on-write clone of a snapshot in the same backend.
    Snapshot(Snapshot),
}

/// What there is of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeState {
    /// How large a disk it is.
    pub size_bytes: u64,
    /// How much it takes in the backend, without what it shares.
    pub used_bytes: u64,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<SnapshotId>,
    /// The token of the last [`VolumeBackend::ensure_reverted`].
    pub reverted: Option<String>,
    /// Whether several VMs may write to it at a time.
    pub multiattach: bool,
}

/// How much room a backend has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// All of it.
    pub total_bytes: u64,
    /// What may still be used; the reserve is subtracted.
    pub free_bytes: u64,
}

/// A GiB in bytes.
pub const GIB: u64 = 1 << 30;
