//! Disks are read and written as QEMU sees them.

use std::ops::ControlFlow;
use std::process::Command;

use serde_json::json;
use storage::disk::{Access, OpenDisk};
use storage::file::{FileImages, FileVolumes};
use storage::{DiskFormat, Extent, GIB, NewVolume, Source, VolumeBackend};
use types::VolumeId;

use crate::{TempDir, file_config, tool, upload};

const MIB: u64 = 1 << 20;

fn is_installed(test: &str) -> bool {
    tool(test, "qemu-nbd", &["--version"]).is_some() && tool(test, "setpriv", &["--version"]).is_some()
}

fn extents(disk: &mut OpenDisk) -> Vec<Extent> {
    let mut found: Vec<Extent> = Vec::new();
    let each = |extent: Extent| {
        match found.last_mut() {
            Some(last) if last.is_zero == extent.is_zero => last.length += extent.length,
            _ => found.push(extent),
        }
        ControlFlow::Continue(())
    };
    disk.extents(each).unwrap();
    found
}

#[test]
fn what_is_written_to_a_clone_is_read_back_and_holes_are_known() {
    if !is_installed("what_is_written_to_a_clone_is_read_back_and_holes_are_known") {
        return;
    }
    let dir = TempDir::new();
    let config = file_config(&dir);
    let (images, volumes) = (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap());
    let (image, _) = upload(&images, DiskFormat::Raw, &[7; 65536]).unwrap();
    let id = VolumeId(runtime::new_uuid());
    let source = Source::Image { id: image, format: DiskFormat::Raw };
    volumes.ensure_volume(&NewVolume { id, size_bytes: GIB, source, multiattach: false }).unwrap();
    let tree = volumes.blockdev(id).unwrap();
    let mut disk = OpenDisk::open(&tree, Access::Write, dir.path()).unwrap();
    assert_eq!(disk.size_bytes(), GIB);
    let written = [1, 2, 3, 4].repeat(5 << 20);
    disk.write_at(100 * MIB, &written).unwrap();
    disk.write_zeroes(101 * MIB, MIB).unwrap();
    disk.flush().unwrap();
    drop(disk);

    let mut disk = OpenDisk::open(&tree, Access::Read, dir.path()).unwrap();
    let mut read = vec![0; written.len()];
    disk.read_at(100 * MIB, &mut read).unwrap();
    let mut expected = written;
    expected[MIB as usize..2 * MIB as usize].fill(0);
    assert!(read == expected, "the bytes differ");
    let mut begin = [0; 4];
    disk.read_at(65534, &mut begin).unwrap();
    assert_eq!(begin, [7, 7, 0, 0]);
    let data: Vec<(u64, u64)> =
        extents(&mut disk).iter().filter(|e| !e.is_zero).map(|e| (e.offset, e.length)).collect();
    assert_eq!(data, [(0, 65536), (100 * MIB, MIB), (102 * MIB, 18 * MIB)]);
    assert!(disk.write_at(0, b"x").is_err(), "it was opened for reading");
    drop(disk);
    let left: Vec<String> = dir.tree().into_iter().filter(|path| path.contains("nbd-")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_disk_that_cannot_be_opened_says_why() {
    if !is_installed("a_disk_that_cannot_be_opened_says_why") {
        return;
    }
    let dir = TempDir::new();
    let tree = json!({"driver": "file", "filename": "/nonexistent/disk"});
    let error = OpenDisk::open(&tree, Access::Read, dir.path()).err().unwrap();
    assert!(error.to_string().contains("No such file or directory"), "{error}");
}

#[test]
fn a_helper_that_dies_is_an_error_and_not_a_wait() {
    if !is_installed("a_helper_that_dies_is_an_error_and_not_a_wait") {
        return;
    }
    let dir = TempDir::new();
    let tree = json!({"driver": "null-co", "size": GIB, "read-zeroes": true});
    let mut disk = OpenDisk::open(&tree, Access::Read, dir.path()).unwrap();
    let killed = Command::new("kill").args(["-9", &disk.helper_id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut buffer = vec![0; 1 << 20];
    let failed = (0..100).any(|_| disk.read_at(0, &mut buffer).is_err());
    assert!(failed, "it still answers");
    assert!(disk.read_at(0, &mut buffer).is_err());
}
