//! Images, volumes and backups in memory, for simulations: no thread, no file, no clock.
//!
//! Clones of the handle share one world, so that what stores images and what makes volumes of them can be
//! different parts of a program, and both can be "restarted".

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use types::{ImageId, SnapshotId, VolumeId};

use crate::file::{Hashes, check_size};
use crate::inspect::Inspector;
use crate::objects::Objects;
use crate::{
    Adoption, Capacity, Error, ImageStore, ImageWriter, LiveDisk, NewVolume, Refusal, Result, Snapshot,
    Source, StoredImage, Tidied, Unmanaged, UnmanagedSnapshot, Upload, VolumeBackend, VolumeState,
    name_of_snapshot, name_of_volume,
};

/// A store and a backend in memory.
#[derive(Debug, Clone, Default)]
pub struct Fake {
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    images: BTreeMap<ImageId, Arc<Vec<u8>>>,
    volumes: BTreeMap<VolumeId, Volume>,
    unmanaged: BTreeMap<String, Volume>,
    objects: BTreeMap<String, Vec<u8>>,
    failures: VecDeque<String>,
    unsnapshotted: BTreeSet<VolumeId>,
    full: bool,
    away: bool,
}

#[derive(Debug)]
struct Volume {
    size_bytes: u64,
    /// Held as a real clone holds its image.
    base: Option<Arc<Vec<u8>>>,
    /// With the volume's size then, oldest first.
    snapshots: Vec<(SnapshotId, u64)>,
    unmanaged: BTreeMap<String, u64>,
    reverted: Option<String>,
    multiattach: bool,
}

impl Volume {
    fn blank(size_bytes: u64) -> Volume {
        Volume {
            size_bytes,
            base: None,
            snapshots: Vec::new(),
            unmanaged: BTreeMap::new(),
            reverted: None,
            multiattach: false,
        }
    }

    fn snapshot(&self, at: Snapshot) -> Result<u64> {
        let found = self.snapshots.iter().find(|(id, _)| *id == at.id);
        found.map(|(_, size)| *size).ok_or(Error::NoSnapshot { volume: at.volume, id: at.id })
    }
}

/// What the fake says its size is.
const TOTAL_BYTES: u64 = 10 << 40;

impl Fake {
    /// An empty world.
    pub fn new() -> Fake {
        Fake::default()
    }

    /// Makes the next operation that changes something fail with this message; repeated calls queue up.
    pub fn fail_next(&self, message: &str) {
        self.world().failures.push_back(message.to_owned());
    }

    /// Makes the next snapshot of a volume fail.
    pub fn fail_next_snapshot_of(&self, volume: VolumeId) {
        self.world().unsnapshotted.insert(volume);
    }

    /// Fills the disk, or frees it.
    pub fn set_full(&self, full: bool) {
        self.world().full = full;
    }

    /// Makes everything that changes something fail for a while as where storage does not answer, or no longer.
    pub fn set_away(&self, away: bool) {
        self.world().away = away;
    }

    /// Lays a disk there that is no volume.
    pub fn put_unmanaged(&self, name: &str, size_bytes: u64) {
        self.world().unmanaged.insert(name.to_owned(), Volume::blank(size_bytes));
    }

    /// Takes it away again.
    pub fn take_unmanaged(&self, name: &str) {
        self.world().unmanaged.remove(name);
    }

    /// The bytes a volume was cloned from.
    pub fn base_of(&self, volume: VolumeId) -> Option<Arc<Vec<u8>>> {
        self.world().volumes.get(&volume)?.base.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, doing: &str) -> Result<MutexGuard<'_, World>> {
        let mut world = self.world();
        if world.away {
            return Err(Error::Unavailable { message: format!("cannot {doing}: it does not answer") });
        }
        match world.failures.pop_front() {
            Some(message) => Err(Error::Io { doing: doing.to_owned(), source: io::Error::other(message) }),
            None => Ok(world),
        }
    }
}

impl World {
    fn volume(&self, id: VolumeId) -> Result<&Volume> {
        self.volumes.get(&id).ok_or(Error::NoVolume(id))
    }

