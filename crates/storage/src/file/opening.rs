//! How QEMU opens the files of volumes.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::volumes::qemu_img;
use super::{Place, create_file, remove_tree};
use crate::Result;

/// What of it the file system, the kernel and QEMU take here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    /// Around the page cache.
    pub(super) direct: bool,
    /// Around it, whether the kernel has many reads and writes under way, and not QEMU's threads. Through the page cache
    /// the kernel would do them one after another.
    native: bool,
}

impl Opening {
    /// Tries with a file in this place: tmpfs of older kernels refuses `O_DIRECT`, and a kernel or a QEMU can be built
    /// without what it takes.
    pub(super) fn probe(place: &Place) -> Result<Opening> {
        let path = place.scratch_path("probe");
        drop(create_file(&path)?);
        let direct = fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_DIRECT).open(&path).is_ok();
        let mut opening = Opening { direct, native: direct };
        if direct {
            let tree = json!({ "driver": "raw", "file": opening.file(&path, Some(true)) });
            let operand = format!("json:{tree}");
            if let Err(e) = qemu_img(&["info", "--output=json"], &[operand.as_ref()], "try native I/O") {
                tracing::info!(error = %e, "disks are read and written by threads");
                opening.native = false;
            }
        }
        remove_tree(&path)?;
        Ok(opening)
    }

    /// The same through the page cache, which all share that open a file so.
    pub(super) fn cached() -> Opening {
        Opening { direct: false, native: false }
    }

    /// The block node of a file. Without a word on `read_only` the node above decides.
    pub(super) fn file(self, path: &Path, read_only: Option<bool>) -> Value {
        let mut file = json!({
            "driver": "file",
            "filename": path.to_string_lossy(),
            "auto-read-only": false,
            "discard": "unmap",
            "aio": if self.native { "native" } else { "threads" },
            "cache": { "direct": self.direct, "no-flush": false },
        });
        if let Some(read_only) = read_only {
            file["read-only"] = read_only.into();
        }
        file
    }
}
