//! Writes small ISO 9660 images with Joliet names: the config drive, which cloud-init finds by its label
//! `config-2` and reads as files.
//!
//! Such an image has two trees of directories over the same file contents: one whose names every reader
//! understands (upper case, few characters), and the Joliet one with the real names, which Linux, the BSDs
//! and Windows prefer. The same input gives the same bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

const SECTOR: usize = 2048;
/// Sectors 0 to 15 are the system area; the descriptors follow.
const FIRST_DESCRIPTOR: u32 = 16;
/// Two descriptors and the end of their list.
const FIRST_FREE: u32 = FIRST_DESCRIPTOR + 3;
/// Empty sectors at the end, as other writers add them: some readers look for file systems in the first 68 KiB
/// of a disk, and give up on one that is shorter (busybox), or read ahead of what they need.
const PADDING: u32 = 150;
/// Nova's limit for all of a config drive.
const CONTENT_BYTES_MAX: usize = 64 << 20;
/// ISO 9660 allows eight levels of directories.
const DEPTH_MAX: usize = 8;
/// Joliet allows 64 characters in a name.
const NAME_UNITS_MAX: usize = 64;
/// The label a config drive must have.
pub const CONFIG_DRIVE_LABEL: &str = "config-2";

/// Why no image can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsoError {
    /// A path is empty, absolute, has `..` or a name that is too long.
    #[error("{0:?} cannot be a path in an ISO 9660 image")]
    BadPath(String),
    /// A path is given twice, or is both a file and a directory.
    #[error("{0:?} is there twice")]
    Twice(String),
    /// More content than a config drive may have.
    #[error("the files have {0} bytes together; at most 67108864 are possible")]
    TooLarge(usize),
}

/// Makes an image with this label of these files. Directories come from the paths (`openstack/latest/x`).
pub fn image(label: &str, files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, IsoError> {
    let total = files.iter().map(|(_, bytes)| bytes.len()).sum();
    if total > CONTENT_BYTES_MAX {
        return Err(IsoError::TooLarge(total));
    }
    let mut tree = Tree::of(files)?;
    let mut next = FIRST_FREE;
    let plain = Layout::place(&tree, Names::Plain, &mut next);
    let joliet = Layout::place(&tree, Names::Joliet, &mut next);
    for file in &mut tree.files {
        file.sector = next;
        next += sectors(file.bytes.len());
    }
    next += PADDING;

    let mut out = vec![0; next as usize * SECTOR];
    let descriptors = [(1, &plain), (2, &joliet)];
    for (sector, (kind, layout)) in (FIRST_DESCRIPTOR..).zip(descriptors) {
        put(&mut out, sector, &descriptor(kind, label, layout, next));
    }
    put(&mut out, FIRST_DESCRIPTOR + 2, b"\xffCD001\x01");
    for layout in [&plain, &joliet] {
        put(
            &mut out,
            layout.path_table_little,
            &layout.path_table(&tree, u16::to_le_bytes, u32::to_le_bytes),
        );
        put(&mut out, layout.path_table_big, &layout.path_table(&tree, u16::to_be_bytes, u32::to_be_bytes));
        for (index, extent) in layout.extents.iter().enumerate() {
            put(&mut out, extent.sector, &layout.directory(&tree, index));
        }
    }
    for file in &tree.files {
        put(&mut out, file.sector, file.bytes);
    }
    Ok(out)
}

fn put(out: &mut [u8], sector: u32, bytes: &[u8]) {
    let at = sector as usize * SECTOR;
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

fn sectors(bytes: usize) -> u32 {
    // At most 64 MiB are let in.
    bytes.div_ceil(SECTOR) as u32
}

/// The files and directories; directories are in the order that path tables have, the root first.
struct Tree<'a> {
    dirs: Vec<Dir>,
    files: Vec<FileEntry<'a>>,
}

#[derive(Default)]
struct Dir {
    parent: usize,
    /// The name in either tree; of the root it is not used.
    names: [Vec<u8>; 2],
    /// What is in it, by its real name.
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    names: [Vec<u8>; 2],
    node: Node,
}

#[derive(Clone, Copy)]
enum Node {
    Dir(usize),
    File(usize),
}

struct FileEntry<'a> {
    bytes: &'a [u8],
    sector: u32,
}

/// The nested form in which paths are collected.
#[derive(Default)]
struct Branch {
    dirs: BTreeMap<String, Branch>,
    files: BTreeMap<String, usize>,
}