    fn volume_mut(&mut self, id: VolumeId) -> Result<&mut Volume> {
        self.volumes.get_mut(&id).ok_or(Error::NoVolume(id))
    }

    fn check_room(&self) -> Result<()> {
        if self.full {
            return Err(Error::Full { path: PathBuf::from("memory"), free_bytes: 0, reserve_bytes: 0 });
        }
        Ok(())
    }
}

impl ImageStore for Fake {
    fn writer(&self, upload: &Upload) -> Result<Box<dyn ImageWriter>> {
        self.change("begin an upload")?.check_room()?;
        let (fake, upload) = (self.clone(), upload.clone());
        Ok(Box::new(FakeWriter { fake, upload, bytes: Vec::new(), hashes: Hashes::default() }))
    }

    fn reader(&self, image: ImageId, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        let bytes = self.world().images.get(&image).cloned().ok_or(Error::NoImage(image))?;
        let mut cursor = Cursor::new(SharedBytes(bytes));
        cursor.set_position(range.start);
        Ok(Box::new(cursor.take(range.end.saturating_sub(range.start))))
    }

    fn observe_image(&self, image: ImageId) -> Result<Option<u64>> {
        Ok(self.world().images.get(&image).map(|bytes| bytes.len() as u64))
    }

    fn observe_images(&self) -> Result<Vec<ImageId>> {
        Ok(self.world().images.keys().copied().collect())
    }

    fn remove_image(&self, image: ImageId) -> Result<()> {
        self.change("remove an image")?.images.remove(&image);
        Ok(())
    }

    fn sweep(&self) -> Result<usize> {
        Ok(0)
    }
}

struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

struct FakeWriter {
    fake: Fake,
    upload: Upload,
    bytes: Vec<u8>,
    hashes: Hashes,
}

impl ImageWriter for FakeWriter {
    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        self.hashes.update(&self.upload, chunk)?;
        self.fake.world().check_room()?;
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<StoredImage> {
        let FakeWriter { fake, upload, bytes, hashes } = *self;
        let stored = hashes.finish(&upload)?;
        fake.change("finish an upload")?.images.insert(upload.image, Arc::new(bytes));
        Ok(stored)
    }
}

impl Objects for Fake {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.change("keep an object")?.objects.insert(name.to_owned(), bytes.to_owned());
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.world().objects.get(name).cloned())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let within = format!("{folder}/");
        Ok(self.world().objects.keys().filter(|name| name.starts_with(&within)).cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.change("remove an object")?.objects.remove(name);
        Ok(())
    }
}

impl Adoption for Fake {
    fn observe_unmanaged(&self) -> Result<Vec<Unmanaged>> {
        let world = self.world();
        let shown = world.unmanaged.iter().map(|(name, found)| Unmanaged {
            name: name.clone(),
            size_bytes: found.size_bytes,
            refused: None,
        });
        Ok(shown.collect())
    }

    fn find_unmanaged(&self, name: &str) -> Result<Unmanaged> {
        let found = self.observe_unmanaged()?.into_iter().find(|found| found.name == name);
        found.ok_or_else(|| Error::NoUnmanaged(name.to_owned()))
    }

    fn ensure_managed(&self, volume: VolumeId, name: &str, size_bytes: u64) -> Result<()> {
        check_size(size_bytes)?;
        let mut world = self.change("manage a volume")?;
        if world.volumes.contains_key(&volume) {
            return Ok(());
        }
        let absent = || Error::NoUnmanaged(name.to_owned());
        let needed = world.unmanaged.get(name).ok_or_else(absent)?.size_bytes;
        if needed > size_bytes {
            return Err(Error::TooSmall { needed, asked: size_bytes });
        }
        let mut found = world.unmanaged.remove(name).ok_or_else(absent)?;
        let foreign = std::mem::take(&mut found.snapshots);
        found.unmanaged.extend(foreign.into_iter().map(|(id, size)| (name_of_snapshot(id), size)));
        world.volumes.insert(volume, found);
        Ok(())
    }

