//! Backups of disks as objects.
//!
//! A backup is a folder of objects, named by its id:
//!
//! ```text
//! ID/manifest     what the backup is: JSON, deflated (zlib)
//! ID/00000000     chunks of the disk, each deflated by itself, one after the other
//! ID/00000001     …
//! ```
//!
//! The manifest lists every chunk that is not all zeros: its place on the disk, the SHA-256 of its content, and where its
//! bytes are: which backup's object, from where, how many. An incremental backup has only those chunks that its parent
//! has not; for the others it names the folders of the backups before it. So one manifest is enough to restore, and
//! every byte is checked on the way. The manifest is written last: without it there is no backup, only something to
//! remove.

mod manifest;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::ops::ControlFlow;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha2::{Digest, Sha256};
use types::BackupId;

pub use manifest::{Chunk, Manifest};

use crate::copy::Progress;
use crate::disk::OpenDisk;
use crate::error::Doing;
use crate::nbd::Extent;
use crate::objects::Objects;
use crate::{Error, Result};

/// What a chunk covers of the disk.
pub const CHUNK_BYTES: u64 = 1 << 20;
/// An object is closed when it has at least this much.
const OBJECT_BYTES: usize = 32 << 20;
/// Larger manifests are not read: 64 TiB have 64 Mi chunks of about a hundred bytes each.
const MANIFEST_BYTES_MAX: u64 = 16 << 30;

/// What a backup takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// How many objects it has of its own, with the manifest.
    pub objects: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How large the disk is.
    pub disk_bytes: u64,
}

/// Backs up a disk. What an interrupted attempt left of this backup is removed first.
pub fn write(
    disk: &mut OpenDisk,
    (id, parent): (BackupId, Option<BackupId>),
    objects: &dyn Objects,
    progress: &Progress,
) -> Result<Stored> {
    let mut writer = Writer::begin((id, parent), disk.size_bytes(), objects)?;
    let mut buffer = vec![0; CHUNK_BYTES as usize];
    let size_bytes = disk.size_bytes();
    for index in chunks_with_data(disk)? {
        let at = index * CHUNK_BYTES;
        progress.at(at, size_bytes)?;
        let length = usize::try_from(CHUNK_BYTES.min(size_bytes - at)).unwrap_or(buffer.len());
        disk.read_at(at, &mut buffer[..length])?;
        if buffer[..length].iter().any(|byte| *byte != 0) {
            writer.add(index, &buffer[..length])?;
        }
    }
    let stored = writer.finish()?;
    progress.at(size_bytes, size_bytes)?;
    Ok(stored)
}

/// Backs up a disk of so many zeros, which need not be there.
pub fn write_zeros(
    size_bytes: u64,
    backup: (BackupId, Option<BackupId>),
    objects: &dyn Objects,
) -> Result<Stored> {
    Writer::begin(backup, size_bytes, objects)?.finish()
}

/// Writes a backup's content to a disk that is at least as large. What is beyond it is cleared.
pub fn restore(id: BackupId, disk: &mut OpenDisk, objects: &dyn Objects, progress: &Progress) -> Result<()> {
    let manifest = read_manifest(id, objects)?;
    let (needed, asked) = (manifest.size_bytes, disk.size_bytes());
    if asked < needed {
        return Err(Error::TooSmall { needed, asked });
    }
    let mut reader = Reader { manifest: &manifest, objects, held: None };
    let mut clear_from = 0;
    for chunk in &manifest.chunks {
        let at = chunk.index * CHUNK_BYTES;
        progress.at(at, needed)?;
        disk.write_zeroes(clear_from, at - clear_from)?;
        let content = reader.content(chunk)?;
        disk.write_at(at, &content)?;
        clear_from = at + content.len() as u64;
    }
    disk.write_zeroes(clear_from, asked - clear_from)?;
    disk.flush()?;
    progress.at(needed, needed)
}

/// Removes all objects of a backup, the manifest first: half a backup is none.
pub fn remove(id: BackupId, objects: &dyn Objects) -> Result<()> {
    objects.remove(&manifest_name(id))?;
    objects.list(&id.to_string())?.iter().try_for_each(|name| objects.remove(name))
}

/// What a backup is.
pub fn read_manifest(id: BackupId, objects: &dyn Objects) -> Result<Manifest> {
    let bytes = objects.read(&manifest_name(id))?.ok_or(Error::NoBackup(id))?;
    let mut text = Vec::new();
    ZlibDecoder::new(bytes.as_slice())
        .take(MANIFEST_BYTES_MAX)
        .read_to_end(&mut text)
        .doing(|| format!("inflate the manifest of backup {id}"))?;
    let damaged = |what: String| Error::DamagedBackup { backup: id, what };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    manifest.check(id).map_err(damaged)?;
    Ok(manifest)
}

/// Whether a backup is there with every object that is needed to restore it. The objects' content is not read.
pub fn check(id: BackupId, objects: &dyn Objects) -> Result<Stored> {
    let manifest = read_manifest(id, objects)?;
    let mut own = 0;
    for (at, backup) in manifest.backups.iter().enumerate() {
        let there: BTreeSet<String> = objects.list(&backup.to_string())?.into_iter().collect();
        own = if at == 0 { there.len() as u64 } else { own };
        let used = manifest.chunks.iter().filter(|chunk| chunk.backup as usize == at);
        let used: BTreeSet<u32> = used.map(|chunk| chunk.object).collect();
        if let Some(missing) = used.iter().find(|number| !there.contains(&object_name(*backup, **number))) {
            let what = format!("its object {missing:08} is not there");
            return Err(Error::DamagedBackup { backup: *backup, what });
        }
    }
    Ok(Stored { objects: own, bytes: 0, disk_bytes: manifest.size_bytes })
}

