//! VMware's format. A descriptor in it says in words where the disk's extents are; QEMU would open any file that it
//! names, so that only disks that are this one file are taken.

use super::{Refusal, le32, le64};

const SECTOR_BYTES: u64 = 512;
/// The first bytes of a sparse extent that describes itself.
const SPARSE: &[u8] = b"KDMV";
/// The kinds of disks that are one file.
const WHOLE: [&str; 2] = ["monolithicSparse", "streamOptimized"];

/// How large the disk is.
pub(super) fn inspect(head: &[u8]) -> Result<u64, Refusal> {
    if !head.starts_with(SPARSE) {
        return Err(Refusal::Extents("it is not a sparse extent with a descriptor in it".to_owned()));
    }
    if !(1..=3).contains(&le32(head, 4)?) {
        return Err(Refusal::Absurd("its version is not from 1 to 3"));
    }
    let capacity = le64(head, 12)?;
    let (offset, sectors) = (le64(head, 28)?, le64(head, 36)?);
    if capacity == 0 || offset == 0 || sectors == 0 {
        // QEMU reads the descriptor of such a file as if it were one alone, and opens what it names.
        return Err(Refusal::Extents("it has a descriptor and no data".to_owned()));
    }
    check_descriptor(descriptor(head, offset, sectors)?)?;
    capacity.checked_mul(SECTOR_BYTES).ok_or(Refusal::Absurd("its virtual size is impossible"))
}

fn descriptor(head: &[u8], offset: u64, sectors: u64) -> Result<String, Refusal> {
    let far = Refusal::Absurd("its descriptor is not at its beginning");
    let bytes =
        |sectors: u64| sectors.checked_mul(SECTOR_BYTES).and_then(|bytes| usize::try_from(bytes).ok());
    let (Some(start), Some(length)) = (bytes(offset), bytes(sectors)) else { return Err(far) };
    let text = start.checked_add(length).and_then(|end| head.get(start..end)).ok_or(far)?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8(text.to_vec()).map_err(|_| Refusal::Absurd("its descriptor is no text"))
}

fn check_descriptor(text: String) -> Result<(), Refusal> {
    let mut kind = None;
    let mut extents = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "createtype" => kind = Some(value.to_owned()),
            "parentfilenamehint" => return Err(Refusal::BackingFile(value.to_owned())),
            "parentcid" if !value.eq_ignore_ascii_case("ffffffff") => {
                return Err(Refusal::BackingFile(format!("the disk {value}")));
            }
            _ if is_extent(line) => extents.push(line.to_owned()),
            _ => {}
        }
    }
    if !kind.as_deref().is_some_and(|kind| WHOLE.contains(&kind)) {
        return Err(Refusal::Extents(format!("its type is {}", kind.as_deref().unwrap_or("not said"))));
    }
    match extents.as_slice() {
        [only] => check_extent(only),
        _ => Err(Refusal::Extents(format!("it has {} extents", extents.len()))),
    }
}

fn is_extent(line: &str) -> bool {
    ["RW ", "RDONLY ", "NOACCESS "].iter().any(|access| line.starts_with(access))
}

/// `RW 8388608 SPARSE "disk.vmdk"`: sparse, and named as no other folder's file.
fn check_extent(line: &str) -> Result<(), Refusal> {
    let mut words = line.splitn(4, ' ');
    let (kind, name) = (words.nth(2).unwrap_or_default(), words.next().unwrap_or_default());
    if kind == "SPARSE" && !name.contains(['/', '\\']) && !name.contains(':') {
        return Ok(());
    }
    Err(Refusal::Extents(line.chars().take(80).collect()))
}
