//! Volumes as qcow2 files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use types::{ImageId, VolumeId};

use super::background::{Background, Tool};
use super::chain::{Chain, HEAD, Moment};
use super::opening::Opening;
use super::snapshots::exchange_link;
use super::{FileConfig, Place, create_file, hold_new_dir, remove_tree, sync_dir};
use crate::error::Doing;
use crate::inspect::{HEAD_BYTES, inspect};
use crate::qcow2::{self, Backing};
use crate::{
    Capacity, DiskFormat, Error, LiveDisk, NewVolume, Result, Snapshot, Source, Tidied, VolumeBackend,
    VolumeState,
};

pub(super) const DISK: &str = "disk.qcow2";
pub(super) const BASE: &str = "base";
/// qcow2 and disks count in sectors.
pub(super) const SECTOR_BYTES: u64 = 512;

/// Keeps each volume as a directory with a qcow2 file.
#[derive(Debug, Clone)]
pub struct FileVolumes {
    pub(super) place: Place,
    images: Place,
    /// What becomes a volume, and what is one no longer.
    pub(super) unmanaged: Place,
    pub(super) opening: Opening,
    /// What goes on beside.
    pub(super) merges: Background,
}

impl FileVolumes {
    /// Opens the backend, and makes its directory if there is none.
    pub fn open(config: &FileConfig) -> Result<FileVolumes> {
        let place = Place::open(config, "volumes")?;
        let opening = Opening::probe(&place)?;
        let images = Place { path: config.root.join("images"), reserve_bytes: config.reserve_bytes };
        let unmanaged = Place::open(config, "unmanaged")?;
        Ok(FileVolumes { place, images, unmanaged, opening, merges: Background::default() })
    }

    /// The file that QEMU writes to, as long as the volume never had a snapshot.
    pub fn disk_path(&self, volume: VolumeId) -> PathBuf {
        self.path(volume).join(DISK)
    }

    pub(super) fn path(&self, volume: VolumeId) -> PathBuf {
        self.place.path.join(volume.to_string())
    }

    /// Makes a volume that is not there: in a directory that nobody sees, which is renamed once it is whole.
    fn make(&self, volume: &NewVolume, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.place.check_room()?;
        let target = self.path(volume.id);
        let scratch = self.place.scratch_path(&volume.id.to_string());
        let _held = hold_new_dir(&scratch)?;
        let built = build(&scratch).and_then(|()| match fs::rename(&scratch, &target) {
            // Somebody else was faster.
            Err(_) if target.exists() => remove_tree(&scratch),
            renamed => renamed.doing(|| format!("rename volume {} into place", volume.id)),
        });
        match built {
            Ok(()) => self.place.sync(),
            Err(e) => {
                if let Err(left) = remove_tree(&scratch) {
                    tracing::warn!(error = %left, "an unfinished volume stays until the next sweep");
                }
                Err(e)
            }
        }
    }

    /// Fills the directory of a volume that nobody sees yet.
    fn build(&self, dir: &Path, volume: &NewVolume) -> Result<()> {
        let source = match volume.source {
            Source::Blank => None,
            Source::Image { id, format } => Some(self.link_base(dir, id, format, volume.size_bytes)?),
            Source::Snapshot(at) if self.is_raw(at.volume) => {
                Some(self.link_raw_snapshot(dir, at, volume.size_bytes)?)
            }
            Source::Snapshot(at) => {
                let below = self.link_snapshot(dir, at, volume.size_bytes)?;
                let over = Backing { name: &below, format: "qcow2" };
                let head = self.new_head(dir, volume.size_bytes, over)?;
                return exchange_link(dir, &head, &dir.join(HEAD));
            }
        };
        let disk = create_file(&dir.join(DISK))?;
        let backing = source.map(|format| Backing { name: BASE, format });
        qcow2::write_empty(&disk, volume.size_bytes, backing)
            .and_then(|()| disk.sync_all())
            .doing(|| format!("write volume {}", volume.id))?;
        sync_dir(dir)
    }

