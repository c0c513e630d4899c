//! Volumes that several VMs write to at a time: raw files, for a qcow2 has tables that only one may write to.
//!
//! ```text
//! volumes/ID/disk.raw       the volume
//! volumes/ID/SNAPSHOT.raw   its content when that snapshot was made
//! ```
//!
//! There are no layers, so that a snapshot, a volume made of an image or a snapshot, and the way back to a snapshot are
//! copies. They are made beside, under a name that begins with a dot, and renamed once they are whole. QEMU's locks keep
//! a copy from being made of, or in place of, what a VM has open.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};
use types::{SnapshotId, VolumeId};

use super::background::Tool;
use super::chain::{HEAD, Moment, is_layer};
use super::opening::Opening;
use super::volumes::{BASE, DISK, FileVolumes, SECTOR_BYTES};
use super::{create_file, exchange, remove_tree, sync_dir};
use crate::error::Doing;
use crate::qcow2::{self, Backing};
use crate::{Error, NewVolume, Result, Snapshot, Source, VolumeState};

/// The file that VMs write to.
pub(super) const RAW: &str = "disk.raw";
/// How the names of raw files end.
const SUFFIX: &str = ".raw";
/// A raw file that is being written.
const SCRATCH: &str = ".disk.raw";

impl FileVolumes {
    /// Whether a volume is a raw file, so that several VMs may write to it.
    pub(super) fn is_raw(&self, volume: VolumeId) -> bool {
        self.raw_path(volume).exists()
    }

    fn raw_path(&self, volume: VolumeId) -> PathBuf {
        self.path(volume).join(RAW)
    }

    fn raw_snapshot(&self, at: Snapshot) -> PathBuf {
        self.path(at.volume).join(format!("{}{SUFFIX}", at.id))
    }

    /// Fills the directory of a raw volume that nobody sees yet.
    pub(super) fn build_raw(&self, dir: &Path, volume: &NewVolume, tool: &Tool) -> Result<()> {
        let raw = dir.join(RAW);
        match volume.source {
            Source::Blank => {
                create_file(&raw)?;
            }
            Source::Image { id, format } => {
                let driver = self.link_base(dir, id, format, volume.size_bytes)?;
                let base = dir.join(BASE);
                self.place.check_room_for(allocated(&base)?)?;
                let mut image =
                    json!({ "driver": driver, "file": Opening::cached().file(&base, Some(true)) });
                if driver != "raw" {
                    image["backing"] = Value::Null;
                }
                copy(&image, &raw, tool)?;
                remove_tree(&base)?;
            }
            Source::Snapshot(at) => {
                let needed = self.snapshot_bytes(at)?;
                if volume.size_bytes < needed {
                    return Err(Error::TooSmall { needed, asked: volume.size_bytes });
                }
                self.place.check_room_for(self.used_by(at.volume)?)?;
                copy(&self.snapshot_nodes(at)?, &raw, tool)?;
            }
        }
        grow(&raw, volume.size_bytes)?;
        sync_dir(dir)
    }

    /// Makes a volume of layers a raw file, which no VM has open and which has no snapshots.
    pub(super) fn make_raw(&self, volume: VolumeId) -> Result<()> {
        let chain = self.chain(volume)?;
        if !chain.moments().is_empty() {
            return Err(kept_by_snapshots(volume));
        }
        let base = self.path(volume).join(BASE);
        let of_base = if base.exists() { allocated(&base)? } else { 0 };
        let of_layers: u64 = chain.layers.iter().map(|layer| layer.allocated_bytes).sum();
        self.place.check_room_for(of_base + of_layers)?;
        let (dir, size_bytes) = (self.path(volume), chain.head().header.size_bytes);
        let (nodes, scratch) = (chain.blockdev(0, true, self.opening), dir.join(SCRATCH));
        let made = self.raw_path(volume);
        let work = move |tool: &Tool| {
            copy(&nodes, &scratch, tool)?;
            grow(&scratch, size_bytes)?;
            put_in_place(&dir, &scratch, &made)
        };
        self.beside(volume, "copying the volume", || self.is_raw(volume), work)
    }

    /// Makes a raw volume one of layers again: what it has lies below an empty layer from now on.
    pub(super) fn make_layers(&self, volume: VolumeId) -> Result<()> {
        self.tidy_raw(volume)?;
        if !self.raw_snapshots(volume)?.is_empty() {
            return Err(kept_by_snapshots(volume));
        }
        let (dir, raw) = (self.path(volume), self.raw_path(volume));
        // QEMU copies nothing of what a VM has open, be it only a sector.
        let sector = json!({ "driver": "raw", "size": SECTOR_BYTES, "file": node(self.opening, &raw, true) });
        copy(&sector, &dir.join(SCRATCH), &Tool::default())?;
        remove_tree(&dir.join(SCRATCH))?;
        let size_bytes = length(&raw)?;
        let disk = dir.join(DISK);
        remove_tree(&disk)?;
        let file = create_file(&disk)?;
        qcow2::write_empty(&file, size_bytes, Some(Backing { name: BASE, format: "raw" }))
            .and_then(|()| file.sync_all())
            .doing(|| format!("write {}", disk.display()))?;
        sync_dir(&dir)?;
        put_in_place(&dir, &raw, &dir.join(BASE))
    }