impl<'a> Tree<'a> {
    fn of(files: &'a [(String, Vec<u8>)]) -> Result<Tree<'a>, IsoError> {
        let mut root = Branch::default();
        for (index, (path, _)) in files.iter().enumerate() {
            root.insert(path, index)?;
        }
        let entries = files.iter().map(|(_, bytes)| FileEntry { bytes, sector: 0 }).collect();
        let mut tree = Tree { dirs: vec![Dir::default()], files: entries };
        // Breadth first: path tables want parents before children, and levels together.
        let mut waiting = VecDeque::from([(0, root)]);
        while let Some((index, branch)) = waiting.pop_front() {
            let mut taken = BTreeSet::new();
            for (name, file) in branch.files {
                let names = [plain_name(&name, false, &mut taken), joliet_name(&name)];
                tree.dirs[index].entries.insert(name, Entry { names, node: Node::File(file) });
            }
            for (name, below) in branch.dirs {
                let names = [plain_name(&name, true, &mut taken), joliet_name(&name)];
                let child = tree.dirs.len();
                tree.dirs.push(Dir { parent: index, names: names.clone(), entries: BTreeMap::new() });
                tree.dirs[index].entries.insert(name, Entry { names, node: Node::Dir(child) });
                waiting.push_back((child, below));
            }
        }
        Ok(tree)
    }
}

impl Branch {
    fn insert(&mut self, path: &str, file: usize) -> Result<(), IsoError> {
        let names: Vec<&str> = path.split('/').collect();
        let bad = |name: &&str| {
            let odd = name.chars().any(|c| c.is_control() || "*/:;?\\".contains(c));
            matches!(*name, "" | "." | "..") || odd || name.encode_utf16().count() > NAME_UNITS_MAX
        };
        if names.len() > DEPTH_MAX || names.iter().any(bad) {
            return Err(IsoError::BadPath(path.to_owned()));
        }
        let twice = || IsoError::Twice(path.to_owned());
        let Some((last, dirs)) = names.split_last() else { return Err(twice()) };
        let mut branch = self;
        for name in dirs {
            if branch.files.contains_key(*name) {
                return Err(twice());
            }
            branch = branch.dirs.entry((*name).to_owned()).or_default();
        }
        if branch.dirs.contains_key(*last) || branch.files.insert((*last).to_owned(), file).is_some() {
            return Err(twice());
        }
        Ok(())
    }
}

/// At most 8 and 3 characters out of A-Z, 0-9 and _, unique in the directory.
fn plain_name(name: &str, is_dir: bool, taken: &mut BTreeSet<Vec<u8>>) -> Vec<u8> {
    let clean = |part: &str, length: usize| -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        part.chars().map(letter).take(length).collect()
    };
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !is_dir => (clean(stem, 8), clean(extension, 3)),
        _ => (clean(name, 8), String::new()),
    };
    let spell = |stem: &str| {
        let text = if is_dir { stem.to_owned() } else { format!("{stem}.{extension};1") };
        text.into_bytes()
    };
    let mut candidate = spell(&stem);
    let mut number = 0;
    while !taken.insert(candidate.clone()) {
        number += 1;
        let digits = number.to_string();
        let kept: String = stem.chars().take(8 - digits.len().min(8)).collect();
        candidate = spell(&(kept + &digits));
    }
    candidate
}

fn joliet_name(name: &str) -> Vec<u8> {
    name.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Plain,
    Joliet,
}

/// Where one of the two trees of directories lies.
struct Layout {
    names: Names,
    path_table_bytes: usize,
    path_table_little: u32,
    path_table_big: u32,
    /// For every directory of the tree.
    extents: Vec<Extent>,
}

struct Extent {
    sector: u32,
    bytes: usize,
}

impl Layout {
    fn place(tree: &Tree<'_>, names: Names, next: &mut u32) -> Layout {
        let mut layout = Layout {
            names,
            path_table_bytes: 0,
            path_table_little: 0,
            path_table_big: 0,
            extents: tree.dirs.iter().map(|_| Extent { sector: 0, bytes: 0 }).collect(),
        };
        layout.path_table_bytes = layout.path_table(tree, u16::to_le_bytes, u32::to_le_bytes).len();
        let mut take = |bytes: usize| {
            let sector = *next;
            *next += sectors(bytes);
            sector
        };
        layout.path_table_little = take(layout.path_table_bytes);
        layout.path_table_big = take(layout.path_table_bytes);
        for index in 0..tree.dirs.len() {
            let bytes = layout.directory(tree, index).len();
            layout.extents[index] = Extent { sector: take(bytes), bytes };
        }
        layout
    }

