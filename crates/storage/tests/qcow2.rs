//! What is written here is read by QEMU's own tools.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use storage::file::{FileImages, FileVolumes};
use storage::qcow2::{Backing, write_empty};
use storage::{DiskFormat, NewVolume, Source, VolumeBackend};
use types::VolumeId;

use crate::{TempDir, file_config, qemu_img, upload};

const GIB: u64 = 1 << 30;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn empty_images_pass_the_check_of_qemu_img() {
    let test = "empty_images_pass_the_check_of_qemu_img";
    let dir = TempDir::new();
    File::create(dir.path().join("base")).unwrap().set_len(1 << 20).unwrap();
    for size in [512, GIB, 100 * GIB, 5 << 40, 64 << 40] {
        for backing in [None, Some(Backing { name: "base", format: "raw" })] {
            let path = dir.path().join("image");
            write_empty(&File::create(&path).unwrap(), size, backing).unwrap();
            let Some(check) = qemu_img(test, &["check", "-f", "qcow2", text(&path)]) else { return };
            assert!(check.contains("No errors"), "{size}: {check}");
            let told = qemu_img(test, &["info", "-f", "qcow2", "--output=json", text(&path)]).unwrap();
            let told: Value = serde_json::from_str(&told).unwrap();
            assert_eq!(told["virtual-size"], size);
            assert_eq!(told["backing-filename-format"], backing.map_or(Value::Null, |b| b.format.into()));
            assert_eq!(told["format-specific"]["data"]["extended-l2"], backing.is_some());
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_clone_shows_its_image_and_takes_writes() {
    let test = "a_clone_shows_its_image_and_takes_writes";
    let dir = TempDir::new();
    let config = file_config(&dir);
    let (images, volumes) = (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap());
    let (image, _) = upload(&images, DiskFormat::Raw, &vec![7; 1 << 20]).unwrap();
    let id = VolumeId(runtime::new_uuid());
    let source = Source::Image { id: image, format: DiskFormat::Raw };
    volumes.ensure_volume(&NewVolume { id, size_bytes: 2 << 20, source, multiattach: false }).unwrap();

    // The tree of nodes, as QEMU gets it.
    let node = format!("json:{}", volumes.blockdev(id).unwrap());
    let io = |command: &str| {
        let output = crate::tool(test, "qemu-io", &["-c", command, &node])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && !text.contains("failed"), "{command}: {text}");
        Some(())
    };
    let Some(()) = io("read -P 7 0 1M") else { return };
    io("read -P 0 1M 1M");
    io("write -P 9 4096 4096");
    io("read -P 9 4096 4096");
    io("read -P 7 8192 4096");
    volumes.ensure_size(id, 4 << 20).unwrap();
    io("read -P 0 2M 2M");
    let path = volumes.disk_path(id);
    assert!(qemu_img(test, &["check", text(&path)]).unwrap().contains("No errors"));
    assert_eq!(std::fs::read(images.path(image)).unwrap(), vec![7; 1 << 20], "the image never changes");
}

/// Committing a clone into its image would change all other clones.
#[test]
fn the_image_cannot_be_committed_into() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let dir = TempDir::new();
    let config = file_config(&dir);
    let (images, volumes) = (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap());
    let (image, _) = upload(&images, DiskFormat::Raw, &vec![7; 1 << 20]).unwrap();
    let id = VolumeId(runtime::new_uuid());
    let source = Source::Image { id: image, format: DiskFormat::Raw };
    volumes.ensure_volume(&NewVolume { id, size_bytes: 1 << 20, source, multiattach: false }).unwrap();

    let mut node = volumes.blockdev(id).unwrap();
    node["node-name"] = "v".into();
    node["backing"]["node-name"] = "b".into();
    let daemon = Command::new("qemu-storage-daemon")
        .args(["--blockdev", &node.to_string(), "--chardev", "stdio,id=m", "--monitor", "chardev=m"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut daemon = match daemon {
        Ok(daemon) => daemon,
        Err(e) => return println!("skipped: the_image_cannot_be_committed_into: qemu-storage-daemon: {e}"),
    };
    let commands = concat!(
        r#"{"execute":"qmp_capabilities"}"#,
        r#"{"execute":"block-commit","arguments":{"job-id":"j","device":"v","base-node":"b"}}"#,
        r#"{"execute":"quit"}"#
    );
    daemon.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let said = String::from_utf8(daemon.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.contains("read-only"), "{said}");
}

#[test]
fn a_clone_is_made_at_once_whatever_its_size() {
    let dir = TempDir::new();
    let config = file_config(&dir);
    let (images, volumes) = (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap());
    let (image, _) = upload(&images, DiskFormat::Raw, &[0; 512]).unwrap();
    let source = Source::Image { id: image, format: DiskFormat::Raw };
    let best = |size_bytes: u64| -> Duration {
        let once = |_| {
            let begin = runtime::monotonic();
            let id = VolumeId(runtime::new_uuid());
            volumes.ensure_volume(&NewVolume { id, size_bytes, source, multiattach: false }).unwrap();
            begin.elapsed()
        };
        (0..10).map(once).min().unwrap()
    };
    let (small, large) = (best(GIB), best(1024 * GIB));
    println!("a clone of 1 GiB takes {small:?}, of 1 TiB {large:?}");
    assert!(large < Duration::from_millis(50), "{large:?}");
}
