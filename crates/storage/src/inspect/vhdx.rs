//! Hyper-V's format. What is known of the disk is in a region whose place a table names.

use std::ops::Range;

use super::{Refusal, le32, le64, part};

/// Where the first table of regions is.
pub(super) const TABLE: Range<u64> = 192 << 10..256 << 10;
/// How much of the region with the metadata is looked at.
const METADATA_BYTES_MAX: u64 = 1 << 20;
/// Entries of a table.
const ENTRIES_MAX: usize = 2047;

/// How the regions and items that matter are called.
const METADATA: [u8; 16] = guid(0x8b7c_a206, 0x4790, 0x4b9a, 0xb8fe_575f_050f_886e);
const PARAMETERS: [u8; 16] = guid(0xcaa1_6737, 0xfa36, 0x4d43, 0xb3b6_33f0_aa44_e76b);
const SIZE: [u8; 16] = guid(0x2fa5_4224, 0xcd1b, 0x4876, 0xb211_5dbe_d83b_f4b8);
const PARENT: [u8; 16] = guid(0xa8d3_5f2d, 0xb30b, 0x454d, 0xabf7_d3d8_4834_ab0c);

/// A GUID as Windows stores it: its first three parts with the smallest byte first.
const fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let (a, b, c, d) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes(), d.to_be_bytes());
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

/// Where the metadata are, by the table of regions.
pub(super) fn metadata(table: &[u8]) -> Result<Range<u64>, Refusal> {
    if !table.starts_with(b"regi") {
        return Err(Refusal::Absurd("its table of regions is not where it should be"));
    }
    for at in entries(le32(table, 8)?, 16)? {
        if part::<16>(table, at)? == METADATA {
            let (offset, length) = (le64(table, at + 16)?, u64::from(le32(table, at + 24)?));
            let end = offset.checked_add(length.min(METADATA_BYTES_MAX));
            return end.map(|end| offset..end).ok_or(Refusal::Truncated);
        }
    }
    Err(Refusal::Absurd("it has no region with metadata"))
}

/// How large the disk is, by the metadata.
pub(super) fn inspect(metadata: &[u8]) -> Result<u64, Refusal> {
    if !metadata.starts_with(b"metadata") {
        return Err(Refusal::Absurd("its metadata are not where they should be"));
    }
    let count = part(metadata, 10).map(u16::from_le_bytes)?;
    let (mut size, mut parameters) = (None, None);
    for at in entries(count.into(), 32)? {
        let item = part::<16>(metadata, at)?;
        let offset = le32(metadata, at + 16)? as usize;
        match item {
            PARENT => return Err(Refusal::BackingFile("of a differencing disk".to_owned())),
            PARAMETERS => parameters = Some(le32(metadata, offset.saturating_add(4))?),
            SIZE => size = Some(le64(metadata, offset)?),
            _ => {}
        }
    }
    match (size, parameters) {
        (Some(_), Some(flags)) if flags & 2 != 0 => {
            Err(Refusal::BackingFile("of a differencing disk".to_owned()))
        }
        (Some(size), Some(_)) => Ok(size),
        _ => Err(Refusal::Absurd("its metadata lack the size of the disk")),
    }
}

/// Where the entries of a table begin, each of 32 bytes.
fn entries(count: u32, first: usize) -> Result<impl Iterator<Item = usize>, Refusal> {
    let count = count as usize;
    if count > ENTRIES_MAX {
        return Err(Refusal::Absurd("a table of it has too many entries"));
    }
    Ok((0..count).map(move |n| first + n * 32))
}