fn manifest_name(id: BackupId) -> String {
    format!("{id}/manifest")
}

fn object_name(id: BackupId, number: u32) -> String {
    format!("{id}/{number:08}")
}

/// The chunks in which something other than zeros may be, in order.
fn chunks_with_data(disk: &mut OpenDisk) -> Result<Vec<u64>> {
    let mut chunks: Vec<u64> = Vec::new();
    disk.extents(|Extent { offset, length, is_zero }| {
        if !is_zero && length > 0 {
            let (first, last) = (offset / CHUNK_BYTES, (offset + length - 1) / CHUNK_BYTES);
            let first = chunks.last().map_or(first, |before| first.max(before + 1));
            chunks.extend(first..=last);
        }
        ControlFlow::Continue(())
    })?;
    Ok(chunks)
}

fn deflate(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).doing(|| "deflate a chunk".to_owned())
}

/// Gathers chunks into objects.
struct Writer<'o> {
    id: BackupId,
    objects: &'o dyn Objects,
    manifest: Manifest,
    /// The parent's chunks, by their place.
    before: BTreeMap<u64, Chunk>,
    open: Vec<u8>,
    number: u32,
    bytes: u64,
}

impl<'o> Writer<'o> {
    /// Removes what an interrupted attempt left of this backup.
    fn begin(
        (id, parent): (BackupId, Option<BackupId>),
        size_bytes: u64,
        objects: &'o dyn Objects,
    ) -> Result<Writer<'o>> {
        let parent = parent.map(|parent| read_manifest(parent, objects)).transpose()?;
        remove(id, objects)?;
        let mut backups = vec![id];
        let mut before = BTreeMap::new();
        if let Some(parent) = parent {
            // In the new list of backups, each of the parent's stands one further back.
            backups.extend(&parent.backups);
            let moved = |chunk: Chunk| (chunk.index, Chunk { backup: chunk.backup + 1, ..chunk });
            before = parent.chunks.into_iter().map(moved).collect();
        }
        let manifest = Manifest { version: manifest::VERSION, size_bytes, backups, chunks: Vec::new() };
        Ok(Writer { id, objects, manifest, before, open: Vec::new(), number: 0, bytes: 0 })
    }

    fn add(&mut self, index: u64, content: &[u8]) -> Result<()> {
        let sha256: [u8; 32] = Sha256::digest(content).into();
        if let Some(same) = self.before.get(&index).filter(|chunk| chunk.sha256 == sha256) {
            self.manifest.chunks.push(same.clone());
            return Ok(());
        }
        let deflated = deflate(content)?;
        let place = (self.number, self.open.len() as u64, deflated.len() as u64);
        let (object, offset, length) = place;
        self.manifest.chunks.push(Chunk { index, sha256, backup: 0, object, offset, length });
        self.open.extend(deflated);
        if self.open.len() >= OBJECT_BYTES { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        if !self.open.is_empty() {
            self.objects.put(&object_name(self.id, self.number), &self.open)?;
            self.bytes += self.open.len() as u64;
            self.number += 1;
            self.open.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Stored> {
        self.close()?;
        self.manifest.forget_unused();
        let text = serde_json::to_vec(&self.manifest)
            .map_err(std::io::Error::other)
            .doing(|| "write a manifest".to_owned())?;
        let deflated = deflate(&text)?;
        self.objects.put(&manifest_name(self.id), &deflated)?;
        Ok(Stored {
            objects: u64::from(self.number) + 1,
            bytes: self.bytes + deflated.len() as u64,
            disk_bytes: self.manifest.size_bytes,
        })
    }
}

/// Finds chunks in objects, and holds the object that was read last: neighbours lie together.
struct Reader<'m> {
    manifest: &'m Manifest,
    objects: &'m dyn Objects,
    held: Option<(String, Vec<u8>)>,
}

impl Reader<'_> {
    fn content(&mut self, chunk: &Chunk) -> Result<Vec<u8>> {
        let backup = self.manifest.backups.get(chunk.backup as usize).copied();
        let backup = backup.unwrap_or_else(|| self.manifest.backups[0]);
        let damaged = |what: &str| Error::DamagedBackup {
            backup,
            what: format!("chunk {} of its disk {what}", chunk.index),
        };
        let name = object_name(backup, chunk.object);
        if self.held.as_ref().is_none_or(|(held, _)| *held != name) {
            let bytes =
                self.objects.read(&name)?.ok_or_else(|| damaged("is in an object that is not there"))?;
            self.held = Some((name, bytes));
        }
        let (from, length) = (chunk.offset as usize, chunk.length as usize);
        let bytes = self.held.as_ref().and_then(|(_, bytes)| bytes.get(from..from.checked_add(length)?));
        let bytes = bytes.ok_or_else(|| damaged("is beyond the end of its object"))?;
        let mut content = Vec::new();
        let inflated = ZlibDecoder::new(bytes).take(CHUNK_BYTES + 1).read_to_end(&mut content);
        let is_whole = inflated.is_ok() && <[u8; 32]>::from(Sha256::digest(&content)) == chunk.sha256;
        if is_whole { Ok(content) } else { Err(damaged("has other bytes than were backed up")) }
    }
}