    fn ensure_unmanaged(&self, volume: VolumeId, _name: Option<&str>) -> Result<()> {
        let mut world = self.change("unmanage a volume")?;
        if let Some(found) = world.volumes.remove(&volume) {
            world.unmanaged.insert(name_of_volume(volume), found);
        }
        Ok(())
    }

    fn observe_unmanaged_snapshots(&self, volume: VolumeId) -> Result<Vec<UnmanagedSnapshot>> {
        let world = self.world();
        let of_volume = world.volume(volume)?.unmanaged.iter();
        let shown = of_volume.map(|(name, size)| UnmanagedSnapshot { name: name.clone(), size_bytes: *size });
        Ok(shown.collect())
    }

    fn ensure_snapshot_managed(&self, at: Snapshot, name: &str) -> Result<()> {
        let mut world = self.change("manage a snapshot")?;
        let volume = world.volume_mut(at.volume)?;
        if volume.snapshot(at).is_err() {
            let found = volume.unmanaged.remove(name);
            let size = found.ok_or_else(|| Error::NoUnmanaged(name.to_owned()))?;
            volume.snapshots.push((at.id, size));
        }
        Ok(())
    }

    fn ensure_snapshot_unmanaged(&self, at: Snapshot) -> Result<()> {
        let mut world = self.change("unmanage a snapshot")?;
        let Some(volume) = world.volumes.get_mut(&at.volume) else { return Ok(()) };
        if let Ok(size) = volume.snapshot(at) {
            volume.snapshots.retain(|(id, _)| *id != at.id);
            volume.unmanaged.insert(name_of_snapshot(at.id), size);
        }
        Ok(())
    }
}

impl VolumeBackend for Fake {
    fn ensure_volume(&self, volume: &NewVolume) -> Result<()> {
        check_size(volume.size_bytes)?;
        let mut world = self.change("make a volume")?;
        if let Some(known) = world.volumes.get_mut(&volume.id) {
            known.multiattach = volume.multiattach;
            return Ok(());
        }
        world.check_room()?;
        let base = match volume.source {
            Source::Blank => None,
            Source::Image { id, format } => {
                let bytes = world.images.get(&id).cloned().ok_or(Error::NoImage(id))?;
                let driver = format.driver().or(format.driver_to_convert());
                driver.ok_or(Error::Refused(Refusal::NotADisk(format)))?;
                let mut inspector = Inspector::new(format);
                inspector.update(&bytes).map_err(Error::Refused)?;
                let inspection = inspector.finish().map_err(Error::Refused)?;
                let (needed, asked) = (inspection.virtual_size_bytes, volume.size_bytes);
                if asked < needed {
                    return Err(Error::TooSmall { needed, asked });
                }
                Some(bytes)
            }
            Source::Snapshot(at) => {
                let from = world.volume(at.volume)?;
                let (needed, asked) = (from.snapshot(at)?, volume.size_bytes);
                if asked < needed {
                    return Err(Error::TooSmall { needed, asked });
                }
                from.base.clone()
            }
        };
        let made = Volume { base, multiattach: volume.multiattach, ..Volume::blank(volume.size_bytes) };
        world.volumes.insert(volume.id, made);
        Ok(())
    }

    fn ensure_size(&self, volume: VolumeId, size_bytes: u64) -> Result<()> {
        check_size(size_bytes)?;
        let mut world = self.change("resize a volume")?;
        let found = world.volume_mut(volume)?;
        if size_bytes < found.size_bytes {
            return Err(Error::TooSmall { needed: found.size_bytes, asked: size_bytes });
        }
        found.size_bytes = size_bytes;
        Ok(())
    }

    fn remove_volume(&self, volume: VolumeId) -> Result<()> {
        let mut world = self.change("remove a volume")?;
        if world.volumes.get(&volume).is_some_and(|found| !found.unmanaged.is_empty()) {
            return Err(Error::Keeps(volume));
        }
        world.volumes.remove(&volume);
        Ok(())
    }

