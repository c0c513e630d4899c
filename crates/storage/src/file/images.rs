//! Images as files.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
use types::ImageId;

use super::{FileConfig, Place, create_file, lock, remove_tree};
use crate::error::Doing;
use crate::hashes::Hashes;
use crate::{Error, ImageStore, ImageWriter, Result, StoredImage, Upload};

/// How often an upload looks whether there is still room.
const ROOM_CHECK_BYTES: u64 = 64 << 20;
/// How much an upload writes before it is sent to the disk. The kernel would otherwise keep gigabytes until the end,
/// where the client would wait for them.
const WRITE_BACK_BYTES: u64 = 16 << 20;

/// Keeps each image as one file.
#[derive(Debug, Clone)]
pub struct FileImages {
    place: Place,
}

impl FileImages {
    /// Opens the store, and makes its directory if there is none.
    pub fn open(config: &FileConfig) -> Result<FileImages> {
        Ok(FileImages { place: Place::open(config, "images")? })
    }

    /// Where an image is, or would be.
    pub fn path(&self, image: ImageId) -> PathBuf {
        self.place.path.join(image.to_string())
    }
}

impl ImageStore for FileImages {
    fn writer(&self, upload: &Upload) -> Result<Box<dyn ImageWriter>> {
        Ok(Box::new(FileWriter::begin(&self.place, upload, self.path(upload.image))?))
    }

    fn reader(&self, image: ImageId, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        let path = self.path(image);
        let mut file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Error::NoImage(image)),
            opened => opened.doing(|| format!("open {}", path.display()))?,
        };
        file.seek(SeekFrom::Start(range.start)).doing(|| format!("seek in {}", path.display()))?;
        Ok(Box::new(file.take(range.end.saturating_sub(range.start))))
    }

    fn observe_image(&self, image: ImageId) -> Result<Option<u64>> {
        let path = self.path(image);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).doing(|| format!("look at {}", path.display())),
        }
    }

    fn observe_images(&self) -> Result<Vec<ImageId>> {
        self.place.ids()
    }

    fn remove_image(&self, image: ImageId) -> Result<()> {
        remove_tree(&self.path(image))?;
        self.place.forget_converted(image)?;
        self.place.sync()
    }

    fn link_image(&self, image: ImageId, to: &Path) -> Result<bool> {
        match fs::hard_link(self.path(image), to) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Error::NoImage(image)),
            // Another file system, or one without links.
            Err(_) => Ok(false),
        }
    }

    fn sweep(&self) -> Result<usize> {
        Ok(self.place.sweep()? + self.place.sweep_converted()?)
    }
}

/// Removes the file unless it was renamed.
struct Scratch(Option<PathBuf>);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = self.0.take()
            && let Err(e) = remove_tree(&path)
        {
            tracing::warn!(path = %path.display(), error = %e, "an unfinished upload stays until the next sweep");
        }
    }
}

/// Bytes on their way into a file.
pub(super) struct FileWriter {
    place: Place,
    upload: Upload,
    target: PathBuf,
    scratch: Scratch,
    file: Flock<File>,
    hashes: Hashes,
    /// The kernel was asked to write until here.
    written_back: u64,
}

impl FileWriter {
    /// Begins a file that is to be `target`.
    pub(super) fn begin(place: &Place, upload: &Upload, target: PathBuf) -> Result<FileWriter> {
        place.check_room()?;
        let scratch = place.scratch_path(&upload.image.to_string());
        let file = lock(create_file(&scratch)?, &scratch)?;
        let (place, upload) = (place.clone(), upload.clone());
        Ok(FileWriter {
            place,
            upload,
            target,
            scratch: Scratch(Some(scratch)),
            file,
            hashes: Hashes::default(),
            written_back: 0,
        })
    }

    /// Has the disk begin with what has come since the last time.
    fn write_back(&mut self, until: u64) {
        begin_write_back(&self.file, self.written_back..until);
        self.written_back = until;
    }

    /// All bytes are there. They are durable, but have no name yet.
    pub(super) fn seal(mut self) -> Result<(StoredImage, Sealed)> {
        self.write_back(self.hashes.length());
        let stored = self.hashes.finish(&self.upload)?;
        self.file
            .set_permissions(fs::Permissions::from_mode(0o444))
            .and_then(|()| self.file.sync_all())
            .doing(|| format!("sync image {}", self.upload.image))?;
        let FileWriter { place, target, scratch, file, .. } = self;
        Ok((stored, Sealed { place, target, scratch, _lock: file }))
    }
}

/// Has the kernel begin to write a part of a file to the disk, and does not wait until it is there: `sync_file_range(2)`. What
/// cannot be written is told to the sync at the end.
#[allow(unsafe_code)] // nobody wraps it
fn begin_write_back(file: &File, part: Range<u64>) {
    let offset = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (from, length) = (offset(part.start), offset(part.end - part.start));
    // SAFETY: the descriptor is open, and the call takes nothing but numbers.
    let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), from, length, libc::SYNC_FILE_RANGE_WRITE) };
}

/// A whole file that waits for its name. Dropped without, it is removed.
pub(super) struct Sealed {
    place: Place,
    target: PathBuf,
    scratch: Scratch,
    _lock: Flock<File>,
}

impl Sealed {
    /// Puts it under its name.
    pub(super) fn put(mut self) -> Result<()> {
        if let Some(path) = &self.scratch.0 {
            fs::rename(path, &self.target)
                .doing(|| format!("rename {} into place", self.target.display()))?;
        }
        self.scratch.0 = None;
        self.place.sync()
    }
}

impl ImageWriter for FileWriter {
    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        let before = self.hashes.length();
        self.hashes.update(&self.upload, chunk)?;
        let after = self.hashes.length();
        if after / ROOM_CHECK_BYTES > before / ROOM_CHECK_BYTES {
            self.place.check_room()?;
        }
        let image = self.upload.image;
        self.file.write_all(chunk).doing(|| format!("write image {image}"))?;
        if after / WRITE_BACK_BYTES > before / WRITE_BACK_BYTES {
            self.write_back(after);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<StoredImage> {
        let (stored, sealed) = self.seal()?;
        sealed.put()?;
        Ok(stored)
    }
}
