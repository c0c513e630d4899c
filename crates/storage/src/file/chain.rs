//! The chain of files that a volume's content is spread over, as its directory has it.
//!
//! A layer is a qcow2 file that keeps its name as long as it is there: a running QEMU opens it by that name again when it
//! must write to it. Symbolic links say what layers are for, and are exchanged by renaming: `head` leads to the layer
//! that is written to, `SNAPSHOT.snapshot` to the one that ends with the content of that snapshot.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use types::{SnapshotId, VolumeId};

use super::opening::Opening;
use super::volumes::{BASE, DISK, SECTOR_BYTES};
use crate::error::Doing;
use crate::inspect::HEAD_BYTES;
use crate::qcow2::{Backing, BadHeader, Header};
use crate::{Error, Result};

/// How the names of layers end.
const LAYER: &str = ".qcow2";
/// How the names of the links of snapshots end.
const SNAPSHOT: &str = ".snapshot";
/// The same for snapshots that are unmanaged.
const UNMANAGED: &str = ".unmanaged";
/// The link to the layer that is written to. A volume that never had a snapshot has none, and one layer of a known name.
pub(super) const HEAD: &str = "head";
/// What headers of layers fit in that QEMU writes.
const HEADER_BYTES: usize = 4096;
/// A chain that is longer is damaged: it leads round in a circle.
const LAYERS_MAX: usize = 1000;

/// A moment that a chain holds: a snapshot, or what was one and is unmanaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) id: SnapshotId,
    pub(super) unmanaged: bool,
}

impl Moment {
    pub(super) fn managed(id: SnapshotId) -> Moment {
        Moment { id, unmanaged: false }
    }

    pub(super) fn unmanaged(id: SnapshotId) -> Moment {
        Moment { id, unmanaged: true }
    }

    /// The moment that a link of this name is of.
    pub(super) fn of_link(name: &str) -> Option<Moment> {
        let managed = name.strip_suffix(SNAPSHOT).map(|id| (id, false));
        let (id, unmanaged) = managed.or(name.strip_suffix(UNMANAGED).map(|id| (id, true)))?;
        Some(Moment { id: id.parse().ok()?, unmanaged })
    }
}

/// A qcow2 file of a chain.
#[derive(Debug)]
pub(super) struct Layer {
    /// The file's name in the volume's directory.
    pub(super) name: String,
    /// What its header says.
    pub(super) header: Header,
    /// In how many volumes it is. One that is in several is never written to.
    pub(super) links: u64,
    /// How much it takes.
    pub(super) allocated_bytes: u64,
}

/// The files of a volume.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) volume: VolumeId,
    pub(super) dir: PathBuf,
    /// The head first.
    pub(super) layers: Vec<Layer>,
    /// The format of the image below them all.
    pub(super) base: Option<String>,
    /// Which layer each snapshot ends with. A link to the head is of a snapshot that is being made.
    links: BTreeMap<Moment, String>,
    /// Those whose links still lead to a layer that was merged into this one.
    pub(super) astray: Vec<(Moment, String)>,
}

impl Chain {
    /// Reads the headers of all layers; `None` where there is no volume.
    pub(super) fn read(dir: &Path, volume: VolumeId) -> Result<Option<Chain>> {
        let damaged = |what: String| Error::Damaged { volume, what };
        let Some(mut name) = head_name(dir)? else { return Ok(None) };
        let mut chain = Chain {
            volume,
            dir: dir.to_owned(),
            layers: Vec::new(),
            base: None,
            links: links(dir)?,
            astray: Vec::new(),
        };
        loop {
            let layer = Layer::read(dir, &name)?.map_err(damaged)?;
            let (below, format) = (layer.header.backing.clone(), layer.header.backing_format.clone());
            chain.layers.push(layer);
            match below.as_deref() {
                None => return chain.with_astray().map(Some),
                Some(BASE) => {
                    let format = format.unwrap_or_default();
                    if format != "raw" && format != "qcow2" {
                        return Err(damaged(format!("it has a base of format {format:?}")));
                    }
                    chain.base = Some(format);
                    return chain.with_astray().map(Some);
                }
                // Only what is in this directory.
                Some(below) if is_layer(below) && chain.layers.len() < LAYERS_MAX => name = below.to_owned(),
                Some(below) => {
                    return Err(damaged(format!("a layer of it names the backing file {below:?}")));
                }
            }
        }
    }