    fn name<'n>(&self, names: &'n [Vec<u8>; 2]) -> &'n [u8] {
        &names[usize::from(self.names == Names::Joliet)]
    }

    fn path_table(&self, tree: &Tree<'_>, b16: fn(u16) -> [u8; 2], b32: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let mut table = Vec::new();
        for (index, dir) in tree.dirs.iter().enumerate() {
            let name = if index == 0 { &[0][..] } else { self.name(&dir.names) };
            table.extend_from_slice(&[name.len() as u8, 0]);
            table.extend_from_slice(&b32(self.extents[index].sector));
            table.extend_from_slice(&b16(dir.parent as u16 + 1));
            table.extend_from_slice(name);
            table.resize(table.len().next_multiple_of(2), 0);
        }
        table
    }

    /// The records of a directory, filled up to whole sectors; no record crosses from one to the next.
    fn directory(&self, tree: &Tree<'_>, index: usize) -> Vec<u8> {
        let dir = &tree.dirs[index];
        let mut entries: Vec<(&[u8], Node)> =
            dir.entries.values().map(|entry| (self.name(&entry.names), entry.node)).collect();
        entries.sort_by_key(|(name, _)| *name);
        let itself = [(&[0][..], Node::Dir(index)), (&[1][..], Node::Dir(dir.parent))];
        let mut out = Vec::new();
        for (name, node) in itself.into_iter().chain(entries) {
            let record = self.record(tree, name, node);
            if out.len() % SECTOR + record.len() > SECTOR {
                out.resize(out.len().next_multiple_of(SECTOR), 0);
            }
            out.extend_from_slice(&record);
        }
        out.resize(out.len().next_multiple_of(SECTOR), 0);
        out
    }

    fn record(&self, tree: &Tree<'_>, name: &[u8], node: Node) -> Vec<u8> {
        let (sector, bytes, flags) = match node {
            Node::Dir(index) => (self.extents[index].sector, self.extents[index].bytes, 2),
            Node::File(index) => (tree.files[index].sector, tree.files[index].bytes.len(), 0),
        };
        let length = (33 + name.len()).next_multiple_of(2);
        let mut record = vec![length as u8, 0];
        record.extend_from_slice(&both32(sector));
        record.extend_from_slice(&both32(bytes as u32));
        record.extend_from_slice(&[100, 1, 1, 0, 0, 0, 0]); // the first of January 2000
        record.extend_from_slice(&[flags, 0, 0]);
        record.extend_from_slice(&both16(1));
        record.push(name.len() as u8);
        record.extend_from_slice(name);
        record.resize(length, 0);
        record
    }
}

/// Numbers are there twice, in either order of bytes.
fn both32(value: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

fn both16(value: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d]
}

/// A volume descriptor: kind 1 is the primary, kind 2 the Joliet one.
fn descriptor(kind: u8, label: &str, layout: &Layout, sectors_total: u32) -> Vec<u8> {
    let joliet = layout.names == Names::Joliet;
    let text = |text: &str, length: usize| -> Vec<u8> {
        let mut bytes = if joliet { joliet_name(text) } else { text.as_bytes().to_vec() };
        let blank: &[u8] = if joliet { &[0, b' '] } else { b" " };
        bytes.truncate(length);
        while bytes.len() + blank.len() <= length {
            bytes.extend_from_slice(blank);
        }
        bytes.resize(length, 0);
        bytes
    };
    let root = &layout.extents[0];
    let mut root_record = vec![34, 0];
    root_record.extend_from_slice(&both32(root.sector));
    root_record.extend_from_slice(&both32(root.bytes as u32));
    root_record.extend_from_slice(&[100, 1, 1, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 1, 1, 0]);

    let mut out = vec![kind];
    out.extend_from_slice(b"CD001\x01\0");
    out.extend(text("LINUX", 32));
    out.extend(text(label, 32));
    out.extend([0; 8]);
    out.extend(both32(sectors_total));
    let mut escapes = [0; 32];
    if joliet {
        escapes[..3].copy_from_slice(b"%/E"); // UCS-2, level 3
    }
    out.extend(escapes);
    out.extend(both16(1)); // volumes in the set
    out.extend(both16(1)); // this one
    out.extend(both16(SECTOR as u16));
    out.extend(both32(layout.path_table_bytes as u32));
    out.extend(layout.path_table_little.to_le_bytes());
    out.extend([0; 4]);
    out.extend(layout.path_table_big.to_be_bytes());
    out.extend([0; 4]);
    out.extend(root_record);
    for length in [128, 128, 128, 128, 37, 37, 37] {
        out.extend(text("", length)); // set, publisher, preparer, application, three file names
    }
    for _ in 0..2 {
        out.extend(b"2000010100000000\0"); // made and changed
    }
    for _ in 0..2 {
        out.extend(b"0000000000000000\0"); // expires, valid from: not said
    }
    out.extend([1, 0]);
    out.resize(SECTOR, 0);
    out
}
