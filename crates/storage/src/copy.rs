//! Copies whole disks, sparsely and with flat memory.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::disk::{Access, OpenDisk, Tree, add_tree, start_with_secret};
use crate::error::Doing;
use crate::nbd::Extent;
use crate::{DiskFormat, Error, ImageStore, Refusal, Result, StoredImage, Upload};

/// How much is held in memory at once.
const CHUNK_BYTES: usize = 4 << 20;

/// How far a copy is, and whether it is still wanted; shared by who makes it and who waits for it.
#[derive(Debug, Default)]
pub struct Progress {
    percent: AtomicU8,
    stopped: AtomicBool,
}

impl Progress {
    /// How far it is, in percent.
    pub fn percent(&self) -> u8 {
        self.percent.load(Ordering::Relaxed)
    }

    /// Says that it is not wanted any more; it ends with [`Error::Stopped`] before its next chunk.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Notes how far it is, and fails if it is not wanted any more.
    pub fn at(&self, done: u64, total: u64) -> Result<()> {
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100).min(100);
        self.percent.store(u8::try_from(percent).unwrap_or(100), Ordering::Relaxed);
        if self.stopped.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }
}

/// Makes a disk's content that of another, which is at most as large. What is beyond it is cleared.
pub fn disk_to_disk(from: &mut OpenDisk, to: &mut OpenDisk, progress: &Progress) -> Result<()> {
    overwrite(from, to, progress)?;
    let (length, whole) = (from.size_bytes(), to.size_bytes());
    to.write_zeroes(length, whole - length)?;
    to.flush()
}

/// The same, but what is beyond the other disk stays as it is. That is for a disk that was just encrypted: zeros would take
/// as much room there as anything else.
pub fn overwrite(from: &mut OpenDisk, to: &mut OpenDisk, progress: &Progress) -> Result<()> {
    let (needed, asked) = (from.size_bytes(), to.size_bytes());
    if asked < needed {
        return Err(Error::TooSmall { needed, asked });
    }
    for extent in extents(from)? {
        if extent.is_zero {
            progress.at(extent.offset, needed)?;
            to.write_zeroes(extent.offset, extent.length)?;
        } else {
            each_chunk(from, extent, |at, bytes| {
                progress.at(at, needed)?;
                to.write_at(at, bytes)
            })?;
        }
    }
    to.flush()?;
    progress.at(needed, needed)
}

/// Makes an image of a disk. `run_dir` is for a socket, `scratch` a file that may be made meanwhile; both are gone
/// afterwards.
pub fn disk_to_image(
    tree: &Tree,
    upload: &Upload,
    images: &dyn ImageStore,
    (run_dir, scratch): (&Path, &Path),
    progress: &Progress,
) -> Result<StoredImage> {
    if upload.format == DiskFormat::Raw {
        let mut disk = OpenDisk::open(tree, Access::Read, run_dir)?;
        let total = disk.size_bytes();
        let whole = Extent { offset: 0, length: total, is_zero: false };
        let mut writer = images.writer(upload)?;
        each_chunk(&mut disk, whole, |at, bytes| {
            progress.at(at, total)?;
            writer.write(bytes)
        })?;
        return writer.finish();
    }
    let converted =
        convert(tree, upload.format, scratch, progress).and_then(|()| store(scratch, upload, images));
    match std::fs::remove_file(scratch) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            converted.and(Err(e).doing(|| format!("remove {}", scratch.display())))
        }
        _ => converted,
    }
}

/// Everything a disk consists of.
fn extents(disk: &mut OpenDisk) -> Result<Vec<Extent>> {
    let mut found: Vec<Extent> = Vec::new();
    disk.extents(|extent| {
        match found.last_mut() {
            Some(last) if last.is_zero == extent.is_zero => last.length += extent.length,
            _ => found.push(extent),
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Reads a stretch piece by piece.
fn each_chunk(
    disk: &mut OpenDisk,
    extent: Extent,
    mut each: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut at, end) = (extent.offset, extent.offset + extent.length);
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        disk.read_at(at, &mut buffer[..length])?;
        each(at, &buffer[..length])?;
        at += length as u64;
    }
    Ok(())
}

/// Has `qemu-img` write the disk in another format.
fn convert(tree: &Tree, format: DiskFormat, target: &Path, progress: &Progress) -> Result<()> {
    let doing = || format!("convert a disk to {format}");
    let driver = driver_for_writing(format)?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-img", "convert", "-p", "-O", driver]);
    add_tree(&mut command, tree);
    command.arg(target).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start_with_secret(&mut command, tree.passphrase.as_ref())
        .doing(|| "start qemu-img; if it is not installed: apt-get install qemu-utils".to_owned())?;
    let watched = child.stdout.take().map_or(Ok(()), |stdout| watch(stdout, progress));
    if watched.is_err() {
        end(&mut child);
    }
    let output = child.wait_with_output().doing(|| "wait for qemu-img".to_owned())?;
    watched?;
    if output.status.success() {
        return File::open(target).and_then(|file| file.sync_all()).doing(doing);
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Tool { doing: doing(), message })
}

/// QEMU's name of a format that it writes.
fn driver_for_writing(format: DiskFormat) -> Result<&'static str> {
    match format {
        DiskFormat::Raw => Ok("raw"),
        DiskFormat::Qcow2 => Ok("qcow2"),
        DiskFormat::Vmdk => Ok("vmdk"),
        DiskFormat::Vdi => Ok("vdi"),
        DiskFormat::Vhd => Ok("vpc"),
        DiskFormat::Vhdx => Ok("vhdx"),
        DiskFormat::Iso | DiskFormat::Ploop | DiskFormat::Ami | DiskFormat::Aki | DiskFormat::Ari => {
            Err(Error::Refused(Refusal::NotADisk(format)))
        }
    }
}

/// Follows what `qemu-img -p` prints: `    (12.34/100%)`, each followed by a carriage return.
fn watch(mut stdout: ChildStdout, progress: &Progress) -> Result<()> {
    let mut text = String::new();
    let mut buffer = [0; 256];
    loop {
        let read = stdout.read(&mut buffer).doing(|| "read what qemu-img says".to_owned())?;
        if read == 0 {
            return Ok(());
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let whole = text.rsplit('(').find_map(|rest| rest.split_once('.')?.0.trim().parse::<u64>().ok());
        if let Some(percent) = whole {
            progress.at(percent, 100)?;
            text.clear();
        }
    }
}

/// There is nobody to tell that it had ended already.
fn end(child: &mut Child) {
    let _ = child.kill();
}

fn store(path: &Path, upload: &Upload, images: &dyn ImageStore) -> Result<StoredImage> {
    let mut file = File::open(path).doing(|| format!("open {}", path.display()))?;
    let mut writer = images.writer(upload)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut buffer).doing(|| format!("read {}", path.display()))?;
        if read == 0 {
            return writer.finish();
        }
        writer.write(&buffer[..read])?;
    }
}