    /// Finds the snapshots whose layer is not in the chain any more, because a VM merged it into the one that its header
    /// names.
    fn with_astray(mut self) -> Result<Chain> {
        let in_chain = |layers: &[Layer], name: &str| layers.iter().any(|layer| layer.name == name);
        for (moment, name) in &mut self.links {
            if in_chain(&self.layers, name) {
                continue;
            }
            let damaged = || Error::Damaged {
                volume: self.volume,
                what: format!("the layer {name} of snapshot {} is lost", moment.id),
            };
            let layer = Layer::read(&self.dir, name)?.map_err(|_| damaged())?;
            let below = layer.header.backing.filter(|below| in_chain(&self.layers, below));
            *name = below.ok_or_else(damaged)?;
            self.astray.push((*moment, name.clone()));
        }
        Ok(self)
    }

    /// The layer that is written to.
    pub(super) fn head(&self) -> &Layer {
        &self.layers[0]
    }

    /// Where the layer of a snapshot is in the chain, once the head is another.
    pub(super) fn position(&self, moment: Moment) -> Option<usize> {
        let name = self.links.get(&moment)?;
        self.layers.iter().position(|layer| layer.name == *name).filter(|at| *at > 0)
    }

    /// What it holds beside its content of now, oldest first.
    pub(super) fn moments(&self) -> Vec<Moment> {
        let mut found: Vec<(usize, Moment)> =
            self.links.keys().filter_map(|moment| Some((self.position(*moment)?, *moment))).collect();
        found.sort_by_key(|(at, moment)| (usize::MAX - at, *moment));
        found.into_iter().map(|(_, moment)| moment).collect()
    }

    /// The snapshots, oldest first.
    pub(super) fn snapshots(&self) -> Vec<SnapshotId> {
        self.moments().into_iter().filter(|moment| !moment.unmanaged).map(|moment| moment.id).collect()
    }

    /// Whether a layer ends with the content of a snapshot.
    pub(super) fn is_wanted(&self, at: usize) -> bool {
        self.links.values().any(|name| *name == self.layers[at].name)
    }

    /// The moments whose links lead to this file.
    pub(super) fn linked_to<'c>(&'c self, name: &'c str) -> impl Iterator<Item = Moment> + 'c {
        self.links.iter().filter(move |(_, to)| *to == name).map(|(moment, _)| *moment)
    }

    /// What lies below a layer, as a header names it.
    pub(super) fn below(&self, at: usize) -> Option<Backing<'_>> {
        match (self.layers.get(at + 1), &self.base) {
            (Some(layer), _) => Some(Backing { name: &layer.name, format: "qcow2" }),
            (None, Some(format)) => Some(Backing { name: BASE, format }),
            (None, None) => None,
        }
    }

    /// The name of the block node that has a file of this volume open.
    pub(super) fn node(&self, name: &str) -> String {
        let volume = self.volume.0.simple().to_string();
        format!("l-{}-{}", &volume[..12], name.trim_end_matches(LAYER))
    }

    /// The tree of block nodes from a layer on down. Below the layer all is read-only; what other volumes have, too, in
    /// a way that no block job can get around.
    pub(super) fn blockdev(&self, from: usize, read_only: bool, opening: Opening) -> Value {
        let mut tree = self.base.as_ref().map_or(Value::Null, |format| {
            let mut base = json!({
                "driver": format,
                "node-name": self.node(BASE),
                "read-only": true,
                "auto-read-only": false,
                // Through the page cache, which all clones of an image share.
                "cache": { "direct": false, "no-flush": false },
                "file": Opening::cached().file(&self.dir.join(BASE), Some(true)),
            });
            if format == "qcow2" {
                base["backing"] = Value::Null;
            }
            base
        });
        for (at, layer) in self.layers.iter().enumerate().skip(from).rev() {
            let below = tree;
            tree = self.layer(layer, at > from || read_only, opening);
            // Explicit also where there is none: QEMU must not follow what the header names.
            tree["backing"] = below;
        }
        tree
    }

    /// The node of one layer, without what is below it.
    pub(super) fn layer(&self, layer: &Layer, read_only: bool, opening: Opening) -> Value {
        // A file that is this volume's alone takes from its layer whether it can be written to: a job that merges
        // layers opens them so.
        let file_read_only = if !read_only { Some(false) } else { (layer.links > 1).then_some(true) };
        json!({
            "driver": "qcow2",
            "node-name": self.node(&layer.name),
            "read-only": read_only,
            "auto-read-only": false,
            "discard": "unmap",
            "detect-zeroes": "unmap",
            "cache": { "direct": opening.direct, "no-flush": false },
            "file": opening.file(&self.dir.join(&layer.name), file_read_only),
            "backing": null,
        })
    }

    /// Files in the directory that belong to nothing.
    pub(super) fn strangers(&self) -> Result<Vec<PathBuf>> {
        let known = |name: &str| {
            self.layers.iter().any(|layer| layer.name == name) || self.linked_to(name).next().is_some()
        };
        let is_strange = |name: &str| match name {
            BASE => self.base.is_none(),
            name if is_layer(name) => !known(name),
            name => name.starts_with('.'),
        };
        let names = names(&self.dir)?.into_iter().filter(|name| is_strange(name));
        Ok(names.map(|name| self.dir.join(name)).collect())
    }
}