    /// Links the image into the volume's directory, and says which driver reads it.
    pub(super) fn link_base(
        &self,
        dir: &Path,
        image: ImageId,
        format: DiskFormat,
        asked: u64,
    ) -> Result<&'static str> {
        let base = dir.join(BASE);
        let (source, driver) = match format.driver() {
            Some(driver) => (self.images.path.join(image.to_string()), driver),
            None => (self.images.converted(image, format, asked)?, "qcow2"),
        };
        match fs::hard_link(source, &base) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Error::NoImage(image)),
            linked => linked.doing(|| format!("link image {image} into a volume"))?,
        }
        let (head, length) = read_head(&base)?;
        let format = if format.driver().is_some() { format } else { DiskFormat::Qcow2 };
        let needed = inspect(format, &head, Some(length)).map_err(Error::Refused)?.virtual_size_bytes;
        if asked < needed {
            return Err(Error::TooSmall { needed, asked });
        }
        Ok(driver)
    }

    /// The tree of block nodes that shows a snapshot.
    pub(super) fn snapshot_nodes(&self, at: Snapshot) -> Result<Value> {
        if self.is_raw(at.volume) {
            return self.raw_snapshot_blockdev(at);
        }
        let chain = self.chain(at.volume)?;
        let from = chain
            .position(Moment::managed(at.id))
            .ok_or(Error::NoSnapshot { volume: at.volume, id: at.id })?;
        self.merges.stop_with(at.volume, chain.layers[from..].iter().map(|layer| layer.name.as_str()));
        let chain = self.chain(at.volume)?;
        let from = chain
            .position(Moment::managed(at.id))
            .ok_or(Error::NoSnapshot { volume: at.volume, id: at.id })?;
        Ok(chain.blockdev(from, true, self.opening))
    }

    pub(super) fn chain_if_any(&self, volume: VolumeId) -> Result<Option<Chain>> {
        Chain::read(&self.path(volume), volume)
    }

    pub(super) fn chain(&self, volume: VolumeId) -> Result<Chain> {
        self.chain_if_any(volume)?.ok_or(Error::NoVolume(volume))
    }
}

impl VolumeBackend for FileVolumes {
    fn ensure_volume(&self, volume: &NewVolume) -> Result<()> {
        check_size(volume.size_bytes)?;
        let (id, is_there) = (volume.id, self.path(volume.id).exists());
        match (is_there, volume.multiattach) {
            (true, wanted) if self.is_raw(id) == wanted => {
                if !wanted {
                    // It may be on its way to the other kind, which nobody wants any more.
                    self.merges.stop_copy(id);
                }
                Ok(())
            }
            (true, true) => self.make_raw(id),
            (true, false) => self.make_layers(id),
            (false, true) if volume.source != Source::Blank => {
                let (volumes, new) = (self.clone(), volume.clone());
                let build = move |tool: &Tool| volumes.make(&new, |dir| volumes.build_raw(dir, &new, tool));
                self.beside(id, "copying what the volume is to hold", || self.path(id).exists(), build)
            }
            (false, true) => self.make(volume, |dir| self.build_raw(dir, volume, &Tool::default())),
            (false, false) => self.make(volume, |dir| self.build(dir, volume)),
        }
    }

    fn is_prepared(&self, volume: &NewVolume) -> Result<bool> {
        Ok(match volume.source {
            Source::Image { id, format } if format.driver().is_none() => {
                self.images.has_converted(id) || self.path(volume.id).exists()
            }
            _ => true,
        })
    }

