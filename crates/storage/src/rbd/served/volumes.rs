//! Volumes as RBD images: `volume-ID` with snapshots `snapshot-ID`, and servers' own disks as `ID_disk`.
//!
//! Making an image takes several steps in the cluster. A mark beside it says that it is being made, so that one whose
//! maker was killed is made anew and never taken for whole.

use std::sync::Arc;

use nix::libc;
use serde_json::Value;
use types::{SnapshotId, VolumeId};

use super::super::cluster::{Done, Pool, Shape};
use super::super::image::{Image, Watcher};
use super::super::names::{self, SNAPSHOT_OF_IMAGE};
use super::super::sys;
use super::super::wire::{Fault, Origin, Place};
use super::{Link, Served, ghosts};
use crate::{Capacity, Snapshot, Tidied, VolumeState};

/// Where the last token of a revert is kept.
pub(super) const REVERTED: &str = "cuttle.reverted";

/// A volume that is to be made.
pub(super) struct NewImage {
    pub(super) size_bytes: u64,
    pub(super) origin: Origin,
    pub(super) multiattach: bool,
}

impl Served {
    /// What is decided of an image when it is made. As in Cinder, one that several clients write to has no lock, which
    /// would go to and fro between them, and nothing that is built upon it.
    pub(super) fn shape(&self, multiattach: bool) -> Shape {
        let features = if multiattach { sys::FEATURES & !sys::FEATURES_OF_ONE } else { sys::FEATURES };
        Shape { order: self.config.order(), features }
    }

    pub(super) fn exists(&self, place: Place, id: VolumeId) -> Done<bool> {
        let (pool, name) = (self.pool_of(place)?, names::volume(place, id));
        if pool.has_mark(&names::making(&name))? {
            return Ok(false);
        }
        match pool.open_read_only(&name, None) {
            Err(fault) if fault.is(libc::ENOENT) => Ok(false),
            opened => opened.map(|_| true),
        }
    }

    pub(super) fn make(&self, place: Place, id: VolumeId, new: &NewImage) -> Done<()> {
        let (pool, name) = (self.pool_of(place)?, names::volume(place, id));
        let mark = names::making(&name);
        if pool.has_mark(&mark)? {
            tracing::warn!("making {name} anew: whoever made it was interrupted");
            remove_half_made(&self.link, &pool, &name)?;
        } else if self.exists(place, id)? {
            return let_in(&pool, &name, new.multiattach);
        }
        self.check_room(&pool)?;
        pool.set_mark(&mark)?;
        let made = self.fill(&pool, &name, new);
        match made {
            // Somebody else makes it, or left it half made: whoever asks again will see.
            Err(fault) if fault.is(libc::EEXIST) => Err(fault),
            Err(fault) => {
                let undone =
                    remove_half_made(&self.link, &pool, &name).and_then(|()| pool.remove_mark(&mark));
                if let Err(left) = undone {
                    tracing::warn!("what there is of {name} stays until it is made or removed: {left:?}");
                }
                Err(fault)
            }
            Ok(()) => pool.remove_mark(&mark),
        }
    }

    fn fill(&self, pool: &Arc<Pool>, name: &str, new: &NewImage) -> Done<()> {
        let (size_bytes, shape) = (new.size_bytes, self.shape(new.multiattach));
        match new.origin {
            Origin::Blank => return pool.create(name, size_bytes, shape),
            Origin::Image { id, format } => {
                let parent = names::base(id, format);
                let cloned = pool.make_clone((&*self.images()?, &parent, SNAPSHOT_OF_IMAGE), name, shape);
                // What is missing may also be a part of what an interrupted maker left.
                if cloned.as_ref().is_err_and(|fault| fault.is(libc::ENOENT)) {
                    self.open_image(id)?;
                }
                cloned?;
            }
            Origin::Snapshot(at) => {
                let parent = names::volume(Place::Volumes, at.volume);
                let from = self.pool_of(Place::Volumes)?;
                let cloned = pool.make_clone((&*from, &parent, &names::snapshot(at.id)), name, shape);
                if cloned.as_ref().is_err_and(|fault| fault.is(libc::ENOENT))
                    && !self.has_snapshot(Place::Volumes, at)?
                {
                    return Err(self.missing(Place::Volumes, at)?);
                }
                cloned?;
            }
        }
        // To open it to write is itself two writes, when it begins and when it ends.
        let needed = pool.open_read_only(name, None)?.size()?;
        if needed > size_bytes {
            return Err(Fault::TooSmall { needed, asked: size_bytes });
        }
        if needed < size_bytes { pool.open(name)?.resize(size_bytes, false) } else { Ok(()) }
    }