impl Layer {
    /// Reads a layer's header; the inner error says what is wrong with it.
    fn read(dir: &Path, name: &str) -> Result<std::result::Result<Layer, String>> {
        let path = dir.join(name);
        let read = || -> io::Result<_> {
            let file = File::open(&path)?;
            let mut head = Vec::with_capacity(HEADER_BYTES);
            (&file).take(HEADER_BYTES as u64).read_to_end(&mut head)?;
            let mut header = Header::parse(&head);
            if header == Err(BadHeader::Truncated) {
                (&file).take((HEAD_BYTES - HEADER_BYTES) as u64).read_to_end(&mut head)?;
                header = Header::parse(&head);
            }
            Ok((header, file.metadata()?))
        };
        let (header, metadata) = read().doing(|| format!("read {}", path.display()))?;
        Ok(match header {
            Ok(header) => Ok(Layer {
                name: name.to_owned(),
                header,
                links: metadata.nlink(),
                allocated_bytes: metadata.blocks() * SECTOR_BYTES,
            }),
            Err(bad) => Err(format!("its qcow2 header is {bad:?}")),
        })
    }
}

/// The name of a new layer.
pub(super) fn new_layer() -> String {
    format!("{:012x}{LAYER}", runtime::random_u64() >> 16)
}

/// The link of a moment.
pub(super) fn link(dir: &Path, moment: Moment) -> PathBuf {
    let end = if moment.unmanaged { UNMANAGED } else { SNAPSHOT };
    dir.join(format!("{}{end}", moment.id))
}

/// Whether this is the name of a layer, and of nothing outside its directory.
pub(super) fn is_layer(name: &str) -> bool {
    name.strip_suffix(LAYER)
        .is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The name of the layer that is written to; `None` where there is no volume.
fn head_name(dir: &Path) -> Result<Option<String>> {
    let path = dir.join(HEAD);
    match fs::read_link(&path) {
        Ok(name) => Ok(name.to_str().filter(|name| is_layer(name)).map(str::to_owned)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(dir.join(DISK).exists().then(|| DISK.to_owned())),
        Err(e) => Err(e).doing(|| format!("read {}", path.display())),
    }
}

/// Which layer each moment's link leads to.
fn links(dir: &Path) -> Result<BTreeMap<Moment, String>> {
    let mut links = BTreeMap::new();
    for name in names(dir)? {
        let Some(moment) = Moment::of_link(&name) else { continue };
        let path = dir.join(&name);
        let to = fs::read_link(&path).doing(|| format!("read {}", path.display()))?;
        if let Some(to) = to.to_str().filter(|to| is_layer(to)) {
            links.insert(moment, to.to_owned());
        }
    }
    Ok(links)
}

pub(super) fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.doing(|| format!("list {}", dir.display()))?;
    Ok(entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}
