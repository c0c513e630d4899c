//! What can go wrong with images and volumes.

use std::io;
use std::path::PathBuf;

use types::{BackupId, ImageId, SnapshotId, VolumeId};

use crate::inspect::Refusal;

/// What can go wrong with images and volumes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image has no stored bytes.
    #[error("image {0} has no stored bytes")]
    NoImage(ImageId),

    /// The image's stored bytes are not those that were hashed when they came.
    #[error("the stored bytes of image {0} are not its own any more")]
    DamagedImage(ImageId),

    /// There is no such volume.
    #[error("volume {0} is not in this backend")]
    NoVolume(VolumeId),

    /// There is no such snapshot.
    #[error("volume {volume} has no snapshot {id}")]
    NoSnapshot {
        /// The volume.
        volume: VolumeId,
        /// The snapshot.
        id: SnapshotId,
    },

    /// A volume cannot be put back to this snapshot.
    #[error("volume {volume} can only be put back to its newest snapshot, which {id} is not")]
    NotNewest {
        /// The volume.
        volume: VolumeId,
        /// The snapshot.
        id: SnapshotId,
    },

    /// Nothing on the backend that could become a volume or a snapshot has this name.
    #[error("there is nothing called {0:?} that could be managed")]
    NoUnmanaged(String),

    /// It cannot become a volume or a snapshot.
    #[error("{name:?} cannot be managed: {why}")]
    NotManageable {
        /// Its name.
        name: String,
        /// Why not.
        why: String,
    },

    /// A volume is not removed, because its unmanaged snapshots would go with it.
    #[error("volume {0} has unmanaged snapshots; manage and delete them, or unmanage the volume")]
    Keeps(VolumeId),

    /// The VM that has the volume open refused.
    #[error("cannot {doing}: {message}")]
    Vm {
        /// What was being done.
        doing: String,
        /// What the hypervisor said.
        message: String,
    },

    /// A VM has the volume open.
    #[error("cannot {doing} as long as a server runs that has it; stop the server, or detach the volume")]
    InUse {
        /// What was being done.
        doing: String,
    },

    /// It takes its time, and goes on beside.
    #[error("{doing} is under way")]
    Underway {
        /// What is being done.
        doing: &'static str,
    },

    /// The bytes are not what they should be, or not safe to open.
    #[error("the image is refused: {0}")]
    Refused(Refusal),

    /// An upload is larger than allowed.
    #[error("the image has more than the {size_bytes_max} bytes that are allowed")]
    TooLarge {
        /// The limit.
        size_bytes_max: u64,
    },

    /// A volume would be smaller than what it is to hold.
    #[error("a volume of {asked} bytes cannot hold a disk of {needed} bytes")]
    TooSmall {
        /// The least possible size.
        needed: u64,
        /// The size asked for.
        asked: u64,
    },

    /// A size that no backend can make.
    #[error("a volume of {0} bytes cannot be made: sizes go from 512 bytes to 64 TiB, in steps of 512")]
    BadSize(u64),

    /// No room.
    #[error(
        "{path} is full: {free_bytes} bytes are free, {reserve_bytes} are kept in reserve; free some space or add a disk"
    )]
    Full {
        /// The place.
        path: PathBuf,
        /// What is free there.
        free_bytes: u64,
        /// What must stay free.
        reserve_bytes: u64,
    },

    /// The files of a volume are not as this backend writes them.
    #[error("volume {volume} is damaged: {what}")]
    Damaged {
        /// The volume.
        volume: VolumeId,
        /// What is wrong.
        what: String,
    },

    /// Work that is not wanted any more ended before it was done.
    #[error("it was stopped before it was done")]
    Stopped,

    /// A program that does part of the work failed.
    #[error("cannot {doing}: {message}")]
    Tool {
        /// What was being done.
        doing: String,
        /// What the program said.
        message: String,
    },

    /// There is no such backup.
    #[error("backup {0} is not where backups are kept")]
    NoBackup(BackupId),

    /// A backup is not as it was written.
    #[error("backup {backup} is damaged: {what}")]
    DamagedBackup {
        /// The backup.
        backup: BackupId,
        /// What is wrong.
        what: String,
    },

    /// The Ceph cluster refused, or did not answer in time.
    #[error("cannot {doing}: {message}")]
    Cluster {
        /// What was being done.
        doing: String,
        /// Why not.
        message: String,
    },

    /// Storage cannot be reached now. It may be asked again.
    #[error("{message}")]
    Unavailable {
        /// Why not.
        message: String,
    },

    /// The operating system refused.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// Whether it passes by itself, so that whoever waits for the work need not give up: storage, or the way to it, does
    /// not answer now, or is not done yet.
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Unavailable { .. } | Error::Underway { .. } => true,
            // QEMU's driver says so of a cluster that does not answer it.
            Error::Tool { message, .. } => message.contains("Connection timed out"),
            Error::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::TimedOut
            ),
            _ => false,
        }
    }
}

/// The usual result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was being done when an operation of the system fails.
pub(crate) trait Doing<T> {
    /// Completes "cannot …".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { doing: what(), source: source.into() })
    }
}
