//! Looks at the header of an image before anything opens it.
//!
//! A format is never guessed by QEMU: the uploader says what it is, and bytes that are something else are
//! refused. A qcow2 can name other files of the host as its backing or data file; whoever could upload such
//! an image could read them from inside a VM (CVE-2024-32498), so both are refused, as is every feature that
//! is not known here. [`inspect`] is a pure function of the first bytes and the length.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::qcow2::{self, BadHeader, Header};

mod stream;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;

pub use stream::Inspector;

/// How many bytes of the beginning are needed: an ISO 9660 file system shows itself at 32 KiB.
pub const HEAD_BYTES: usize = 64 << 10;

/// OpenStack's `disk_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // they are names of formats
pub enum DiskFormat {
    Raw,
    Qcow2,
    Iso,
    Vmdk,
    Vdi,
    Vhd,
    Vhdx,
    Ploop,
    Ami,
    Aki,
    Ari,
}

/// All formats, in the order in which they are listed to users.
pub const DISK_FORMATS: [DiskFormat; 11] = [
    DiskFormat::Ami,
    DiskFormat::Ari,
    DiskFormat::Aki,
    DiskFormat::Vhd,
    DiskFormat::Vhdx,
    DiskFormat::Vmdk,
    DiskFormat::Raw,
    DiskFormat::Qcow2,
    DiskFormat::Vdi,
    DiskFormat::Iso,
    DiskFormat::Ploop,
];

impl DiskFormat {
    /// As OpenStack spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
            DiskFormat::Iso => "iso",
            DiskFormat::Vmdk => "vmdk",
            DiskFormat::Vdi => "vdi",
            DiskFormat::Vhd => "vhd",
            DiskFormat::Vhdx => "vhdx",
            DiskFormat::Ploop => "ploop",
            DiskFormat::Ami => "ami",
            DiskFormat::Aki => "aki",
            DiskFormat::Ari => "ari",
        }
    }

    /// The QEMU driver that reads it, for the formats from which volumes can be cloned.
    pub fn driver(self) -> Option<&'static str> {
        match self {
            DiskFormat::Raw | DiskFormat::Iso => Some("raw"),
            DiskFormat::Qcow2 => Some("qcow2"),
            DiskFormat::Vmdk
            | DiskFormat::Vdi
            | DiskFormat::Vhd
            | DiskFormat::Vhdx
            | DiskFormat::Ploop
            | DiskFormat::Ami
            | DiskFormat::Aki
            | DiskFormat::Ari => None,
        }
    }

    /// The QEMU driver that reads it once, to make a disk that can be cloned: for the formats whose files QEMU should
    /// not have open under a VM.
    pub fn driver_to_convert(self) -> Option<&'static str> {
        match self {
            DiskFormat::Vmdk => Some("vmdk"),
            DiskFormat::Vdi => Some("vdi"),
            DiskFormat::Vhd => Some("vpc"),
            DiskFormat::Vhdx => Some("vhdx"),
            DiskFormat::Raw
            | DiskFormat::Iso
            | DiskFormat::Qcow2
            | DiskFormat::Ploop
            | DiskFormat::Ami
            | DiskFormat::Aki
            | DiskFormat::Ari => None,
        }
    }

    /// What bytes of this format look like; for a disk without header, what they may look like.
    fn allows(self, content: Content) -> bool {
        match self {
            // What is encrypted is as good as plain: it is read as it is, and nothing in it names a file.
            DiskFormat::Raw | DiskFormat::Ami => {
                matches!(content, Content::Plain | Content::Partitioned | Content::Iso | Content::Luks)
            }
            DiskFormat::Aki | DiskFormat::Ari | DiskFormat::Ploop => !matches!(
                content,
                Content::Qcow2 | Content::Vmdk | Content::Vdi | Content::Vhd | Content::Vhdx
            ),
            DiskFormat::Qcow2 => content == Content::Qcow2,
            DiskFormat::Iso => content == Content::Iso,
            DiskFormat::Vmdk => content == Content::Vmdk,
            DiskFormat::Vdi => content == Content::Vdi,
            // A fixed VHD has its mark at the end only.
            DiskFormat::Vhd => matches!(content, Content::Vhd | Content::Plain | Content::Partitioned),
            DiskFormat::Vhdx => content == Content::Vhdx,
        }
    }
}

impl fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DiskFormat {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        DISK_FORMATS.into_iter().find(|format| format.as_str() == s).ok_or(())
    }
}

