//! How QEMU opens the files of volumes.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::volumes::qemu_img;
use super::{Place, create_file, lock, remove_tree};
use crate::Result;

/// How many requests a process that has such files open takes of the kernel's (aio in QEMU; proc(5), `aio-nr`), and how many
/// processes more there is to be room for: one that finds none does not open its disk at all.
const REQUESTS: u64 = 1024;
const PROCESSES: u64 = 16;

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
        let _held = lock(create_file(&path)?, &path)?;
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
            "aio": if self.native && has_room() { "native" } else { "threads" },
            "cache": { "direct": self.direct, "no-flush": false },
        });
        if let Some(read_only) = read_only {
            file["read-only"] = read_only.into();
        }
        file
    }
}

/// Whether the kernel has requests left for more processes.
fn has_room() -> bool {
    let number = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/fs/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let (taken, all) = (number("aio-nr"), number("aio-max-nr"));
    taken.zip(all).is_some_and(|(taken, all)| taken.saturating_add(PROCESSES * REQUESTS) <= all)
}
