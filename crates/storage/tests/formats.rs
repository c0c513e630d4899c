//! Disks in the formats of others, as `qemu-img` writes them: judged, turned into qcow2, and refused where another file
//! is part of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use storage::file::{FileConfig, FileImages, FileVolumes};
use storage::inspect::{Inspection, Inspector};
use storage::{DiskFormat, Error, ImageStore, NewVolume, Refusal, Source, Upload, VolumeBackend};
use types::ImageId;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 8 * MIB;

fn has_qemu_img() -> bool {
    let there = Command::new("qemu-img").arg("--version").output().is_ok();
    if !there {
        println!("skipped: formats: qemu-img is not installed");
    }
    there
}

fn qemu_img(args: &[&str]) {
    let ran = Command::new("qemu-img").args(args).output().unwrap();
    assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A disk of a format, with something in its middle.
fn disk(dir: &Path, name: &str, driver: &str, options: &str) -> PathBuf {
    let (raw, made) = (dir.join("raw"), dir.join(name));
    let mut bytes = vec![0; usize::try_from(SIZE).unwrap()];
    bytes[4 << 20..(4 << 20) + 5].copy_from_slice(b"squid");
    std::fs::write(&raw, bytes).unwrap();
    let mut args = vec!["convert", "-f", "raw", "-O", driver];
    if !options.is_empty() {
        args.extend(["-o", options]);
    }
    args.extend([text(&raw), text(&made)]);
    qemu_img(&args);
    made
}

fn judged(format: DiskFormat, bytes: &[u8], chunk: usize) -> Result<Inspection, Refusal> {
    let mut inspector = Inspector::new(format);
    for part in bytes.chunks(chunk) {
        inspector.update(part)?;
    }
    inspector.finish()
}

const WHOLE: [(&str, DiskFormat, &str, &str); 8] = [
    ("a.vmdk", DiskFormat::Vmdk, "vmdk", ""),
    ("b.vmdk", DiskFormat::Vmdk, "vmdk", "subformat=streamOptimized"),
    ("a.vdi", DiskFormat::Vdi, "vdi", ""),
    ("b.vdi", DiskFormat::Vdi, "vdi", "static=on"),
    ("a.vhd", DiskFormat::Vhd, "vpc", "force_size=on"),
    ("b.vhd", DiskFormat::Vhd, "vpc", "subformat=fixed,force_size=on"),
    ("a.vhdx", DiskFormat::Vhdx, "vhdx", ""),
    ("b.vhdx", DiskFormat::Vhdx, "vhdx", "subformat=fixed"),
];

#[test]
fn whole_disks_are_taken_as_what_they_are_and_nothing_else() {
    if !has_qemu_img() {
        return;
    }
    let dir = crate::TempDir::new();
    for (name, format, driver, options) in WHOLE {
        let bytes = std::fs::read(disk(dir.path(), name, driver, options)).unwrap();
        for chunk in [1 << 20, 70_001, 511] {
            let found = judged(format, &bytes, chunk);
            assert_eq!(found, Ok(Inspection { virtual_size_bytes: SIZE }), "{name} {options} in {chunk}");
        }
        for other in [DiskFormat::Qcow2, DiskFormat::Vmdk, DiskFormat::Vdi, DiskFormat::Vhd, DiskFormat::Vhdx]
        {
            assert_eq!(judged(other, &bytes, 1 << 20).is_ok(), other == format, "{name} as {other}");
        }
        // A fixed VHD is a raw disk but for its last sector.
        let plain = name == "b.vhd";
        assert_eq!(judged(DiskFormat::Raw, &bytes, 1 << 20).is_ok(), plain, "{name} as raw");
        let half = &bytes[..bytes.len() / 2];
        if format == DiskFormat::Vhdx || plain {
            // What is cut off at the end shows in the others only when it is read.
            assert_eq!(judged(format, half, 1 << 20).is_ok(), format == DiskFormat::Vhdx, "half of {name}");
        }
    }
    assert!(matches!(judged(DiskFormat::Vhdx, b"vhdxfile", 8), Err(Refusal::Truncated)));
}

#[test]
fn what_is_part_of_another_file_is_refused() {
    if !has_qemu_img() {
        return;
    }
    let dir = crate::TempDir::new();
    let check = |what: &str, format: DiskFormat, bytes: &[u8], expected: fn(&Refusal) -> bool| {
        let refusal = judged(format, bytes, 1 << 20).expect_err(what);
        assert!(expected(&refusal), "{what}: {refusal:?}");
    };
    let extents: fn(&Refusal) -> bool = |refusal| matches!(refusal, Refusal::Extents(_));
    let parent: fn(&Refusal) -> bool = |refusal| matches!(refusal, Refusal::BackingFile(_));
    for kind in ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"] {
        let path = disk(dir.path(), &format!("{kind}.vmdk"), "vmdk", &format!("subformat={kind}"));
        check(kind, DiskFormat::Vmdk, &std::fs::read(path).unwrap(), extents);
    }
    let vmdk = std::fs::read(disk(dir.path(), "a.vmdk", "vmdk", "")).unwrap();
    let changed = |from: &str, to: &str| {
        let at = vmdk.windows(from.len()).position(|window| window == from.as_bytes()).expect(from);
        let mut bytes = vmdk.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    check("a flat extent", DiskFormat::Vmdk, &changed("SPARSE", "FLAT  "), extents);
    check("another folder", DiskFormat::Vmdk, &changed("\"a.vmdk", "\"/etc/a"), extents);
    check("another type", DiskFormat::Vmdk, &changed("monolithicSparse", "monolithicFlat\"\n"), extents);
    check("a parent", DiskFormat::Vmdk, &changed("parentCID=ffffffff", "parentCID=12345678"), parent);
    check("no data", DiskFormat::Vmdk, &[&vmdk[..12], &[0; 8], &vmdk[20..]].concat(), extents);
    let over = disk(dir.path(), "below.vmdk", "vmdk", "");
    let top = dir.path().join("top.vmdk");
    qemu_img(&["create", "-q", "-f", "vmdk", "-b", text(&over), "-F", "vmdk", text(&top)]);
    check("a VMDK with a parent", DiskFormat::Vmdk, &std::fs::read(top).unwrap(), parent);

    let mut vdi = std::fs::read(disk(dir.path(), "a.vdi", "vdi", "")).unwrap();
    vdi[0x1a8] = 1;
    check("a linked VDI", DiskFormat::Vdi, &vdi, parent);
    let mut vhd = std::fs::read(disk(dir.path(), "a.vhd", "vpc", "")).unwrap();
    vhd[63] = 4;
    check("a differencing VHD", DiskFormat::Vhd, &vhd, parent);
    let mut vhdx = std::fs::read(disk(dir.path(), "a.vhdx", "vhdx", "")).unwrap();
    // The flags of the file's parameters are the second number after their block size of 8 MiB.
    let at = vhdx.windows(8).position(|w| w == b"metadata").unwrap() + (64 << 10) + 4;
    vhdx[at] |= 2;
    check("a differencing VHDX", DiskFormat::Vhdx, &vhdx, parent);
}

#[test]
fn no_bytes_make_it_panic() {
    if !has_qemu_img() {
        return;
    }
    let dir = crate::TempDir::new();
    let mut seed = 7u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    for (name, format, driver, options) in WHOLE {
        let good = std::fs::read(disk(dir.path(), name, driver, options)).unwrap();
        // What matters lies at the beginning, at the end, and where a VHDX has its tables.
        let places =
            [(0, 4096), (good.len() - 512, 512), (192 << 10, 1024), (2 << 20, 1024), (3 << 20, 1024)];
        for _ in 0..300 {
            let mut bad = good.clone();
            for _ in 0..6 {
                let (from, length) = places[usize::try_from(next()).unwrap() % places.len()];
                let at = (from + usize::try_from(next()).unwrap() % length).min(bad.len() - 1);
                bad[at] = u8::try_from(next() & 0xff).unwrap();
            }
            bad.truncate(bad.len().min(4 << 20));
            let _ = judged(format, &bad, 1 << 20);
        }
    }
}

fn stores(dir: &Path) -> (FileImages, FileVolumes) {
    let mut config = FileConfig::new(dir);
    config.reserve_bytes = 0;
    (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap())
}

fn store(images: &FileImages, format: DiskFormat, bytes: &[u8], enforce: bool) -> ImageId {
    let image = runtime::new_uuid().into();
    let upload = Upload { image, format, size_bytes_max: 1 << 30, enforce };
    let mut writer = images.writer(&upload).unwrap();
    writer.write(bytes).unwrap();
    writer.finish().unwrap();
    image
}

fn clone_of(id: ImageId, format: DiskFormat, size_bytes: u64) -> NewVolume {
    NewVolume {
        id: runtime::new_uuid().into(),
        size_bytes,
        source: Source::Image { id, format },
        multiattach: false,
    }
}

#[test]
fn volumes_come_from_a_converted_disk_that_is_made_once() {
    if !has_qemu_img() {
        return;
    }
    let (dir, made) = (crate::TempDir::new(), crate::TempDir::new());
    let (images, volumes) = stores(dir.path());
    for (name, format, driver, options) in WHOLE {
        let bytes = std::fs::read(disk(made.path(), name, driver, options)).unwrap();
        let image = store(&images, format, &bytes, true);
        let small = volumes.ensure_volume(&clone_of(image, format, SIZE - 512));
        assert!(matches!(small, Err(Error::TooSmall { needed: SIZE, .. })), "{small:?}");
        let converted = dir.path().join(format!("images/{image}.qcow2"));
        assert!(!converted.exists(), "a disk that does not fit is not converted");
        let (first, second) = (clone_of(image, format, 2 * SIZE), clone_of(image, format, SIZE));
        volumes.ensure_volume(&first).unwrap();
        let when = std::fs::metadata(&converted).unwrap().modified().unwrap();
        volumes.ensure_volume(&second).unwrap();
        assert_eq!(std::fs::metadata(&converted).unwrap().modified().unwrap(), when);
        assert_eq!(images.observe_images().unwrap(), [image]);
        let whole = made.path().join("whole");
        qemu_img(&["convert", "-f", "qcow2", "-O", "raw", text(&volumes.disk_path(first.id)), text(&whole)]);
        let bytes = std::fs::read(&whole).unwrap();
        assert_eq!(&bytes[4 << 20..(4 << 20) + 5], b"squid", "{name}");
        images.remove_image(image).unwrap();
        assert!(!converted.exists());
        assert_eq!(volumes.observe_volume(second.id).unwrap().unwrap().size_bytes, SIZE);
        for volume in [first, second] {
            volumes.remove_volume(volume.id).unwrap();
        }
    }
    let left: Vec<_> = std::fs::read_dir(dir.path().join("images")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn bytes_that_were_kept_unjudged_are_judged_before_anything_opens_them() {
    if !has_qemu_img() {
        return;
    }
    let (dir, made) = (crate::TempDir::new(), crate::TempDir::new());
    let (images, volumes) = stores(dir.path());
    let flat = disk(made.path(), "flat.vmdk", "vmdk", "subformat=monolithicFlat");
    let image = store(&images, DiskFormat::Vmdk, &std::fs::read(flat).unwrap(), false);
    let refused = volumes.ensure_volume(&clone_of(image, DiskFormat::Vmdk, SIZE));
    assert!(matches!(refused, Err(Error::Refused(Refusal::Extents(_)))), "{refused:?}");
    // One whose header is fine and whose compressed data are not leaves nothing either.
    let path = disk(made.path(), "b.vmdk", "vmdk", "subformat=streamOptimized");
    let mut broken = std::fs::read(path).unwrap();
    let first = u64::from_le_bytes(broken[64..72].try_into().unwrap()) * 512;
    let at = usize::try_from(first).unwrap() + 12;
    broken[at..at + 16].fill(0xff);
    let image = store(&images, DiskFormat::Vmdk, &broken, true);
    let failed = volumes.ensure_volume(&clone_of(image, DiskFormat::Vmdk, SIZE));
    assert!(matches!(failed, Err(Error::Tool { .. })), "{failed:?}");
    let left: Vec<_> = std::fs::read_dir(dir.path().join("images")).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(volumes.observe_volumes().unwrap().is_empty());
}