/// What bytes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing that is known: data, or a bare file system.
    Plain,
    /// A disk with an MBR or GPT partition table.
    Partitioned,
    /// An ISO 9660 file system; it may have a partition table too.
    Iso,
    /// qcow2, and its ancestor qcow.
    Qcow2,
    /// VMware.
    Vmdk,
    /// VirtualBox.
    Vdi,
    /// Virtual PC, Xen.
    Vhd,
    /// Hyper-V.
    Vhdx,
    /// QEMU's QED.
    Qed,
    /// An encrypted volume.
    Luks,
    /// Parallels.
    Parallels,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Content::Plain => "data without a known header",
            Content::Partitioned => "a disk with partitions",
            Content::Iso => "an ISO 9660 file system",
            Content::Qcow2 => "qcow2",
            Content::Vmdk => "vmdk",
            Content::Vdi => "vdi",
            Content::Vhd => "vhd",
            Content::Vhdx => "vhdx",
            Content::Qed => "qed",
            Content::Luks => "luks",
            Content::Parallels => "parallels",
        })
    }
}

/// What bytes look like, by the marks of the formats.
pub fn detect(head: &[u8]) -> Content {
    let has = |at: usize, mark: &[u8]| head.get(at..at + mark.len()) == Some(mark);
    const HEADERS: [(usize, &[u8], Content); 11] = [
        (0, b"QFI\xfb", Content::Qcow2),
        (0, b"KDMV", Content::Vmdk),
        (0, b"COWD", Content::Vmdk),
        (0, b"# Disk DescriptorFile", Content::Vmdk),
        (0x40, b"\x7f\x10\xda\xbe", Content::Vdi),
        (0, b"conectix", Content::Vhd),
        (0, b"vhdxfile", Content::Vhdx),
        (0, b"QED\0", Content::Qed),
        (0, b"LUKS\xba\xbe", Content::Luks),
        (0, b"WithoutFreeSpace", Content::Parallels),
        (0, b"WithouFreSpacExt", Content::Parallels),
    ];
    if let Some((_, _, content)) = HEADERS.into_iter().find(|(at, mark, _)| has(*at, mark)) {
        content
    } else if has(0x8001, b"CD001") {
        Content::Iso
    } else if has(510, b"\x55\xaa") || has(512, b"EFI PART") || has(4096, b"EFI PART") {
        Content::Partitioned
    } else {
        Content::Plain
    }
}

/// What is known of an image that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspection {
    /// How large the disk in it is. For formats that are only kept, not used: the length of the file.
    pub virtual_size_bytes: u64,
}

/// Why an image is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is something else than it was said to be.
    Mismatch {
        /// What was said.
        claimed: DiskFormat,
        /// What it looks like.
        found: Content,
    },
    /// It is only part of another file.
    BackingFile(String),
    /// Its data are in another file.
    DataFile,
    /// It is encrypted.
    Encrypted,
    /// It is marked as damaged.
    Corrupt,
    /// It needs features that are not known here.
    UnknownFeatures(u64),
    /// An unknown version of qcow2.
    Version(u32),
    /// The file is shorter than its header says.
    Truncated,
    /// It names other files that hold part of the disk.
    Extents(String),
    /// Impossible values.
    Absurd(&'static str),
    /// No disk can be made of it.
    NotADisk(DiskFormat),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Mismatch { claimed, found } => write!(f, "it was said to be {claimed} but is {found}"),
            Refusal::BackingFile(name) => write!(f, "it needs a backing file ({name:?})"),
            Refusal::DataFile => f.write_str("it keeps its data in another file"),
            Refusal::Extents(what) => write!(f, "part of it is in other files ({what})"),
            Refusal::Encrypted => f.write_str("it is encrypted"),
            Refusal::Corrupt => f.write_str("it is marked as corrupt; repair it with qemu-img check -r all"),
            Refusal::UnknownFeatures(bits) => write!(f, "it has unknown features ({bits:#x})"),
            Refusal::Version(version) => write!(f, "qcow2 version {version} is not known"),
            Refusal::Truncated => f.write_str("it ends before its header says so"),
            Refusal::Absurd(what) => f.write_str(what),
            Refusal::NotADisk(format) => write!(f, "no volume can be made of {format}; convert it to qcow2"),
        }
    }
}