    /// Which of both is missing: the volume or its snapshot.
    fn missing(&self, place: Place, at: Snapshot) -> Done<Fault> {
        let volume = self.exists(place, at.volume)?;
        Ok(if volume { Fault::NoSnapshot(at) } else { Fault::NoVolume(at.volume) })
    }

    pub(super) fn resize(&self, place: Place, id: VolumeId, size_bytes: u64) -> Done<()> {
        let image = self.open(place, id)?;
        let now = image.size()?;
        if size_bytes < now {
            return Err(Fault::TooSmall { needed: now, asked: size_bytes });
        }
        if size_bytes > now { image.resize(size_bytes, false) } else { Ok(()) }
    }

    pub(super) fn open(&self, place: Place, id: VolumeId) -> Done<Image> {
        no_volume(id, self.pool_of(place)?.open(&names::volume(place, id)))
    }

    pub(super) fn remove(&self, place: Place, id: VolumeId) -> Done<()> {
        let (pool, name) = (self.pool_of(place)?, names::volume(place, id));
        let mark = names::making(&name);
        if pool.has_mark(&mark)? {
            remove_half_made(&self.link, &pool, &name)?;
            return pool.remove_mark(&mark);
        }
        if place == Place::Volumes && self.stays(&pool, id)? {
            tracing::warn!("{name} is not removed: it is unmanaged");
            return Ok(());
        }
        discard(&pool, &name)?;
        self.chores.purge_soon();
        Ok(())
    }

    pub(super) fn observe(&self, place: Place, id: VolumeId) -> Done<Option<VolumeState>> {
        let (pool, name) = (self.pool_of(place)?, names::volume(place, id));
        if pool.has_mark(&names::making(&name))? {
            return Ok(None);
        }
        let image = match pool.open_read_only(&name, None) {
            Err(fault) if fault.is(libc::ENOENT) => return Ok(None),
            opened => opened?,
        };
        let size_bytes = image.size()?;
        let snapshots = image.snapshots()?;
        Ok(Some(VolumeState {
            size_bytes,
            used_bytes: image.used()?.unwrap_or(size_bytes),
            snapshots: snapshots.iter().filter_map(|name| names::snapshot_id(name)).collect(),
            reverted: image.note(REVERTED)?,
            multiattach: image.features()? & sys::FEATURE_LOCK == 0,
        }))
    }

    pub(super) fn list(&self, place: Place) -> Done<Vec<VolumeId>> {
        let names = self.pool_of(place)?.list()?;
        let mut ids: Vec<VolumeId> = names.iter().filter_map(|name| names::volume_id(place, name)).collect();
        ids.sort();
        Ok(ids)
    }

    /// Shuts out every other client that has the volume open for writing, and makes sure that the next is the only one.
    pub(super) fn fence(&self, place: Place, id: VolumeId) -> Done<usize> {
        let (cluster, pool, name) = (self.link.cluster()?, self.pool_of(place)?, names::volume(place, id));
        let image = no_volume(id, pool.open_read_only(&name, None))?;
        let others = self.others(&image)?;
        for Watcher { address, .. } in &others {
            tracing::warn!("shutting out {address}, which has {name} open");
            cluster.blocklist(address)?;
        }
        if image.features()? & sys::FEATURE_LOCK == 0 {
            tracing::warn!("{name} was open to several clients; now it has a lock");
            pool.open(&name)?.set_features(sys::FEATURE_LOCK, true)?;
        }
        Ok(others.len())
    }

    /// The clients that have an image open for writing but for this one: a chore of it may, and gives its lock up when
    /// asked for.
    fn others(&self, image: &Image) -> Done<Vec<Watcher>> {
        let own = self.link.cluster()?.own_addresses()?;
        let mut others = image.watchers()?;
        others.retain(|watcher| !own.contains(&watcher.address));
        Ok(others)
    }

