//! The parts of the qcow2 format that are read and written here: headers, and images without data.
//!
//! An image without data is a header and three small tables, so it is written directly. That takes a
//! millisecond whatever the size is, where a process of `qemu-img` takes tens.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
/// The largest virtual size taken: far above any real disk, far below what the tables could claim.
pub const SIZE_BYTES_MAX: u64 = 64 << 40;
/// Features of which a reader must know (`incompatible_features`).
pub mod feature {
    /// The reference counts may be stale.
    pub const DIRTY: u64 = 1;
    /// The metadata is damaged.
    pub const CORRUPT: u64 = 1 << 1;
    /// The data lie in another file.
    pub const DATA_FILE: u64 = 1 << 2;
    /// Clusters are compressed in another way than zlib.
    pub const COMPRESSION: u64 = 1 << 3;
    /// Tables with subclusters.
    pub const EXTENDED_L2: u64 = 1 << 4;
}

const EXTENSION_BACKING_FORMAT: u32 = 0xe279_2aca;
const EXTENSION_DATA_FILE: u32 = 0x4441_5441;
const V2_HEADER_LENGTH: u32 = 72;
const V3_HEADER_LENGTH: u32 = 112;
const CLUSTER_BITS: u32 = 16;
const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;
/// Bytes of an entry of a second table, without and with subclusters.
const L2_ENTRY_BYTES: u64 = 8;
const EXTENDED_L2_ENTRY_BYTES: u64 = 16;

/// What a qcow2 header says, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// log2 of the cluster size.
    pub cluster_bits: u32,
    /// The size of the disk.
    pub size_bytes: u64,
    /// 0 for none.
    pub encryption: u32,
    /// Entries of the first table.
    pub l1_entries: u32,
    /// Where the first table is.
    pub l1_offset: u64,
    /// Where the table of reference counts is.
    pub refcount_offset: u64,
    /// How many clusters it has.
    pub refcount_clusters: u32,
    /// See [`feature`].
    pub incompatible: u64,
    /// How long the fixed part is.
    pub header_length: u32,
    /// The name of the backing file.
    pub backing: Option<String>,
    /// The format of the backing file.
    pub backing_format: Option<String>,
    /// Whether an external data file is named.
    pub names_data_file: bool,
}

/// Why bytes are no readable qcow2 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHeader {
    /// It ends before the header does.
    Truncated,
    /// Neither version 2 nor 3.
    Version(u32),
    /// Fields contradict each other; the text says which.
    Inconsistent(&'static str),
}

impl Header {
    /// Reads a header from the first bytes of a file (a cluster of 64 KiB is always enough for what is
    /// written here; where more would be needed, the header is inconsistent).
    pub fn parse(head: &[u8]) -> Result<Header, BadHeader> {
        let version = u32_at(head, 4)?;
        if !(2..=3).contains(&version) {
            return Err(BadHeader::Version(version));
        }
        let (incompatible, header_length) =
            if version == 3 { (u64_at(head, 72)?, u32_at(head, 100)?) } else { (0, V2_HEADER_LENGTH) };
        let mut header = Header {
            version,
            cluster_bits: u32_at(head, 20)?,
            size_bytes: u64_at(head, 24)?,
            encryption: u32_at(head, 32)?,
            l1_entries: u32_at(head, 36)?,
            l1_offset: u64_at(head, 40)?,
            refcount_offset: u64_at(head, 48)?,
            refcount_clusters: u32_at(head, 56)?,
            incompatible,
            header_length,
            backing: None,
            backing_format: None,
            names_data_file: false,
        };
        header.check_shape()?;
        header.read_backing(head)?;
        header.read_extensions(head)?;
        Ok(header)
    }

    fn check_shape(&self) -> Result<(), BadHeader> {
        if !(9..=21).contains(&self.cluster_bits) {
            return Err(BadHeader::Inconsistent("the cluster size is not between 512 bytes and 2 MiB"));
        }
        let cluster = 1u64 << self.cluster_bits;
        if self.version == 3 && (self.header_length < 104 || u64::from(self.header_length) > cluster) {
            return Err(BadHeader::Inconsistent("the header length is impossible"));
        }
        if !self.l1_offset.is_multiple_of(cluster) || !self.refcount_offset.is_multiple_of(cluster) {
            return Err(BadHeader::Inconsistent("a table does not begin at a cluster"));
        }
        Ok(())
    }

    fn read_backing(&mut self, head: &[u8]) -> Result<(), BadHeader> {
        let (offset, length) = (u64_at(head, 8)?, u32_at(head, 16)?);
        if offset == 0 && length == 0 {
            return Ok(());
        }
        if !(1..=1023).contains(&length) {
            return Err(BadHeader::Inconsistent("the backing file's name has an impossible length"));
        }
        let name = usize::try_from(offset).ok().and_then(|at| head.get(at..at.checked_add(length as usize)?));
        self.backing = Some(String::from_utf8_lossy(name.ok_or(BadHeader::Truncated)?).into_owned());
        Ok(())
    }

