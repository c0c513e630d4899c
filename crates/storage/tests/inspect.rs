//! Tables of headers: what is taken, and what is refused.

use storage::inspect::{Content, detect, inspect};
use storage::{DiskFormat, Refusal};

use crate::qcow2_bytes;

const GIB: u64 = 1 << 30;

/// An empty file with a mark at one place.
fn marked(at: usize, mark: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64 << 10];
    bytes[at..at + mark.len()].copy_from_slice(mark);
    bytes
}

#[test]
fn formats_show_themselves() {
    let check = |at, mark: &[u8], expected| assert_eq!(detect(&marked(at, mark)), expected, "{mark:?}");
    check(0, b"", Content::Plain);
    check(0, b"QFI\xfb\0\0\0\x03", Content::Qcow2);
    check(0, b"KDMV", Content::Vmdk);
    check(0, b"# Disk DescriptorFile\n", Content::Vmdk);
    check(0x40, b"\x7f\x10\xda\xbe", Content::Vdi);
    check(0, b"conectix", Content::Vhd);
    check(0, b"vhdxfile", Content::Vhdx);
    check(0, b"QED\0", Content::Qed);
    check(0, b"LUKS\xba\xbe", Content::Luks);
    check(0x8001, b"CD001", Content::Iso);
    check(510, b"\x55\xaa", Content::Partitioned);
    check(512, b"EFI PART", Content::Partitioned);
    check(4096, b"EFI PART", Content::Partitioned);
    assert_eq!(detect(b""), Content::Plain);
    assert_eq!(detect(b"QF"), Content::Plain);
}

#[test]
fn a_claim_must_be_true() {
    let check = |claimed: DiskFormat, bytes: &[u8], fits: bool| {
        assert_eq!(inspect(claimed, bytes, Some(bytes.len() as u64)).is_ok(), fits, "{claimed}");
    };
    let (qcow2, iso, mbr) = (qcow2_bytes(GIB), marked(0x8001, b"CD001"), marked(510, b"\x55\xaa"));
    let plain = marked(0, b"");
    for (format, fits) in [
        (DiskFormat::Raw, [false, true, true, true]),
        (DiskFormat::Iso, [false, true, false, false]),
        (DiskFormat::Qcow2, [true, false, false, false]),
        (DiskFormat::Vdi, [false, false, false, false]),
        (DiskFormat::Aki, [false, true, true, true]),
    ] {
        for (bytes, fits) in [&qcow2, &iso, &mbr, &plain].into_iter().zip(fits) {
            check(format, bytes, fits);
        }
    }
    for mark in [&b"KDMV"[..], b"conectix", b"vhdxfile", b"QED\0"] {
        check(DiskFormat::Raw, &marked(0, mark), false);
        check(DiskFormat::Qcow2, &marked(0, mark), false);
    }
}

#[test]
fn qcow2_headers_are_judged() {
    let good = qcow2_bytes(GIB);
    let size = |bytes: &[u8]| inspect(DiskFormat::Qcow2, bytes, Some(good.len() as u64));
    assert_eq!(size(&good).unwrap().virtual_size_bytes, GIB);

    let check = |what: &str, at: usize, bytes: &[u8], expected: fn(&Refusal) -> bool| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        let refusal = size(&bad).expect_err(what);
        assert!(expected(&refusal), "{what}: {refusal:?}");
    };
    let absurd: fn(&Refusal) -> bool = |r| matches!(r, Refusal::Absurd(_));
    check("version 1", 4, &[0, 0, 0, 1], |r| *r == Refusal::Version(1));
    check("version 4", 4, &[0, 0, 0, 4], |r| *r == Refusal::Version(4));
    check("encrypted", 32, &[0, 0, 0, 2], |r| *r == Refusal::Encrypted);
    check("damaged", 79, &[2], |r| *r == Refusal::Corrupt);
    check("data file", 79, &[4], |r| *r == Refusal::DataFile);
    check("unknown feature", 72, &[0x80], |r| *r == Refusal::UnknownFeatures(1 << 63));
    check("name of a data file", 112, b"DATA\0\0\0\x04/etc", |r| *r == Refusal::DataFile);
    check("endless extension", 112, b"abcd\xff\xff\xff\xff", |r| *r == Refusal::Truncated);
    check("clusters of 2 GiB", 20, &[0, 0, 0, 31], absurd);
    check("clusters of 1 byte", 20, &[0, 0, 0, 0], absurd);
    check("no size", 24, &[0; 8], absurd);
    check("huge size", 24, &[0xff; 8], absurd);
    check("small first table", 36, &[0, 0, 0, 1], absurd);
    check("huge first table", 36, &[0xff; 4], absurd);
    check("first table outside", 40, &[0, 0, 0, 1, 0, 0, 0, 0], |r| *r == Refusal::Truncated);
    check("first table at an odd place", 40, &[0, 0, 0, 0, 0, 0, 0, 1], absurd);
    check("no reference counts", 56, &[0; 4], absurd);
    check("huge table of reference counts", 56, &[0xff; 4], absurd);
    check("impossible header length", 100, &[0xff; 4], absurd);

    let mut backed = good.clone();
    backed[8..20].copy_from_slice(&[0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 11]);
    backed[512..523].copy_from_slice(b"/etc/shadow");
    assert_eq!(size(&backed), Err(Refusal::BackingFile("/etc/shadow".to_owned())));
    backed[8..16].copy_from_slice(&[0xff; 8]);
    assert_eq!(size(&backed), Err(Refusal::Truncated));
}

#[test]
fn no_header_makes_it_panic() {
    let good = qcow2_bytes(GIB);
    for length in 0..600 {
        let _ = inspect(DiskFormat::Qcow2, &good[..length], Some(length as u64));
    }
    let mut seed = 1u64;
    for _ in 0..20_000 {
        let mut bad = good[..1024].to_vec();
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % 130 + 4;
            bad[at] = (seed >> 56) as u8;
        }
        let _ = inspect(DiskFormat::Qcow2, &bad, Some(seed));
    }
}

#[test]
fn large_uploads_are_hashed_as_small_ones_are() {
    use md5::{Digest, Md5};
    use sha2::Sha512;

    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let fake = storage::fake::Fake::new();
    for length in [0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, (11 << 20) + 7] {
        let bytes: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
        let upload = storage::Upload {
            image: runtime::new_uuid().into(),
            format: DiskFormat::Raw,
            size_bytes_max: GIB,
            enforce: true,
        };
        let mut writer = storage::ImageStore::writer(&fake, &upload).unwrap();
        bytes.chunks(777_777).for_each(|chunk| writer.write(chunk).unwrap());
        let stored = writer.finish().unwrap();
        assert_eq!(stored.md5, hex(&Md5::digest(&bytes)), "{length}");
        assert_eq!(stored.sha512, hex(&Sha512::digest(&bytes)), "{length}");
    }
}
