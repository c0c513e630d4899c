//! What parent and child say to each other: a frame is two lengths, JSON, and bytes.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use nix::libc::{ENOTCONN, ESHUTDOWN, ETIMEDOUT};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use types::{ImageId, SnapshotId, VolumeId};

use super::config::RbdConfig;
use crate::{DiskFormat, Error, Snapshot};

/// The most that one frame carries in either part.
const PART_BYTES_MAX: usize = 64 << 20;

/// A volume, or a server's own disk, which is named otherwise and lies in another pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    Volumes,
    RootDisks,
}

/// What a new volume is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    Blank,
    /// A clone of the image, or of what was converted of it.
    Image {
        id: ImageId,
        format: DiskFormat,
    },
    Snapshot(Snapshot),
}

/// What the child is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Always the first. Its answer comes once the cluster is connected: the addresses that the child has there.
    /// `dead` are those of children that were killed; what they had open is theirs for half a minute, unless they
    /// are shut out.
    Open {
        config: RbdConfig,
        dead: Vec<String>,
    },
    Make {
        place: Place,
        id: VolumeId,
        size_bytes: u64,
        origin: Origin,
        multiattach: bool,
    },
    Resize {
        place: Place,
        id: VolumeId,
        size_bytes: u64,
    },
    Remove {
        place: Place,
        id: VolumeId,
    },
    Observe {
        place: Place,
        id: VolumeId,
    },
    Exists {
        place: Place,
        id: VolumeId,
    },
    List {
        place: Place,
    },
    Fence {
        place: Place,
        id: VolumeId,
    },
    MakeSnapshot {
        place: Place,
        at: Snapshot,
    },
    RemoveSnapshot {
        place: Place,
        at: Snapshot,
    },
    HasSnapshot {
        place: Place,
        at: Snapshot,
    },
    Revert {
        place: Place,
        to: Snapshot,
        token: String,
    },
    Replace {
        place: Place,
        id: VolumeId,
        by: VolumeId,
    },
    Tidy {
        place: Place,
        id: VolumeId,
    },
    ListUnmanaged,
    FindUnmanaged {
        name: String,
    },
    Manage {
        id: VolumeId,
        name: String,
        size_bytes: u64,
    },
    /// `name` is the one that it was managed from.
    Unmanage {
        id: VolumeId,
        name: Option<String>,
    },
    ListUnmanagedSnapshots {
        volume: VolumeId,
    },
    ManageSnapshot {
        at: Snapshot,
        name: String,
    },
    UnmanageSnapshot {
        at: Snapshot,
    },
    Capacity {
        place: Place,
    },
    /// Looks through the trash soon.
    Sweep,
    /// The size of an image, and its first bytes.
    ImageHead {
        image: ImageId,
    },
    ImageRead {
        image: ImageId,
        offset: u64,
        length: usize,
    },
    ImageList,
    ImageRemove {
        image: ImageId,
    },
    ImageSweep,
    /// Makes the raw disk that clones of this image come from, unless the image is one.
    ImageConvert {
        image: ImageId,
        format: DiskFormat,
    },
    UploadBegin {
        upload: String,
    },
    UploadWrite {
        upload: String,
        offset: u64,
    },
    UploadFinish {
        upload: String,
        image: ImageId,
        size_bytes: u64,
    },
    UploadDrop {
        upload: String,
    },
    MonCommand {
        command: String,
    },
}

impl Request {
    /// Whether it carries bytes, or takes long: such have workers of their own, so that the others never wait for them.
    pub fn is_bulk(&self) -> bool {
        matches!(
            self,
            Request::ImageRead { .. }
                | Request::ImageConvert { .. }
                | Request::UploadWrite { .. }
                | Request::UploadFinish { .. }
                | Request::Revert { .. }
                | Request::ImageSweep
                | Request::ListUnmanaged
        )
    }

    /// Whether it may take as long as its data is large.
    pub fn is_long(&self) -> bool {
        matches!(
            self,
            Request::ImageConvert { .. }
                | Request::Revert { .. }
                | Request::ImageSweep
                | Request::ListUnmanaged
        )
    }
}