    fn prepare(&self, volume: &NewVolume) -> Result<()> {
        match volume.source {
            Source::Image { id, format } if format.driver().is_none() => {
                self.images.converted(id, format, volume.size_bytes).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn repair(&self, volume: VolumeId) -> Result<()> {
        if self.is_raw(volume) { Ok(()) } else { self.repair_chain(volume) }
    }

    fn ensure_size(&self, volume: VolumeId, size_bytes: u64) -> Result<()> {
        check_size(size_bytes)?;
        if self.is_raw(volume) {
            return self.grow_raw(volume, size_bytes);
        }
        let chain = self.chain(volume)?;
        let now = chain.head().header.size_bytes;
        if now == size_bytes {
            return Ok(());
        }
        if now > size_bytes {
            return Err(Error::TooSmall { needed: now, asked: size_bytes });
        }
        self.place.check_room()?;
        self.merges.stop(volume);
        let chain = self.chain(volume)?;
        resize(&chain.dir.join(&chain.head().name), size_bytes)
    }

    fn remove_volume(&self, volume: VolumeId) -> Result<()> {
        self.check_keeps_nothing(volume)?;
        self.merges.stop(volume);
        // First out of sight in one step: half a volume is never seen.
        let gone = self.place.scratch_path(&volume.to_string());
        match fs::rename(self.path(volume), &gone) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.doing(|| format!("rename volume {volume} out of sight"))?,
        }
        self.place.sync()?;
        remove_tree(&gone)
    }

    fn observe_volume(&self, volume: VolumeId) -> Result<Option<VolumeState>> {
        if self.is_raw(volume) {
            return self.observe_raw(volume).map(Some);
        }
        let Some(chain) = self.chain_if_any(volume)? else { return Ok(None) };
        let own = chain.layers.iter().filter(|layer| layer.links == 1);
        Ok(Some(VolumeState {
            size_bytes: chain.head().header.size_bytes,
            used_bytes: own.map(|layer| layer.allocated_bytes).sum(),
            snapshots: chain.snapshots(),
            reverted: self.reverted(volume),
            multiattach: false,
        }))
    }

    fn observe_volumes(&self) -> Result<Vec<VolumeId>> {
        self.place.ids()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn ensure_snapshot(&self, at: Snapshot, live: Option<&mut dyn LiveDisk>) -> Result<()> {
        if self.is_raw(at.volume) {
            let doing = || "make a snapshot of a volume that is for several servers".to_owned();
            return if live.is_some() { Err(Error::InUse { doing: doing() }) } else { self.freeze_raw(at) };
        }
        let Some(live) = live else { return self.freeze(at) };
        // Before anything is changed, for a VM that cannot follow would go on writing to what is frozen.
        self.push_missing(at.volume, live)?;
        self.freeze(at)?;
        self.push_missing(at.volume, live)
    }

    fn ensure_live(&self, volume: VolumeId, live: &mut dyn LiveDisk) -> Result<()> {
        if self.is_raw(volume) || self.chain(volume)?.layers.len() == 1 {
            return Ok(());
        }
        self.push_missing(volume, live)
    }

    fn remove_snapshot(&self, at: Snapshot, _live: Option<&mut dyn LiveDisk>) -> Result<()> {
        if self.is_raw(at.volume) { self.unfreeze_raw(at) } else { self.unfreeze(at) }
    }

    fn ensure_reverted(&self, to: Snapshot, token: &str) -> Result<()> {
        if self.is_raw(to.volume) { self.revert_raw(to, token) } else { self.revert(to, token) }
    }

    fn ensure_replaced(&self, volume: VolumeId, by: VolumeId) -> Result<()> {
        let token = by.to_string();
        if self.reverted(volume).as_ref() == Some(&token) {
            return Ok(());
        }
        if !self.path(by).exists() {
            return Err(Error::NoVolume(by));
        }
        for id in [volume, by] {
            self.merges.stop(id);
        }
        self.note_revert(by, &token)?;
        // Until the other one has its name the volume is nowhere, or is a blank one that somebody made again.
        self.remove_volume(volume)?;
        fs::rename(self.path(by), self.path(volume))
            .doing(|| format!("put volume {by} in the place of volume {volume}"))?;
        self.place.sync()
    }

    fn tidy(&self, volume: VolumeId, live: Option<&mut dyn LiveDisk>) -> Result<Tidied> {
        if self.is_raw(volume) {
            return self.tidy_raw(volume).map(|()| Tidied::Done);
        }
        self.tidy_chain(volume, live)
    }

    fn blockdev(&self, volume: VolumeId) -> Result<Value> {
        self.merges.stop(volume);
        if self.is_raw(volume) {
            return Ok(self.raw_blockdev(volume));
        }
        Ok(self.chain(volume)?.blockdev(0, false, self.opening))
    }

    fn snapshot_blockdev(&self, at: Snapshot) -> Result<Value> {
        self.snapshot_nodes(at)
    }

    fn capacity(&self) -> Result<Capacity> {
        self.place.capacity()
    }

    fn sweep(&self) -> Result<usize> {
        self.place.sweep()
    }
}

pub(crate) fn check_size(size_bytes: u64) -> Result<()> {
    let fits = (SECTOR_BYTES..=qcow2::SIZE_BYTES_MAX).contains(&size_bytes);
    if fits && size_bytes.is_multiple_of(SECTOR_BYTES) { Ok(()) } else { Err(Error::BadSize(size_bytes)) }
}

/// The first bytes of a file, and its length.
pub(super) fn read_head(path: &Path) -> Result<(Vec<u8>, u64)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let length = File::open(path)
        .and_then(|file| {
            let length = file.metadata()?.len();
            file.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
            Ok(length)
        })
        .doing(|| format!("read {}", path.display()))?;
    Ok((head, length))
}

/// Growing a qcow2 may have to move its first table; that is left to `qemu-img`. It refuses a file that a VM
/// has open.
fn resize(path: &Path, size_bytes: u64) -> Result<()> {
    let doing = format!("resize {}", path.display());
    let size = size_bytes.to_string();
    qemu_img(&["resize", "-q", "-f", "qcow2"], &[path.as_os_str(), size.as_ref()], &doing)?;
    File::open(path).and_then(|disk| disk.sync_all()).doing(|| format!("sync {}", path.display()))
}

/// Runs `qemu-img`, which refuses files that a VM has open.
pub(super) fn qemu_img(options: &[&str], operands: &[&OsStr], doing: &str) -> Result<()> {
    let mut command = Command::new("qemu-img");
    let output = match command.args(options).args(operands).stdin(Stdio::null()).output() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let message = "qemu-img is not installed; install it with: apt-get install qemu-utils".to_owned();
            return Err(Error::Tool { doing: doing.to_owned(), message });
        }
        ran => ran.doing(|| "run qemu-img".to_owned())?,
    };
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Tool { doing: doing.to_owned(), message })
}