    pub(super) fn make_snapshot(&self, place: Place, at: Snapshot) -> Done<()> {
        let image = self.open(place, at.volume)?;
        // Clients without a lock learn of a snapshot one after another.
        if image.features()? & sys::FEATURE_LOCK == 0 {
            let own = self.link.cluster()?.own_addresses()?;
            if ghosts::living(self.pool_of(place)?.as_ref(), &image, &own)?.len() > 1 {
                let doing = "make a snapshot of a volume that several servers have".to_owned();
                return Err(Fault::InUse { doing });
            }
        }
        match image.snapshot(&names::snapshot(at.id)) {
            Err(fault) if fault.is(libc::EEXIST) => self.mend_snapshot(place, at),
            done => done,
        }
    }

    /// Whoever is killed after a snapshot was noted and before it got its map of objects leaves one that is there and
    /// that cannot be opened, if the image is a clone (seen with 16.2).
    fn mend_snapshot(&self, place: Place, at: Snapshot) -> Done<()> {
        let (pool, snapshot) = (self.pool_of(place)?, names::snapshot(at.id));
        let mark = names::making(&snapshot);
        if !pool.has_mark(&mark)? && self.has_snapshot(place, at)? {
            return Ok(());
        }
        tracing::warn!("making the object map of {snapshot} anew: whoever made it was interrupted");
        let image = self.open(place, at.volume)?;
        let (id, number) = (image.id()?, image.snapshot_number(&snapshot)?);
        // With the image's own map it can be opened. Which objects there were is then seen by looking for them; until
        // that is done, the mark says that the map is not to be believed.
        pool.set_mark(&mark)?;
        pool.copy_object(&names::object_map(&id, None), &names::object_map(&id, Some(number)))?;
        drop(image);
        let held = Image::open_snapshot_to_mend(&pool, &names::volume(place, at.volume), &snapshot)?;
        held.rebuild_object_map()?;
        pool.remove_mark(&mark)
    }

    pub(super) fn remove_snapshot(&self, place: Place, at: Snapshot) -> Done<()> {
        let image = match self.open(place, at.volume) {
            Err(Fault::NoVolume(_)) => return Ok(()),
            opened => opened?,
        };
        let snapshot = names::snapshot(at.id);
        match image.remove_snapshot(&snapshot) {
            Err(fault) if fault.is(libc::ENOENT) => {}
            done => done?,
        }
        self.pool_of(place)?.remove_mark(&names::making(&snapshot))
    }

    pub(super) fn has_snapshot(&self, place: Place, at: Snapshot) -> Done<bool> {
        let pool = self.pool_of(place)?;
        match pool.open_read_only(&names::volume(place, at.volume), Some(&names::snapshot(at.id))) {
            Err(fault) if fault.is(libc::ENOENT) => Ok(false),
            opened => opened.map(|_| true),
        }
    }

    pub(super) fn revert(&self, place: Place, to: Snapshot, token: &str) -> Done<()> {
        let image = self.open(place, to.volume)?;
        if image.note(REVERTED)?.as_deref() == Some(token) {
            return Ok(());
        }
        let held = image.snapshots()?;
        let held: Vec<SnapshotId> = held.iter().filter_map(|name| names::snapshot_id(name)).collect();
        if !held.contains(&to.id) {
            return Err(Fault::NoSnapshot(to));
        }
        if held.last() != Some(&to.id) {
            return Err(Fault::NotNewest { volume: to.volume, id: to.id });
        }
        // Killed in between, it is rolled back again: nobody has written, for the revert is not done yet.
        image.roll_back(&names::snapshot(to.id))?;
        image.set_note(REVERTED, token)
    }

    pub(super) fn tidy(&self, place: Place, id: VolumeId) -> Done<Tidied> {
        let (pool, name) = (self.pool_of(place)?, names::volume(place, id));
        if self.chores.is_busy_with(&pool.name, &name) {
            return Ok(Tidied::More);
        }
        let mut below = no_volume(id, pool.open_read_only(&name, None))?;
        let has_map = below.features()? & sys::FEATURES_OF_ONE == sys::FEATURES_OF_ONE;
        if has_map && !below.has_sound_map()? {
            self.chores.map(&pool.name, &name);
            return Ok(Tidied::More);
        }
        let mut depth = 0;
        let mut is_of_snapshot = false;
        while let Some(parent) = below.parent()? {
            depth += 1;
            is_of_snapshot |= depth == 1 && parent.pool == self.config.volumes_pool;
            if depth > self.config.clone_depth_max {
                break;
            }
            below = Image::open_by_id(&self.link.pool(&parent.pool)?, &parent.image_id)?;
        }
        let flatten =
            depth > self.config.clone_depth_max || (is_of_snapshot && self.config.flatten_from_snapshot);
        if !flatten {
            return Ok(Tidied::Done);
        }
        self.chores.flatten(&pool.name, &name);
        Ok(Tidied::More)
    }