    /// Lets a volume of layers lie over a raw snapshot, which nobody writes to.
    pub(super) fn link_raw_snapshot(&self, dir: &Path, at: Snapshot, asked: u64) -> Result<&'static str> {
        let needed = self.snapshot_bytes(at)?;
        if asked < needed {
            return Err(Error::TooSmall { needed, asked });
        }
        let from = self.raw_snapshot(at);
        fs::hard_link(&from, dir.join(BASE)).doing(|| format!("link {} into a clone", from.display()))?;
        Ok("raw")
    }

    /// Copies the volume, which no VM may have open: there is nothing that would hold its writes up meanwhile.
    pub(super) fn freeze_raw(&self, at: Snapshot) -> Result<()> {
        let to = self.raw_snapshot(at);
        if !to.exists() {
            self.place.check_room_for(allocated(&self.raw_path(at.volume))?)?;
        }
        let (dir, from) = (self.path(at.volume), node(self.opening, &self.raw_path(at.volume), true));
        let (scratch, made) = (dir.join(SCRATCH), to.clone());
        let work = move |tool: &Tool| {
            copy(&from, &scratch, tool)?;
            put_in_place(&dir, &scratch, &made)
        };
        self.beside(at.volume, "copying the volume", || to.exists(), work)
    }

    /// Lets go of a snapshot.
    pub(super) fn unfreeze_raw(&self, at: Snapshot) -> Result<()> {
        remove_tree(&self.raw_snapshot(at))?;
        sync_dir(&self.path(at.volume))
    }

    /// Puts a copy of the newest snapshot in the volume's place.
    pub(super) fn revert_raw(&self, to: Snapshot, token: &str) -> Result<()> {
        let is_done = || self.reverted(to.volume).as_deref() == Some(token);
        if is_done() {
            return Ok(());
        }
        let (snapshots, absent) =
            (self.raw_snapshots(to.volume)?, Error::NoSnapshot { volume: to.volume, id: to.id });
        if !snapshots.contains(&to.id) {
            return Err(absent);
        }
        if snapshots.last() != Some(&to.id) {
            return Err(Error::NotNewest { volume: to.volume, id: to.id });
        }
        self.place.check_room_for(allocated(&self.raw_snapshot(to))?)?;
        let (dir, raw) = (self.path(to.volume), self.raw_path(to.volume));
        let (from, size_bytes) = (node(self.opening, &self.raw_snapshot(to), true), length(&raw)?);
        let (volumes, token, scratch) = (self.clone(), token.to_owned(), dir.join(SCRATCH));
        let work = move |tool: &Tool| {
            copy(&from, &scratch, tool)?;
            grow(&scratch, size_bytes)?;
            put_in_place(&dir, &scratch, &raw)?;
            volumes.note_revert(to.volume, &token)
        };
        self.beside(to.volume, "copying the snapshot", is_done, work)
    }

    /// Makes a volume larger, whoever has it open: they see it once they are told.
    pub(super) fn grow_raw(&self, volume: VolumeId, size_bytes: u64) -> Result<()> {
        let raw = self.raw_path(volume);
        let now = length(&raw)?;
        if now > size_bytes {
            return Err(Error::TooSmall { needed: now, asked: size_bytes });
        }
        if now < size_bytes {
            self.place.check_room()?;
            grow(&raw, size_bytes)?;
        }
        Ok(())
    }

    pub(super) fn observe_raw(&self, volume: VolumeId) -> Result<VolumeState> {
        let raw = self.raw_path(volume);
        let found = fs::metadata(&raw).doing(|| format!("look at {}", raw.display()))?;
        Ok(VolumeState {
            size_bytes: found.len(),
            used_bytes: found.blocks() * SECTOR_BYTES,
            snapshots: self.raw_snapshots(volume)?,
            reverted: self.reverted(volume),
            multiattach: true,
        })
    }

    /// Removes what a volume of layers left when it became a raw one, and what nobody goes on to write. A copy that is
    /// wanted is asked for before, and waited for: one that is still made now is wanted no more.
    pub(super) fn tidy_raw(&self, volume: VolumeId) -> Result<()> {
        self.merges.stop(volume);
        let dir = self.path(volume);
        for entry in fs::read_dir(&dir).doing(|| format!("list {}", dir.display()))? {
            let name = entry.doing(|| format!("list {}", dir.display()))?.file_name();
            let name = name.to_string_lossy();
            let is_of_layers = name == BASE || name == HEAD || is_layer(&name);
            if is_of_layers || Moment::of_link(&name).is_some() || name.starts_with('.') {
                remove_tree(&dir.join(&*name))?;
            }
        }
        sync_dir(&dir)
    }

    pub(super) fn raw_blockdev(&self, volume: VolumeId) -> Value {
        node(self.opening, &self.raw_path(volume), false)
    }

    pub(super) fn raw_snapshot_blockdev(&self, at: Snapshot) -> Result<Value> {
        let path = self.raw_snapshot(at);
        match path.exists() {
            true => Ok(node(self.opening, &path, true)),
            false => Err(Error::NoSnapshot { volume: at.volume, id: at.id }),
        }
    }

    /// The snapshots of a raw volume, oldest first.
    fn raw_snapshots(&self, volume: VolumeId) -> Result<Vec<SnapshotId>> {
        let dir = self.path(volume);
        let doing = || format!("list {}", dir.display());
        let mut found: Vec<(SystemTime, SnapshotId)> = Vec::new();
        for entry in fs::read_dir(&dir).doing(doing)? {
            let entry = entry.doing(doing)?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|id| id.parse().ok());
            if let Some(id) = id {
                // Nobody writes to it any more.
                let made = entry.metadata().and_then(|found| found.modified()).doing(doing)?;
                found.push((made, id));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// How much all that a volume's directory has takes: more than a copy of any of its snapshots.
    fn used_by(&self, volume: VolumeId) -> Result<u64> {
        let dir = self.path(volume);
        let mut used_bytes = 0;
        for entry in fs::read_dir(&dir).doing(|| format!("list {}", dir.display()))? {
            let entry = entry.doing(|| format!("list {}", dir.display()))?;
            used_bytes += entry.metadata().map_or(0, |found| found.blocks() * SECTOR_BYTES);
        }
        Ok(used_bytes)
    }

    /// How large the disk in a snapshot is, of whatever kind its volume is.
    fn snapshot_bytes(&self, at: Snapshot) -> Result<u64> {
        let absent = || Error::NoSnapshot { volume: at.volume, id: at.id };
        if self.is_raw(at.volume) {
            let path = self.raw_snapshot(at);
            return if path.exists() { length(&path) } else { Err(absent()) };
        }
        let chain = self.chain(at.volume)?;
        let from = chain.position(Moment::managed(at.id)).ok_or_else(absent)?;
        Ok(chain.layers[from].header.size_bytes)
    }

    /// Does something that takes its time beside. It is done once `is_done` says so; until then [`Error::Underway`] is
    /// returned.
    pub(super) fn beside(
        &self,
        volume: VolumeId,
        doing: &'static str,
        is_done: impl Fn() -> bool,
        work: impl FnOnce(&Tool) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        if !is_done() && !self.merges.go_on(volume)? && !is_done() {
            self.merges.begin(volume, Vec::new(), work)?;
        }
        if is_done() { Ok(()) } else { Err(Error::Underway { doing }) }
    }
}

fn kept_by_snapshots(volume: VolumeId) -> Error {
    Error::Vm {
        doing: format!("change how many VMs may write to volume {volume}"),
        message: "it has snapshots".to_owned(),
    }
}

/// The block node of a raw file. Guests see what others wrote at once: either nobody has it in a cache, or all of this host
/// have it in the same one.
fn node(opening: Opening, path: &Path, read_only: bool) -> Value {
    let mut node = opening.file(path, Some(read_only));
    node["detect-zeroes"] = "unmap".into();
    node
}

/// Writes what a tree of block nodes shows into a raw file with holes, anew. QEMU refuses to read what a VM writes to.
fn copy(from: &Value, to: &Path, tool: &Tool) -> Result<()> {
    remove_tree(to)?;
    create_file(to)?;
    let from = format!("json:{from}");
    let operands = [OsStr::new(&from), to.as_os_str()];
    tool.qemu_img(&["convert", "-q", "-O", "raw"], &operands, "copy a disk into a raw file")
}

/// Makes a raw file as large, and all that is in it durable.
fn grow(path: &Path, size_bytes: u64) -> Result<()> {
    let file = File::options().write(true).open(path).doing(|| format!("open {}", path.display()))?;
    let grown = file.metadata().and_then(|found| match found.len() < size_bytes {
        true => file.set_len(size_bytes),
        false => Ok(()),
    });
    grown.and_then(|()| file.sync_all()).doing(|| format!("resize {}", path.display()))
}

fn length(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|found| found.len()).doing(|| format!("look at {}", path.display()))
}

fn allocated(path: &Path) -> Result<u64> {
    let found = fs::metadata(path).doing(|| format!("look at {}", path.display()))?;
    Ok(found.blocks() * SECTOR_BYTES)
}

/// Puts a file that others wrote under its name, in place of what was there.
fn put_in_place(dir: &Path, from: &Path, to: &Path) -> Result<()> {
    File::open(from).and_then(|file| file.sync_all()).doing(|| format!("sync {}", from.display()))?;
    exchange(dir, from, to)
}
