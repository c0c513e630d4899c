//! The crate's tests: one suite for every store and backend, tables for the formats, and comparisons with
//! the tools that also read them.

// A test may stop at what it did not expect, wherever in this crate it is; nothing here is for others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::new_without_default, missing_docs)]

mod backup;
mod ceph;
mod crash;
mod disk;
mod formats;
mod image_cache;
mod inspect;
mod iso;
mod layers;
mod luks;
mod qcow2;
mod raw;
mod rbd;
mod rbd_harm;
mod suite;
mod unmanaged;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use storage::file::{FileConfig, FileImages, FileVolumes};
use storage::{DiskFormat, ImageStore, Result, StoredImage, Upload, VolumeBackend};
use types::ImageId;

/// A directory that goes with the test.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{:016x}", runtime::random_u64()));
        fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Every path below, relative and in order.
    pub fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut waiting = vec![self.0.clone()];
        while let Some(dir) = waiting.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    waiting.push(entry.path());
                }
                found.push(entry.path().strip_prefix(&self.0).unwrap().to_string_lossy().into_owned());
            }
        }
        found.sort();
        found
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A store and a backend that belong together.
pub struct World {
    pub images: Box<dyn ImageStore>,
    pub volumes: Box<dyn VolumeBackend>,
    _held: Option<Box<dyn std::any::Any>>,
}

pub fn file_config(dir: &TempDir) -> FileConfig {
    FileConfig { root: dir.path().to_owned(), reserve_bytes: 1 }
}

pub fn file_world() -> World {
    let dir = TempDir::new();
    let config = file_config(&dir);
    World {
        images: Box::new(FileImages::open(&config).unwrap()),
        volumes: Box::new(FileVolumes::open(&config).unwrap()),
        _held: Some(Box::new(dir)),
    }
}

pub fn fake_world() -> World {
    let fake = storage::fake::Fake::new();
    World { images: Box::new(fake.clone()), volumes: Box::new(fake), _held: None }
}

storage_suite!(file, Some(crate::file_world()));
storage_suite!(fake, Some(crate::fake_world()));
storage_suite!(in_ceph, crate::ceph::world());

/// Uploads in pieces of odd size.
pub fn upload(images: &dyn ImageStore, format: DiskFormat, bytes: &[u8]) -> Result<(ImageId, StoredImage)> {
    let image = ImageId(runtime::new_uuid());
    let mut writer = images.writer(&Upload { image, format, size_bytes_max: 1 << 20, enforce: true })?;
    for chunk in bytes.chunks(4099) {
        writer.write(chunk)?;
    }
    Ok((image, writer.finish()?))
}

/// The bytes of an empty qcow2 image.
pub fn qcow2_bytes(size_bytes: u64) -> Vec<u8> {
    let dir = TempDir::new();
    let path = dir.path().join("q");
    storage::qcow2::write_empty(&fs::File::create(&path).unwrap(), size_bytes, None).unwrap();
    fs::read(path).unwrap()
}

/// Runs a tool, or says that the test is skipped.
pub fn tool(test: &str, program: &str, args: &[&str]) -> Option<Output> {
    match Command::new(program).args(args).output() {
        Ok(output) => Some(output),
        Err(e) => {
            println!("skipped: {test}: {program}: {e}");
            None
        }
    }
}

/// Runs `qemu-img` and returns what it said, which must be success.
pub fn qemu_img(test: &str, args: &[&str]) -> Option<String> {
    let output = tool(test, "qemu-img", args)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "qemu-img {args:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}