    pub(super) fn capacity(&self, place: Place) -> Done<Capacity> {
        self.capacity_of(match place {
            Place::Volumes => &self.config.volumes_pool,
            Place::RootDisks => &self.config.root_disks_pool,
        })
    }

    pub(super) fn capacity_of(&self, pool: &str) -> Done<Capacity> {
        let answer =
            self.link.cluster()?.mon_command(r#"{"prefix":"df","detail":"detail","format":"json"}"#, &[])?;
        let df: Value = serde_json::from_slice(&answer)
            .map_err(|error| Fault::Unusable { message: format!("df answers no JSON: {error}") })?;
        let pools = df["pools"].as_array().map_or(&[][..], Vec::as_slice);
        let found = pools.iter().find(|entry| entry["name"] == pool);
        let Some(found) = found else {
            // A pool that was just made is not measured yet.
            let number = |key: &str| df["stats"][key].as_u64().unwrap_or(0);
            let (total_bytes, free_bytes) = (number("total_bytes"), number("total_avail_bytes"));
            return Ok(Capacity { total_bytes, free_bytes });
        };
        let stats = &found["stats"];
        let number = |key: &str| stats[key].as_u64().unwrap_or(0);
        let (stored, mut free_bytes) = (number("stored"), number("max_avail"));
        let mut total_bytes = stored + free_bytes;
        let quota = number("quota_bytes");
        if quota > 0 {
            free_bytes = free_bytes.min(quota.saturating_sub(stored));
            total_bytes = total_bytes.min(quota);
        }
        Ok(Capacity { total_bytes, free_bytes })
    }

    /// A cluster that is full lets writers wait; whoever begins something is told at once.
    pub(super) fn check_room(&self, pool: &Pool) -> Done<()> {
        let free_bytes = self.capacity_of(&pool.name)?.free_bytes;
        let needed = (2 * self.config.chunk_mib) << 20;
        if free_bytes < needed {
            return Err(Fault::Full { pool: pool.name.clone(), free_bytes });
        }
        Ok(())
    }
}

/// Lets one client at a time write to an image that is there, or several.
fn let_in(pool: &Arc<Pool>, name: &str, multiattach: bool) -> Done<()> {
    let of_one = pool.open_read_only(name, None)?.features()? & sys::FEATURES_OF_ONE;
    match multiattach {
        true if of_one != 0 => pool.open(name)?.set_features(of_one, false),
        // Its map of objects is made by and by.
        false if of_one & sys::FEATURE_LOCK == 0 => {
            pool.open(name)?.set_features(sys::FEATURES_OF_ONE & !of_one, true)
        }
        _ => Ok(()),
    }
}

fn no_volume<T>(id: VolumeId, opened: Done<T>) -> Done<T> {
    opened.map_err(|fault| if fault.is(libc::ENOENT) { Fault::NoVolume(id) } else { fault })
}

/// Removes what somebody began to make and was interrupted at; nobody can have cloned it, or use it.
fn remove_half_made(link: &Link, pool: &Arc<Pool>, name: &str) -> Done<()> {
    let mut done = pool.remove(name);
    if done.as_ref().is_err_and(|fault| fault.is(libc::EBUSY)) {
        // It may be one that cannot be opened.
        let entry = pool.directory()?.into_iter().find(|(known, _)| known == name);
        if let Some((_, id)) = entry
            && ghosts::lay(link, pool, &id)?
        {
            done = pool.remove(name);
        }
    }
    match done {
        Err(fault) if fault.is(libc::ENOENT) => Ok(()),
        done => done,
    }
}

/// Takes an image with its snapshots out of sight at once. Its data goes later, when no clone needs it.
pub(super) fn discard(pool: &Arc<Pool>, name: &str) -> Done<()> {
    match pool.open(name) {
        // Whoever was killed while it moved it to the trash may have left its entry in the directory.
        Err(fault) if fault.is(libc::ENOENT) => {}
        opened => {
            let image = opened?;
            for snapshot in image.snapshots()? {
                match image.remove_snapshot(&snapshot) {
                    Err(fault) if fault.is(libc::ENOENT) => {}
                    done => done?,
                }
            }
        }
    }
    match pool.trash(name) {
        Err(fault) if fault.is(libc::ENOENT) => Ok(()),
        done => done,
    }
}
