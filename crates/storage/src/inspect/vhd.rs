//! Virtual PC's format: the same 512 bytes are the last of every file and, of one that grows, the first too.

use super::{Refusal, be32, be64};

/// The footer's length.
pub(super) const FOOTER_BYTES: usize = 512;
const MARK: &[u8] = b"conectix";
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
/// Entries of the table that QEMU reads into memory.
const ENTRIES_MAX: u64 = 0x7fff_ffff / 4;

/// How large the disk in a file is that begins with a footer's copy.
pub(super) fn inspect_dynamic(head: &[u8]) -> Result<u64, Refusal> {
    check_kind(head, DYNAMIC)?;
    let size = be64(head, 48)?;
    let table = usize::try_from(be64(head, 16)?).map_err(|_| Refusal::Truncated)?;
    if head.get(table..).is_none_or(|rest| !rest.starts_with(b"cxsparse")) {
        return Err(Refusal::Absurd("its second header is not at its beginning"));
    }
    let (entries, block) = (be32(head, table + 28)?, be32(head, table + 32)?);
    if !block.is_power_of_two() || block < 512 || u64::from(entries) > ENTRIES_MAX {
        return Err(Refusal::Absurd("its table is impossible"));
    }
    if u64::from(entries).saturating_mul(block.into()) < size {
        return Err(Refusal::Absurd("its table is too small for its virtual size"));
    }
    Ok(size)
}

/// How large the disk in a file of fixed size is; `None` if these are not its last bytes.
pub(super) fn inspect_fixed(tail: &[u8], length: u64) -> Result<Option<u64>, Refusal> {
    if !tail.starts_with(MARK) {
        return Ok(None);
    }
    check_kind(tail, FIXED)?;
    let size = be64(tail, 48)?;
    if size > length { Err(Refusal::Truncated) } else { Ok(Some(size)) }
}

fn check_kind(footer: &[u8], expected: u32) -> Result<(), Refusal> {
    match be32(footer, 60)? {
        kind if kind == expected => Ok(()),
        4 => Err(Refusal::BackingFile("of a differencing disk".to_owned())),
        _ => Err(Refusal::Absurd("its type is none that is known")),
    }
}
