//! Volumes as qcow2 files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use types::{ImageId, VolumeId};

use super::{FileConfig, Place, create_file, lock, remove_tree, sync_dir};
use crate::error::Doing;
use crate::inspect::{HEAD_BYTES, inspect};
use crate::qcow2::{self, Backing, Header};
use crate::{
    Capacity, DiskFormat, Error, LiveDisk, NewVolume, Result, Snapshot, Source, Tidied, VolumeBackend,
    VolumeState,
};

const DISK: &str = "disk.qcow2";
const BASE: &str = "base";
/// qcow2 and disks count in sectors.
const SECTOR_BYTES: u64 = 512;

/// Keeps each volume as a directory with a qcow2 file.
#[derive(Debug, Clone)]
pub struct FileVolumes {
    place: Place,
    images: Place,
    /// Whether the file system takes `O_DIRECT`.
    direct: bool,
}

impl FileVolumes {
    /// Opens the backend, and makes its directory if there is none.
    pub fn open(config: &FileConfig) -> Result<FileVolumes> {
        let place = Place::open(config, "volumes")?;
        let direct = takes_direct(&place)?;
        let images = Place { path: config.root.join("images"), reserve_bytes: config.reserve_bytes };
        Ok(FileVolumes { place, images, direct })
    }

    /// The file that QEMU writes to.
    pub fn disk_path(&self, volume: VolumeId) -> PathBuf {
        self.path(volume).join(DISK)
    }

    fn path(&self, volume: VolumeId) -> PathBuf {
        self.place.path.join(volume.to_string())
    }

    /// Fills the directory of a volume that nobody sees yet.
    fn build(&self, dir: &Path, volume: &NewVolume) -> Result<()> {
        let format = match volume.source {
            Source::Blank => None,
            Source::Image { id, format } => Some(self.link_base(dir, id, format, volume.size_bytes)?),
            Source::Snapshot(at) => return Err(no_snapshots(at)),
        };
        let disk = create_file(&dir.join(DISK))?;
        let backing = format.map(|format| Backing { name: BASE, format });
        qcow2::write_empty(&disk, volume.size_bytes, backing)
            .and_then(|()| disk.sync_all())
            .doing(|| format!("write volume {}", volume.id))?;
        sync_dir(dir)
    }

    /// Links the image into the volume's directory, and says which driver reads it.
    fn link_base(&self, dir: &Path, image: ImageId, format: DiskFormat, asked: u64) -> Result<&'static str> {
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

    fn header(&self, volume: VolumeId) -> Result<Option<(Header, u64)>> {
        let path = self.disk_path(volume);
        let metadata = match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.doing(|| format!("look at {}", path.display()))?,
        };
        let (head, _) = read_head(&path)?;
        let header = Header::parse(&head)
            .map_err(|bad| Error::Damaged { volume, what: format!("its qcow2 header is {bad:?}") })?;
        Ok(Some((header, metadata.blocks() * SECTOR_BYTES)))
    }
}

