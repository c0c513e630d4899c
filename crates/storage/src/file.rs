//! Images and volumes as files in one directory.
//!
//! ```text
//! images/ID               the bytes as they were uploaded, mode 0444
//! images/ID.qcow2         the same disk, where VMs should not open the bytes themselves
//! volumes/ID/disk.qcow2   what was written to the volume
//! volumes/ID/base         a hard link to the image it was cloned from
//! volumes/ID/LAYER.qcow2  what was written since the volume's first snapshot, layer upon layer
//! volumes/ID/head         leads to the layer that is written to, once there are several
//! volumes/ID/SNAPSHOT.snapshot   leads to the layer that ends with the content of that snapshot
//! volumes/ID/disk.raw     instead of all this, a volume that several VMs write to
//! volumes/ID/SNAPSHOT.unmanaged  the same for what was a snapshot and is unmanaged
//! unmanaged/NAME          a raw or a qcow2 file that can become a volume
//! unmanaged/volume-ID/    what was a volume: what `volumes/ID/` was
//! image-cache/             images of stores elsewhere: see [`ImageCache`]
//! images/.NAME volumes/.NAME   work in progress, or what a crash left of it
//! ```
//!
//! Every clone has its own link to the image, so the file system counts who needs it: an image can be
//! removed at any time, by another process too, and its bytes go with the last clone. For this both
//! directories lie on one file system. Clones of snapshots have links to the layers below them in the same way.
//!
//! What lies in `unmanaged` is never removed: it is linked or renamed into a volume, and comes there by renaming one. So it
//! lies on the same file system, too.
//!
//! Whatever is made is made under a name that begins with a dot, synced, and renamed. Whoever makes it holds
//! a lock on it meanwhile, so that a sweep leaves it alone.

mod background;
mod cache;
mod chain;
mod converted;
mod images;
mod opening;
mod raw;
mod snapshots;
mod unmanaged;
mod volumes;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;

pub(crate) use crate::hashes::Hashes;
pub use cache::{Cached, ImageCache, Pruned, Uses};
pub use images::FileImages;
pub use volumes::FileVolumes;
pub(crate) use volumes::check_size;

use crate::error::Doing;
use crate::{Capacity, Error, GIB, Result};

/// Where the files are.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// Holds `images` and `volumes`.
    pub root: PathBuf,
    /// Nothing is made where it would leave less free than this. Volumes grow while VMs write to them, so
    /// this is what running VMs have until an operator must act.
    pub reserve_bytes: u64,
}

impl FileConfig {
    /// With the usual reserve of 1 GiB.
    pub fn new(root: impl Into<PathBuf>) -> FileConfig {
        FileConfig { root: root.into(), reserve_bytes: GIB }
    }
}

/// One of the two directories, and what both have in common.
#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    reserve_bytes: u64,
}

impl Place {
    fn open(config: &FileConfig, name: &str) -> Result<Place> {
        let path = config.root.join(name);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&path)
            .doing(|| format!("make the directory {}", path.display()))?;
        Ok(Place { path, reserve_bytes: config.reserve_bytes })
    }

    fn capacity(&self) -> Result<Capacity> {
        let fs = statvfs(&self.path).doing(|| format!("ask how full {} is", self.path.display()))?;
        let free = fs.blocks_available().saturating_mul(fs.fragment_size());
        Ok(Capacity {
            total_bytes: fs.blocks().saturating_mul(fs.fragment_size()),
            free_bytes: free.saturating_sub(self.reserve_bytes),
        })
    }

    /// Refuses before the reserve is touched.
    fn check_room(&self) -> Result<()> {
        self.check_room_for(0)
    }

    /// Refuses what would take so much at once that the reserve is touched.
    fn check_room_for(&self, bytes: u64) -> Result<()> {
        let Capacity { free_bytes, .. } = self.capacity()?;
        if free_bytes > bytes {
            return Ok(());
        }
        Err(Error::Full { path: self.path.clone(), free_bytes, reserve_bytes: self.reserve_bytes })
    }

    /// A name for work in progress that no other process has.
    fn scratch_path(&self, what: &str) -> PathBuf {
        self.path.join(format!(".{what}-{:016x}", runtime::random_u64()))
    }

    /// The ids for which there is something, in order.
    fn ids<Id: FromStr + Ord>(&self) -> Result<Vec<Id>> {
        let mut ids = Vec::new();
        for entry in self.entries()? {
            let name = entry.file_name();
            ids.extend(
                name.to_str().filter(|name| !name.starts_with('.')).and_then(|name| name.parse().ok()),
            );
        }
        ids.sort();
        Ok(ids)
    }

    fn entries(&self) -> Result<Vec<fs::DirEntry>> {
        fs::read_dir(&self.path)
            .and_then(|entries| entries.collect())
            .doing(|| format!("list {}", self.path.display()))
    }

    /// Makes renames and removals in this directory durable.
    fn sync(&self) -> Result<()> {
        sync_dir(&self.path)
    }

    /// Removes what was not finished and nobody works on.
    fn sweep(&self) -> Result<usize> {
        let mut swept = 0;
        for entry in self.entries()? {
            if !entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            let Some(lock) = try_lock(&path)? else { continue };
            remove_tree(&path)?;
            drop(lock);
            tracing::info!(path = %path.display(), "removed what was never finished");
            swept += 1;
        }
        Ok(swept)
    }
}

/// A new file that can be written.
fn create_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .doing(|| format!("create {}", path.display()))
}

/// Makes a directory, and holds it as being worked on.
fn hold_new_dir(path: &Path) -> Result<Flock<File>> {
    fs::DirBuilder::new()
        .mode(0o711)
        .create(path)
        .doing(|| format!("make the directory {}", path.display()))?;
    lock(File::open(path).doing(|| format!("open {}", path.display()))?, path)
}

/// Holds a file or directory as being worked on.
fn lock(file: File, path: &Path) -> Result<Flock<File>> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, errno)| errno)
        .doing(|| format!("lock {}", path.display()))
}

/// `None` where somebody works on it, or it has gone.
fn try_lock(path: &Path) -> Result<Option<Flock<File>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).doing(|| format!("open {}", path.display())),
    };
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok())
}

/// Puts a file under its name, in place of what was there.
fn exchange(dir: &Path, from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).doing(|| format!("rename {} into place", to.display()))?;
    sync_dir(dir)
}

fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).doing(|| format!("sync {}", path.display()))
}

/// Removes a file or a directory; neither being there is fine.
fn remove_tree(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).doing(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
