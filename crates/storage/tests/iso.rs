//! The config drive, read by another reader and byte by byte.

use std::fs;

use storage::iso::{CONFIG_DRIVE_LABEL, IsoError, image};

use crate::{TempDir, tool};

fn files(list: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    list.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect()
}

#[test]
fn descriptors_are_where_readers_look() {
    let iso = image(CONFIG_DRIVE_LABEL, &files(&[("openstack/latest/meta_data.json", b"{}")])).unwrap();
    assert_eq!(iso.len() % 2048, 0);
    assert_eq!(&iso[0x8000..0x8006], b"\x01CD001");
    assert_eq!(&iso[0x8028..0x8032], b"config-2  ");
    assert_eq!(&iso[0x8800..0x8806], b"\x02CD001");
    assert_eq!(&iso[0x8858..0x885b], b"%/E");
    assert_eq!(&iso[0x9000..0x9006], b"\xffCD001");
    assert_eq!(
        iso,
        image(CONFIG_DRIVE_LABEL, &files(&[("openstack/latest/meta_data.json", b"{}")])).unwrap()
    );
    let sectors = u32::from_le_bytes(iso[0x8050..0x8054].try_into().unwrap());
    assert_eq!(sectors as usize * 2048, iso.len());
}

#[test]
fn bad_lists_are_refused() {
    let check = |list: &[(&str, &[u8])], expected: fn(&IsoError) -> bool| {
        let error = image("x", &files(list)).unwrap_err();
        assert!(expected(&error), "{error}");
    };
    for path in ["", "/a", "a/", "a//b", "../a", "a\nb", "1/2/3/4/5/6/7/8/9", &"n".repeat(65)] {
        check(&[(path, b"")], |e| matches!(e, IsoError::BadPath(_)));
    }
    check(&[("a", b""), ("a", b"")], |e| matches!(e, IsoError::Twice(_)));
    check(&[("a/b", b""), ("a", b"")], |e| matches!(e, IsoError::Twice(_)));
    check(&[("a", b""), ("a/b", b"")], |e| matches!(e, IsoError::Twice(_)));
    check(&[("a", &vec![0; (64 << 20) + 1])], |e| matches!(e, IsoError::TooLarge(_)));
}

/// Enough files for directories of several sectors, names that only Joliet can have, empty files, and sizes
/// around a sector.
fn varied() -> Vec<(String, Vec<u8>)> {
    let mut list = files(&[
        ("openstack/latest/meta_data.json", b"{\"uuid\":\"x\"}"),
        ("openstack/latest/network_data.json", b"{}"),
        ("openstack/latest/user_data", b"#!/bin/sh\necho hi\n"),
        ("openstack/2018-08-27/vendor_data2.json", b"{}"),
        ("openstack/content/0000", b"content"),
        ("ec2/latest/meta-data.json", b""),
        ("Gr\u{fc}\u{df}e.txt", b"umlauts"),
    ]);
    for number in 0..150 {
        let size = 2048 * (number % 3) + number % 2;
        list.push((format!("many/a file with a rather long name {number}.text"), vec![number as u8; size]));
    }
    list
}

#[test]
fn xorriso_reads_every_file() {
    let test = "xorriso_reads_every_file";
    let dir = TempDir::new();
    let (iso, out) = (dir.path().join("c.iso"), dir.path().join("out"));
    let list = varied();
    fs::write(&iso, image(CONFIG_DRIVE_LABEL, &list).unwrap()).unwrap();
    let args = [
        "-osirrox",
        "on",
        "-read_fs",
        "any",
        "-indev",
        iso.to_str().unwrap(),
        "-extract",
        "/",
        out.to_str().unwrap(),
    ];
    let Some(output) = tool(test, "xorriso", &args) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("'config-2'"), "{said}");
    for (path, bytes) in &list {
        assert_eq!(&fs::read(out.join(path)).expect(path), bytes, "{path}");
    }
}

/// The kernel's own reader, where there is one and we may mount.
#[test]
fn linux_reads_every_file() {
    let test = "linux_reads_every_file";
    let dir = TempDir::new();
    let (iso, out) = (dir.path().join("c.iso"), dir.path().join("out"));
    let list = varied();
    fs::write(&iso, image(CONFIG_DRIVE_LABEL, &list).unwrap()).unwrap();
    fs::create_dir(&out).unwrap();
    let script = "mount -o loop,ro -t iso9660 \"$1\" \"$2\" && tar -C \"$2\" -cf \"$2.tar\" . ; r=$?; \
                  umount \"$2\"; exit $r";
    let (iso, target) = (iso.to_str().unwrap(), out.to_str().unwrap());
    // A mount namespace of its own: whatever happens, nothing stays mounted.
    let Some(output) = tool(test, "unshare", &["-m", "sh", "-c", script, "sh", iso, target]) else { return };
    if !output.status.success() {
        return println!("skipped: {test}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let archive = format!("{target}.tar");
    assert!(tool(test, "tar", &["-C", target, "-xf", &archive]).unwrap().status.success());
    for (path, bytes) in &list {
        assert_eq!(&fs::read(out.join(path)).expect(path), bytes, "{path}");
    }
}