impl VolumeBackend for FileVolumes {
    fn ensure_volume(&self, volume: &NewVolume) -> Result<()> {
        check_size(volume.size_bytes)?;
        let target = self.path(volume.id);
        if target.exists() {
            return Ok(());
        }
        self.place.check_room()?;
        let scratch = self.place.scratch_path(&volume.id.to_string());
        fs::DirBuilder::new()
            .mode(0o711)
            .create(&scratch)
            .doing(|| format!("make the directory {}", scratch.display()))?;
        let dir = File::open(&scratch).doing(|| format!("open {}", scratch.display()))?;
        let _held = lock(dir, &scratch)?;
        let built = self.build(&scratch, volume).and_then(|()| match fs::rename(&scratch, &target) {
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

    fn ensure_size(&self, volume: VolumeId, size_bytes: u64) -> Result<()> {
        check_size(size_bytes)?;
        let Some((header, _)) = self.header(volume)? else { return Err(Error::NoVolume(volume)) };
        if header.size_bytes == size_bytes {
            return Ok(());
        }
        if header.size_bytes > size_bytes {
            return Err(Error::TooSmall { needed: header.size_bytes, asked: size_bytes });
        }
        self.place.check_room()?;
        resize(&self.disk_path(volume), size_bytes)
    }

    fn remove_volume(&self, volume: VolumeId) -> Result<()> {
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
        let found = self.header(volume)?;
        Ok(found.map(|(header, used_bytes)| VolumeState {
            size_bytes: header.size_bytes,
            used_bytes,
            snapshots: Vec::new(),
            reverted: None,
        }))
    }

    fn observe_volumes(&self) -> Result<Vec<VolumeId>> {
        self.place.ids()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn ensure_snapshot(&self, at: Snapshot, _live: Option<&mut dyn LiveDisk>) -> Result<()> {
        Err(no_snapshots(at))
    }

    fn remove_snapshot(&self, _at: Snapshot, _live: Option<&mut dyn LiveDisk>) -> Result<()> {
        Ok(())
    }

    fn ensure_reverted(&self, to: Snapshot, _token: &str) -> Result<()> {
        Err(no_snapshots(to))
    }

    fn tidy(&self, _volume: VolumeId, _live: Option<&mut dyn LiveDisk>) -> Result<Tidied> {
        Ok(Tidied::Done)
    }

    fn snapshot_blockdev(&self, at: Snapshot) -> Result<Value> {
        Err(no_snapshots(at))
    }

    fn blockdev(&self, volume: VolumeId) -> Result<Value> {
        let Some((header, _)) = self.header(volume)? else { return Err(Error::NoVolume(volume)) };
        let dir = self.path(volume);
        let file = |name: &str, read_only: bool, direct: bool| {
            json!({
                "driver": "file",
                "filename": dir.join(name).to_string_lossy(),
                "read-only": read_only,
                "auto-read-only": false,
                "discard": "unmap",
                "cache": { "direct": direct, "no-flush": false },
            })
        };
        let mut disk = json!({
            "driver": "qcow2",
            "read-only": false,
            "discard": "unmap",
            "detect-zeroes": "unmap",
            "cache": { "direct": self.direct, "no-flush": false },
            "file": file(DISK, false, self.direct),
            // An explicit "no backing file": QEMU must not follow what the header names.
            "backing": null,
        });
        if header.backing.is_some() {
            let format = header.backing_format.unwrap_or_default();
            if format != "raw" && format != "qcow2" {
                return Err(Error::Damaged { volume, what: format!("it has a base of format {format:?}") });
            }
            // Read through the page cache, which all clones of an image share.
            let mut base = json!({
                "driver": format,
                "read-only": true,
                "auto-read-only": false,
                "cache": { "direct": false, "no-flush": false },
                "file": file(BASE, true, false),
            });
            if format == "qcow2" {
                base["backing"] = Value::Null;
            }
            disk["backing"] = base;
        }
        Ok(disk)
    }

    fn capacity(&self) -> Result<Capacity> {
        self.place.capacity()
    }

    fn sweep(&self) -> Result<usize> {
        self.place.sweep()
    }
}

/// Files have no snapshots yet.
fn no_snapshots(at: Snapshot) -> Error {
    Error::NoSnapshot { volume: at.volume, id: at.id }
}

pub(crate) fn check_size(size_bytes: u64) -> Result<()> {
    let fits = (SECTOR_BYTES..=qcow2::SIZE_BYTES_MAX).contains(&size_bytes);
    if fits && size_bytes.is_multiple_of(SECTOR_BYTES) { Ok(()) } else { Err(Error::BadSize(size_bytes)) }
}

/// The first bytes of a file, and its length.
fn read_head(path: &Path) -> Result<(Vec<u8>, u64)> {
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
    let doing = || format!("resize {}", path.display());
    let output = Command::new("qemu-img")
        .args(["resize", "-q", "-f", "qcow2"])
        .arg(path)
        .arg(size_bytes.to_string())
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let message = "qemu-img is not installed; install it with: apt-get install qemu-utils".to_owned();
            return Err(Error::Tool { doing: doing(), message });
        }
        ran => ran.doing(|| "run qemu-img".to_owned())?,
    };
    if output.status.success() {
        File::open(path).and_then(|disk| disk.sync_all()).doing(|| format!("sync {}", path.display()))
    } else {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Tool { doing: doing(), message })
    }
}

/// Whether files there can be opened around the page cache; tmpfs of older kernels refuses.
fn takes_direct(place: &Place) -> Result<bool> {
    use std::os::unix::fs::OpenOptionsExt;

    let path = place.scratch_path("probe");
    drop(create_file(&path)?);
    let direct = fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_DIRECT).open(&path).is_ok();
    remove_tree(&path)?;
    Ok(direct)
}