    fn read_extensions(&mut self, head: &[u8]) -> Result<(), BadHeader> {
        let mut at = self.header_length as usize;
        let end = head.len().min(1 << self.cluster_bits);
        while at + 8 <= end {
            let (kind, length) = (u32_at(head, at)?, u32_at(head, at + 4)? as usize);
            if kind == 0 {
                return Ok(());
            }
            let body = head.get(at + 8..).and_then(|rest| rest.get(..length)).ok_or(BadHeader::Truncated)?;
            match kind {
                EXTENSION_BACKING_FORMAT => {
                    self.backing_format = Some(String::from_utf8_lossy(body).into_owned());
                }
                EXTENSION_DATA_FILE => self.names_data_file = true,
                _ => {}
            }
            at += 8 + length.next_multiple_of(8);
        }
        // Whoever gives less than a cluster is told that there may be more.
        let is_cut_off = at + 8 > end && end < 1 << self.cluster_bits;
        if is_cut_off { Err(BadHeader::Truncated) } else { Ok(()) }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, BadHeader> {
    let part = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or(BadHeader::Truncated)?;
    Ok(u32::from_be_bytes(part))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, BadHeader> {
    let part = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).ok_or(BadHeader::Truncated)?;
    Ok(u64::from_be_bytes(part))
}

/// The file below an overlay.
#[derive(Debug, Clone, Copy)]
pub struct Backing<'a> {
    /// Its name, relative to the overlay's directory or absolute.
    pub name: &'a str,
    /// Its format as QEMU calls it.
    pub format: &'a str,
}

/// Writes an image without data into an empty file: clusters of 64 KiB, 16-bit reference counts, version 3.
///
/// One that lies over another has subclusters (since QEMU 5.2): its first writes then copy 2 KiB from below where they
/// would copy 64, which is worth a quarter of the writes a second. Others have no features, so that every QEMU since 1.1
/// reads them.
pub fn write_empty(file: &File, size_bytes: u64, backing: Option<Backing<'_>>) -> io::Result<()> {
    let (features, l2_entry_bytes) = match backing {
        Some(_) => (feature::EXTENDED_L2, EXTENDED_L2_ENTRY_BYTES),
        None => (0, L2_ENTRY_BYTES),
    };
    let l2_covers_bytes = CLUSTER_BYTES / l2_entry_bytes * CLUSTER_BYTES;
    let l1_entries = size_bytes.div_ceil(l2_covers_bytes).max(1);
    let l1_clusters = (l1_entries * 8).div_ceil(CLUSTER_BYTES);
    let clusters = 3 + l1_clusters;
    let l1_entries = u32::try_from(l1_entries).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;

    let mut head = Vec::with_capacity(1024);
    head.extend_from_slice(&MAGIC);
    put32(&mut head, 3);
    put64(&mut head, 0); // backing file: set below
    put32(&mut head, 0);
    put32(&mut head, CLUSTER_BITS);
    put64(&mut head, size_bytes);
    put32(&mut head, 0); // not encrypted
    put32(&mut head, l1_entries);
    put64(&mut head, 3 * CLUSTER_BYTES);
    put64(&mut head, CLUSTER_BYTES); // table of reference counts
    put32(&mut head, 1);
    put32(&mut head, 0); // no snapshots
    put64(&mut head, 0);
    put64(&mut head, features);
    put64(&mut head, 0); // compatible and autoclear features
    put64(&mut head, 0);
    put32(&mut head, 4); // reference counts of 1 << 4 bits
    put32(&mut head, V3_HEADER_LENGTH);
    put64(&mut head, 0); // zlib, and padding
    if let Some(backing) = backing {
        put32(&mut head, EXTENSION_BACKING_FORMAT);
        put_length(&mut head, backing.format)?;
        head.extend_from_slice(backing.format.as_bytes());
        head.resize(head.len().next_multiple_of(8), 0);
    }
    put64(&mut head, 0); // the last extension
    if let Some(backing) = backing {
        let at = (head.len() as u64).to_be_bytes();
        head[8..16].copy_from_slice(&at);
        let mut length = Vec::with_capacity(4);
        put_length(&mut length, backing.name)?;
        head[16..20].copy_from_slice(&length);
        head.extend_from_slice(backing.name.as_bytes());
    }

    file.set_len(clusters * CLUSTER_BYTES)?;
    file.write_all_at(&head, 0)?;
    file.write_all_at(&(2 * CLUSTER_BYTES).to_be_bytes(), CLUSTER_BYTES)?;
    let ones: Vec<u8> = (0..clusters).flat_map(|_| 1u16.to_be_bytes()).collect();
    file.write_all_at(&ones, 2 * CLUSTER_BYTES)
}

fn put32(to: &mut Vec<u8>, value: u32) {
    to.extend_from_slice(&value.to_be_bytes());
}

fn put64(to: &mut Vec<u8>, value: u64) {
    to.extend_from_slice(&value.to_be_bytes());
}

/// A backing file's name or format has at most 1023 bytes.
fn put_length(to: &mut Vec<u8>, text: &str) -> io::Result<()> {
    match u32::try_from(text.len()) {
        Ok(length @ 1..=1023) => {
            put32(to, length);
            Ok(())
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidFilename, "the backing file's name is too long")),
    }
}
