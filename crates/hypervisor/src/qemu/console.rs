//! The log of the serial console, which QEMU appends to and we keep from growing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use nix::fcntl::{FallocateFlags, fallocate};

/// How much of the end is kept.
const KEPT_BYTES: u64 = 1 << 20;
/// Space is given back in whole blocks.
const BLOCK_BYTES: u64 = 4096;

/// The last bytes; none if there is no log.
pub fn tail(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    // What lies before was given back, and would read as zeros.
    let wanted = (bytes_max as u64).min(length).min(KEPT_BYTES);
    let mut bytes = vec![0; wanted as usize];
    file.read_exact_at(&mut bytes, length - wanted)?;
    Ok(bytes)
}

/// Gives the space of old output back by a hole at the beginning of the file. Nothing moves, so QEMU can go
/// on writing; only the file's nominal length grows.
pub fn trim(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if metadata.blocks() * 512 < 2 * KEPT_BYTES {
        return Ok(());
    }
    let hole = metadata.len().saturating_sub(KEPT_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(&file, flags, 0, i64::try_from(hole).unwrap_or(i64::MAX)) {
        // A file system without holes: start over rather than fill it.
        Err(nix::errno::Errno::EOPNOTSUPP) => file.set_len(0),
        done => Ok(done?),
    }
}
