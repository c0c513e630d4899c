//! Images in formats that no VM should have open, as qcow2: made when the first volume is cloned from one, and kept as
//! long as the image.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use types::ImageId;

use super::{Place, create_file, lock, remove_tree};
use crate::convert;
use crate::error::Doing;
use crate::inspect::Inspector;
use crate::{DiskFormat, Error, Refusal, Result};

/// How much is read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// What follows the image's id in the name of the file.
const SUFFIX: &str = ".qcow2";

impl Place {
    fn converted_path(&self, image: ImageId) -> PathBuf {
        self.path.join(format!("{image}{SUFFIX}"))
    }

    /// Whether there is a qcow2 of the image.
    pub(super) fn has_converted(&self, image: ImageId) -> bool {
        self.converted_path(image).exists()
    }

    /// The image as qcow2, for a volume of `asked` bytes.
    pub(super) fn converted(&self, image: ImageId, format: DiskFormat, asked: u64) -> Result<PathBuf> {
        let target = self.converted_path(image);
        if target.exists() {
            return Ok(target);
        }
        if format.driver_to_convert().is_none() {
            return Err(Error::Refused(Refusal::NotADisk(format)));
        }
        let source = self.path.join(image.to_string());
        let needed = virtual_size(&source, image, format)?;
        if asked < needed {
            return Err(Error::TooSmall { needed, asked });
        }
        let scratch = self.scratch_path(&format!("{image}{SUFFIX}"));
        let made = self.convert(&source, format, &scratch, needed).and_then(|()| {
            fs::rename(&scratch, &target).doing(|| format!("rename the converted image {image} into place"))
        });
        if let Err(e) = made {
            remove_tree(&scratch)?;
            return Err(e);
        }
        if !source.exists() {
            // It was removed meanwhile, and this with it, but for what was renamed just now.
            remove_tree(&target)?;
            return Err(Error::NoImage(image));
        }
        self.sync()?;
        Ok(target)
    }

    fn convert(&self, source: &Path, format: DiskFormat, scratch: &Path, size_bytes: u64) -> Result<()> {
        self.check_room()?;
        let _held = lock(create_file(scratch)?, scratch)?;
        let bound = size_bytes.min(self.capacity()?.free_bytes);
        convert::to_qcow2(source, format, scratch, bound)
    }

    /// Forgets what was made of an image.
    pub(super) fn forget_converted(&self, image: ImageId) -> Result<()> {
        remove_tree(&self.converted_path(image))
    }

    /// Removes what was made of images that are gone, and says how much that was.
    pub(super) fn sweep_converted(&self) -> Result<usize> {
        let mut swept = 0;
        for entry in self.entries()? {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|id| id.parse().ok());
            let Some(id): Option<ImageId> = id else { continue };
            if !self.path.join(id.to_string()).exists() {
                remove_tree(&entry.path())?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

/// How large the disk in an image is, all of which is looked at.
fn virtual_size(path: &Path, image: ImageId, format: DiskFormat) -> Result<u64> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Error::NoImage(image)),
        opened => opened.doing(|| format!("open {}", path.display()))?,
    };
    let mut inspector = Inspector::new(format);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk).doing(|| format!("read {}", path.display()))? {
            0 => return Ok(inspector.finish().map_err(Error::Refused)?.virtual_size_bytes),
            count => inspector.update(&chunk[..count]).map_err(Error::Refused)?,
        }
    }
}
