//! What interrupted work leaves, and who removes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use storage::file::{FileConfig, FileImages, FileVolumes};
use storage::{DiskFormat, Error, ImageStore, NewVolume, Source, Upload, VolumeBackend};
use types::{ImageId, VolumeId};

use crate::{TempDir, file_config, qcow2_bytes, upload};

#[test]
fn files_lie_where_the_layout_says() {
    let dir = TempDir::new();
    let config = file_config(&dir);
    let (images, volumes) = (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap());
    let (image, _) = upload(&images, DiskFormat::Qcow2, &qcow2_bytes(1 << 20)).unwrap();
    let id = VolumeId(runtime::new_uuid());
    let source = Source::Image { id: image, format: DiskFormat::Qcow2 };
    volumes.ensure_volume(&NewVolume { id, size_bytes: 1 << 20, source, multiattach: false }).unwrap();
    let expected = [
        "images".to_owned(),
        format!("images/{image}"),
        "unmanaged".to_owned(),
        "volumes".to_owned(),
        format!("volumes/{id}"),
        format!("volumes/{id}/base"),
        format!("volumes/{id}/disk.qcow2"),
    ];
    assert_eq!(dir.tree(), expected);
    let mode = fs::metadata(images.path(image)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
    volumes.remove_volume(id).unwrap();
    images.remove_image(image).unwrap();
    assert_eq!(dir.tree(), ["images", "unmanaged", "volumes"]);
}

#[test]
fn a_sweep_removes_what_nobody_works_on() {
    let dir = TempDir::new();
    let config = file_config(&dir);
    let (images, volumes) = (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap());
    let upload = Upload {
        image: ImageId(runtime::new_uuid()),
        format: DiskFormat::Raw,
        size_bytes_max: 1 << 20,
        enforce: true,
    };
    let mut writer = images.writer(&upload).unwrap();
    writer.write(b"going on").unwrap();
    // As a crash leaves them.
    fs::write(dir.path().join("images/.dead"), b"half").unwrap();
    fs::create_dir(dir.path().join("volumes/.dead")).unwrap();
    fs::write(dir.path().join("volumes/.dead/disk.qcow2"), b"half").unwrap();
    assert_eq!(volumes.observe_volumes().unwrap(), []);
    assert_eq!((images.sweep().unwrap(), volumes.sweep().unwrap()), (1, 1));
    assert_eq!((images.sweep().unwrap(), volumes.sweep().unwrap()), (0, 0));
    writer.finish().unwrap();
    assert_eq!(images.observe_image(upload.image).unwrap(), Some(8));
}

#[test]
fn a_full_disk_is_refused_before_it_is_full() {
    let dir = TempDir::new();
    let config = FileConfig { root: dir.path().to_owned(), reserve_bytes: u64::MAX };
    let (images, volumes) = (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap());
    let new = NewVolume {
        id: VolumeId(runtime::new_uuid()),
        size_bytes: 512,
        source: Source::Blank,
        multiattach: false,
    };
    assert!(matches!(volumes.ensure_volume(&new), Err(Error::Full { .. })));
    assert!(matches!(upload(&images, DiskFormat::Raw, b"x"), Err(Error::Full { .. })));
    assert_eq!(volumes.capacity().unwrap().free_bytes, 0);
    assert_eq!(dir.tree(), ["images", "unmanaged", "volumes"]);
}

#[test]
fn a_damaged_volume_is_reported() {
    let dir = TempDir::new();
    let volumes = FileVolumes::open(&file_config(&dir)).unwrap();
    let id = VolumeId(runtime::new_uuid());
    volumes
        .ensure_volume(&NewVolume { id, size_bytes: 512, source: Source::Blank, multiattach: false })
        .unwrap();
    fs::write(volumes.disk_path(id), b"QFI\xfb\0\0\0\x09").unwrap();
    let error = volumes.blockdev(id).unwrap_err();
    assert!(matches!(error, Error::Damaged { volume, .. } if volume == id), "{error}");
}