/// A request with its number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Numbered<T> {
    pub number: u64,
    pub body: T,
}

/// What comes back: JSON, or why not.
pub type Reply = Result<serde_json::Value, Fault>;

/// Why the child could not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    Ceph { errno: i32, doing: String },
    Unusable { message: String },
    NoImage(ImageId),
    NoVolume(VolumeId),
    NoSnapshot(Snapshot),
    NotNewest { volume: VolumeId, id: SnapshotId },
    NoUnmanaged(String),
    NotManageable { name: String, why: String },
    Keeps(VolumeId),
    TooSmall { needed: u64, asked: u64 },
    Tool { doing: String, message: String },
    Full { pool: String, free_bytes: u64 },
    InUse { doing: String },
}

impl Fault {
    /// Whether Ceph gave this error.
    pub fn is(&self, code: i32) -> bool {
        matches!(self, Fault::Ceph { errno, .. } if *errno == code)
    }

    /// Whether the cluster did not answer in time.
    pub fn is_timeout(&self) -> bool {
        self.is(ETIMEDOUT)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        match fault {
            // A client that was shut out is given another name in the cluster.
            Fault::Ceph { errno: errno @ (ETIMEDOUT | ESHUTDOWN | ENOTCONN), doing } => {
                Error::Unavailable { message: format!("cannot {doing}: {}", words(errno)) }
            }
            Fault::Ceph { errno, doing } => Error::Cluster { doing, message: words(errno) },
            Fault::Unusable { message } => Error::Unavailable { message },
            Fault::NoImage(id) => Error::NoImage(id),
            Fault::NoVolume(id) => Error::NoVolume(id),
            Fault::NoSnapshot(at) => Error::NoSnapshot { volume: at.volume, id: at.id },
            Fault::NotNewest { volume, id } => Error::NotNewest { volume, id },
            Fault::NoUnmanaged(name) => Error::NoUnmanaged(name),
            Fault::NotManageable { name, why } => Error::NotManageable { name, why },
            Fault::Keeps(volume) => Error::Keeps(volume),
            Fault::TooSmall { needed, asked } => Error::TooSmall { needed, asked },
            Fault::Tool { doing, message } => Error::Tool { doing, message },
            Fault::InUse { doing } => Error::InUse { doing },
            Fault::Full { pool, free_bytes } => {
                Error::Full { path: PathBuf::from(format!("the pool {pool}")), free_bytes, reserve_bytes: 0 }
            }
        }
    }
}

/// An error of Ceph's in words.
fn words(errno: i32) -> String {
    use nix::errno::Errno;
    let what = match errno {
        ETIMEDOUT => "the cluster did not answer in time",
        nix::libc::EBUSY => "it is in use by another client",
        nix::libc::EACCES | nix::libc::EPERM => "the client's key does not allow it",
        nix::libc::ENOSPC | nix::libc::EDQUOT => "the pool is full",
        _ => Errno::from_raw(errno).desc(),
    };
    format!("{what} (error {errno})")
}

/// Writes a frame.
pub fn send(to: &mut impl Write, body: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    let json = serde_json::to_vec(body)?;
    let length = |part: &[u8]| u32::try_from(part.len()).map_err(io::Error::other);
    let mut head = Vec::with_capacity(8 + json.len());
    head.extend_from_slice(&length(&json)?.to_be_bytes());
    head.extend_from_slice(&length(bytes)?.to_be_bytes());
    head.extend_from_slice(&json);
    to.write_all(&head)?;
    to.write_all(bytes)
}

/// Reads a frame; `None` at the end of the stream.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut head = [0; 8];
    match from.read_exact(&mut head) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length =
        |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let (json_length, length) = (length(0), length(4));
    if json_length > PART_BYTES_MAX || length > PART_BYTES_MAX {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut json = vec![0; json_length];
    from.read_exact(&mut json)?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Some((serde_json::from_slice(&json)?, bytes)))
}
