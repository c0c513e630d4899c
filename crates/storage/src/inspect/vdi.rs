//! VirtualBox's format.

use super::{Refusal, le32, le64};

const VERSION: u32 = 0x0001_0001;
const DYNAMIC: u32 = 1;
const STATIC: u32 = 2;
/// The only size of a block that QEMU knows.
const BLOCK_BYTES: u32 = 1 << 20;

/// How large the disk is.
pub(super) fn inspect(head: &[u8]) -> Result<u64, Refusal> {
    if le32(head, 0x44)? != VERSION {
        return Err(Refusal::Absurd("its version is not 1.1"));
    }
    if ![DYNAMIC, STATIC].contains(&le32(head, 0x4c)?) {
        return Err(Refusal::BackingFile("of a differencing or undo image".to_owned()));
    }
    let uuids = head.get(0x1a8..0x1c8).ok_or(Refusal::Truncated)?;
    if uuids.iter().any(|byte| *byte != 0) {
        return Err(Refusal::BackingFile("it is linked to another disk".to_owned()));
    }
    let (size, blocks) = (le64(head, 0x170)?, u64::from(le32(head, 0x180)?));
    if le32(head, 0x168)? != 512 || le32(head, 0x178)? != BLOCK_BYTES {
        return Err(Refusal::Absurd("its sectors are not of 512 bytes or its blocks not of 1 MiB"));
    }
    if blocks.saturating_mul(BLOCK_BYTES.into()) < size {
        return Err(Refusal::Absurd("it has too few blocks for its virtual size"));
    }
    Ok(size)
}