/// Judges an image by its first [`HEAD_BYTES`] (or all of it, if shorter) and its length. `length` is
/// `None` as long as the end has not been seen. What is further back in a VHD or VHDX is looked at by an [`Inspector`].
pub fn inspect(claimed: DiskFormat, head: &[u8], length: Option<u64>) -> Result<Inspection, Refusal> {
    let found = detect(head);
    if !claimed.allows(found) {
        return Err(Refusal::Mismatch { claimed, found });
    }
    match claimed {
        DiskFormat::Qcow2 => inspect_qcow2(head, length),
        DiskFormat::Vmdk => sized(vmdk::inspect(head)?),
        DiskFormat::Vdi => sized(vdi::inspect(head)?),
        DiskFormat::Vhd if found == Content::Vhd => sized(vhd::inspect_dynamic(head)?),
        DiskFormat::Vhd
        | DiskFormat::Vhdx
        | DiskFormat::Raw
        | DiskFormat::Iso
        | DiskFormat::Ploop
        | DiskFormat::Ami
        | DiskFormat::Aki
        | DiskFormat::Ari => Ok(Inspection { virtual_size_bytes: length.unwrap_or_default() }),
    }
}

/// A size that a disk can have.
fn sized(virtual_size_bytes: u64) -> Result<Inspection, Refusal> {
    if virtual_size_bytes == 0 || virtual_size_bytes > qcow2::SIZE_BYTES_MAX {
        return Err(Refusal::Absurd("its virtual size is not between 1 byte and 64 TiB"));
    }
    Ok(Inspection { virtual_size_bytes })
}

/// The bytes from `at` on.
fn part<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Refusal> {
    let end = at.checked_add(N).ok_or(Refusal::Truncated)?;
    bytes.get(at..end).and_then(|part| part.try_into().ok()).ok_or(Refusal::Truncated)
}

fn le32(bytes: &[u8], at: usize) -> Result<u32, Refusal> {
    part(bytes, at).map(u32::from_le_bytes)
}

fn le64(bytes: &[u8], at: usize) -> Result<u64, Refusal> {
    part(bytes, at).map(u64::from_le_bytes)
}

fn be32(bytes: &[u8], at: usize) -> Result<u32, Refusal> {
    part(bytes, at).map(u32::from_be_bytes)
}

fn be64(bytes: &[u8], at: usize) -> Result<u64, Refusal> {
    part(bytes, at).map(u64::from_be_bytes)
}

fn inspect_qcow2(head: &[u8], length: Option<u64>) -> Result<Inspection, Refusal> {
    use qcow2::feature::{COMPRESSION, CORRUPT, DATA_FILE, DIRTY, EXTENDED_L2};

    let header = Header::parse(head).map_err(|bad| match bad {
        BadHeader::Truncated => Refusal::Truncated,
        BadHeader::Version(version) => Refusal::Version(version),
        BadHeader::Inconsistent(what) => Refusal::Absurd(what),
    })?;
    if let Some(name) = header.backing {
        return Err(Refusal::BackingFile(name));
    }
    if header.incompatible & DATA_FILE != 0 || header.names_data_file {
        return Err(Refusal::DataFile);
    }
    if header.encryption != 0 {
        return Err(Refusal::Encrypted);
    }
    if header.incompatible & CORRUPT != 0 {
        return Err(Refusal::Corrupt);
    }
    let unknown = header.incompatible & !(DIRTY | COMPRESSION | EXTENDED_L2);
    if unknown != 0 {
        return Err(Refusal::UnknownFeatures(unknown));
    }
    check_tables(&header, length)?;
    Ok(Inspection { virtual_size_bytes: header.size_bytes })
}

/// Tables that fit the size, and lie in the file.
fn check_tables(header: &Header, length: Option<u64>) -> Result<(), Refusal> {
    if header.size_bytes == 0 || header.size_bytes > qcow2::SIZE_BYTES_MAX {
        return Err(Refusal::Absurd("its virtual size is not between 1 byte and 64 TiB"));
    }
    let cluster = 1u64 << header.cluster_bits;
    let entry = if header.incompatible & qcow2::feature::EXTENDED_L2 == 0 { 8 } else { 16 };
    let per_l1_entry = cluster * (cluster / entry);
    let l1_entries = u64::from(header.l1_entries);
    if l1_entries < header.size_bytes.div_ceil(per_l1_entry) {
        return Err(Refusal::Absurd("its first table is too small for its virtual size"));
    }
    if l1_entries > 4 << 20 {
        return Err(Refusal::Absurd("its first table has more than 4194304 entries"));
    }
    let refcount_bytes = u64::from(header.refcount_clusters) * cluster;
    if refcount_bytes == 0 || refcount_bytes > 8 << 20 {
        return Err(Refusal::Absurd("its table of reference counts is not between one cluster and 8 MiB"));
    }
    let Some(length) = length else { return Ok(()) };
    let inside = |offset: u64, bytes: u64| offset.checked_add(bytes).is_some_and(|end| end <= length);
    if inside(header.l1_offset, l1_entries * 8) && inside(header.refcount_offset, refcount_bytes.min(cluster))
    {
        Ok(())
    } else {
        Err(Refusal::Truncated)
    }
}