    fn observe_volume(&self, volume: VolumeId) -> Result<Option<VolumeState>> {
        let world = self.world();
        let found = world.volumes.get(&volume);
        Ok(found.map(|volume| VolumeState {
            size_bytes: volume.size_bytes,
            used_bytes: 0,
            snapshots: volume.snapshots.iter().map(|(id, _)| *id).collect(),
            reverted: volume.reverted.clone(),
            multiattach: volume.multiattach,
        }))
    }

    fn observe_volumes(&self) -> Result<Vec<VolumeId>> {
        Ok(self.world().volumes.keys().copied().collect())
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn ensure_snapshot(&self, at: Snapshot, live: Option<&mut dyn LiveDisk>) -> Result<()> {
        let mut world = self.change("make a snapshot")?;
        if world.unsnapshotted.remove(&at.volume) {
            return Err(Error::Tool { doing: "make a snapshot".to_owned(), message: "broken".to_owned() });
        }
        let volume = world.volume_mut(at.volume)?;
        if volume.snapshot(at).is_err() {
            // As a file, which has no layers then.
            if volume.multiattach && live.is_some() {
                let doing = "make a snapshot of a volume that is for several servers".to_owned();
                return Err(Error::InUse { doing });
            }
            volume.snapshots.push((at.id, volume.size_bytes));
        }
        Ok(())
    }

    fn ensure_live(&self, _volume: VolumeId, _live: &mut dyn LiveDisk) -> Result<()> {
        Ok(())
    }

    fn remove_snapshot(&self, at: Snapshot, _live: Option<&mut dyn LiveDisk>) -> Result<()> {
        let mut world = self.change("remove a snapshot")?;
        if let Some(volume) = world.volumes.get_mut(&at.volume) {
            volume.snapshots.retain(|(id, _)| *id != at.id);
        }
        Ok(())
    }

    fn ensure_reverted(&self, to: Snapshot, token: &str) -> Result<()> {
        let mut world = self.change("revert a volume")?;
        let volume = world.volume_mut(to.volume)?;
        if volume.reverted.as_deref() == Some(token) {
            return Ok(());
        }
        volume.snapshot(to)?;
        if volume.snapshots.last().is_some_and(|(id, _)| *id != to.id) {
            return Err(Error::NotNewest { volume: to.volume, id: to.id });
        }
        volume.reverted = Some(token.to_owned());
        Ok(())
    }

    fn ensure_replaced(&self, volume: VolumeId, by: VolumeId) -> Result<()> {
        let mut world = self.change("replace a volume")?;
        let token = by.to_string();
        if world.volumes.get(&volume).is_some_and(|found| found.reverted.as_ref() == Some(&token)) {
            return Ok(());
        }
        if world.volumes.get(&volume).is_some_and(|found| !found.unmanaged.is_empty()) {
            return Err(Error::Keeps(volume));
        }
        let mut other = world.volumes.remove(&by).ok_or(Error::NoVolume(by))?;
        other.reverted = Some(token);
        world.volumes.insert(volume, other);
        Ok(())
    }

    fn tidy(&self, _volume: VolumeId, _live: Option<&mut dyn LiveDisk>) -> Result<Tidied> {
        Ok(Tidied::Done)
    }

    fn blockdev(&self, volume: VolumeId) -> Result<Value> {
        let world = self.world();
        let size = world.volume(volume)?.size_bytes;
        Ok(json!({ "driver": "null-co", "size": size, "read-zeroes": true }))
    }

    fn snapshot_blockdev(&self, at: Snapshot) -> Result<Value> {
        let world = self.world();
        let size = world.volume(at.volume)?.snapshot(at)?;
        Ok(json!({ "driver": "null-co", "size": size, "read-zeroes": true, "read-only": true }))
    }

    fn capacity(&self) -> Result<Capacity> {
        let world = self.world();
        let promised: u64 = world.volumes.values().map(|volume| volume.size_bytes).sum();
        let free_bytes = if world.full { 0 } else { TOTAL_BYTES.saturating_sub(promised) };
        Ok(Capacity { total_bytes: TOTAL_BYTES, free_bytes })
    }

    fn sweep(&self) -> Result<usize> {
        Ok(0)
    }
}
