//! Images that become volumes, and volumes that are managed no longer.
//!
//! Either way an image gets no other content, only another name. What was a volume keeps its name and has a note that it
//! is none any more, so that nobody who is late removes it.

use std::sync::Arc;

use nix::libc;
use types::VolumeId;

use super::super::cluster::{Done, Pool};
use super::super::image::{Image, Watcher};
use super::super::names;
use super::super::wire::{Fault, Place};
use super::{Served, ghosts};
use crate::adoption::is_plain;
use crate::inspect::{Content, detect};
use crate::{Snapshot, Unmanaged, UnmanagedSnapshot, name_of_snapshot};

/// Says of an image that is called as a volume that it is none any more.
const UNMANAGED: &str = "cuttle.unmanaged";
/// Says of which volume an image was made, once it has that name and no other.
const MANAGED: &str = "cuttle.managed";
/// How much of an image is looked at.
const HEAD_BYTES: usize = 4096;

impl Served {
    pub(super) fn list_unmanaged(&self) -> Done<Vec<Unmanaged>> {
        let pool = self.pool_of(Place::Volumes)?;
        let mut names = pool.list()?;
        names.retain(|name| is_plain(name));
        names.sort();
        let idle = self.idle()?;
        let looked = names.into_iter().filter_map(|name| match look(&pool, &name, &idle) {
            Ok(found) => Some(Ok(found)),
            Err(Fault::NoUnmanaged(_)) => None,
            Err(fault) if fault.is_timeout() => Some(Err(fault)),
            Err(_) => {
                Some(Ok(Unmanaged { name, size_bytes: 0, refused: Some("it cannot be opened".to_owned()) }))
            }
        });
        looked.collect()
    }

    pub(super) fn find_unmanaged(&self, name: &str) -> Done<Unmanaged> {
        look(&self.pool_of(Place::Volumes)?, name, &self.idle()?)
    }

    /// The addresses of clients that write to nothing that is unmanaged: this one's own, and those that are shut out.
    fn idle(&self) -> Done<Vec<String>> {
        let cluster = self.link.cluster()?;
        let mut idle = cluster.own_addresses()?;
        idle.extend(ghosts::shut_out(&cluster)?);
        Ok(idle)
    }

    pub(super) fn manage(&self, id: VolumeId, name: &str, size_bytes: u64) -> Done<()> {
        let (pool, to) = (self.pool_of(Place::Volumes)?, names::volume(Place::Volumes, id));
        if settle(&pool, name, &to)? {
            return Ok(());
        }
        let found = self.find_unmanaged(name)?;
        if let Some(why) = found.refused {
            return Err(Fault::NotManageable { name: name.to_owned(), why });
        }
        if found.size_bytes > size_bytes {
            return Err(Fault::TooSmall { needed: found.size_bytes, asked: size_bytes });
        }
        let image = pool.open(name)?;
        // No snapshot that it has is one that anybody here knows.
        for snapshot in image.snapshots()? {
            if let Some(id) = names::snapshot_id(&snapshot) {
                image.rename_snapshot(&snapshot, &name_of_snapshot(id))?;
            }
        }
        image.remove_note(UNMANAGED)?;
        drop(image);
        pool.rename(name, &to)?;
        pool.open(&to)?.set_note(MANAGED, &to)
    }

    pub(super) fn unmanage(&self, id: VolumeId, name: Option<&str>) -> Done<()> {
        let (pool, to) = (self.pool_of(Place::Volumes)?, names::volume(Place::Volumes, id));
        if let Some(name) = name {
            settle(&pool, name, &to)?;
        }
        match pool.open(&to) {
            Err(fault) if fault.is(libc::ENOENT) => Ok(()),
            opened => opened?.set_note(UNMANAGED, "true"),
        }
    }

    /// Whether what is called as a volume is unmanaged and stays. A volume that has unmanaged snapshots is refused.
    pub(super) fn stays(&self, pool: &Arc<Pool>, id: VolumeId) -> Done<bool> {
        let image = match pool.open_read_only(&names::volume(Place::Volumes, id), None) {
            Err(fault) if fault.is(libc::ENOENT) => return Ok(false),
            opened => opened?,
        };
        if image.note(UNMANAGED)?.is_some() {
            return Ok(true);
        }
        // Whatever it is called: what nobody here made or took in is not ours to remove.
        let is_kept = |name: &String| names::snapshot_id(name).is_none();
        if image.snapshots()?.iter().any(is_kept) { Err(Fault::Keeps(id)) } else { Ok(false) }
    }

    pub(super) fn list_unmanaged_snapshots(&self, volume: VolumeId) -> Done<Vec<UnmanagedSnapshot>> {
        let image = self.open(Place::Volumes, volume)?;
        let all = image.sized_snapshots()?.into_iter();
        let unmanaged = all.filter(|(name, _)| names::snapshot_id(name).is_none());
        Ok(unmanaged.map(|(name, size_bytes)| UnmanagedSnapshot { name, size_bytes }).collect())
    }

    pub(super) fn manage_snapshot(&self, at: Snapshot, name: &str) -> Done<()> {
        let (image, to) = (self.open(Place::Volumes, at.volume)?, names::snapshot(at.id));
        let all = image.snapshots()?;
        if !all.contains(&to) {
            if names::snapshot_id(name).is_some() || !all.iter().any(|found| found == name) {
                return Err(Fault::NoUnmanaged(name.to_owned()));
            }
            image.rename_snapshot(name, &to)?;
        }
        // Cinder protects what it makes; a snapshot that is managed here is removed as any other.
        image.unprotect_snapshot(&to).map(drop)
    }

    pub(super) fn unmanage_snapshot(&self, at: Snapshot) -> Done<()> {
        let image = match self.open(Place::Volumes, at.volume) {
            Err(Fault::NoVolume(_)) => return Ok(()),
            opened => opened?,
        };
        match image.rename_snapshot(&names::snapshot(at.id), &name_of_snapshot(at.id)) {
            Err(fault) if fault.is(libc::ENOENT) => Ok(()),
            done => done,
        }
    }
}

/// Whether an image has the name of its volume. A change of names whose maker was killed, or was not the only one, is undone
/// first if it is not done: librbd lets the new name lead to the image, then enters it in the directory in place of the
/// old one, then removes the old one. The directory decides.
fn settle(pool: &Arc<Pool>, from: &str, to: &str) -> Done<bool> {
    let image = match pool.open_read_only(to, None) {
        Err(fault) if fault.is(libc::ENOENT) => return Ok(false),
        opened => opened?,
    };
    if image.note(MANAGED)?.as_deref() == Some(to) {
        return Ok(true);
    }
    let id = image.id()?;
    drop(image);
    if !pool.directory()?.contains(&(to.to_owned(), id.clone())) {
        pool.remove_mark(&names::id_of(to))?;
        return Ok(false);
    }
    if from != to && is_plain(from) && pool.has_mark(&names::id_of(from))? {
        let old = pool.open_read_only(from, None)?.id()?;
        if old == id {
            pool.remove_mark(&names::id_of(from))?;
        }
    }
    pool.open(to)?.set_note(MANAGED, to)?;
    Ok(true)
}

/// Looks at an image by its name.
fn look(pool: &Arc<Pool>, name: &str, idle: &[String]) -> Done<Unmanaged> {
    let absent = || Fault::NoUnmanaged(name.to_owned());
    if !is_plain(name) {
        return Err(absent());
    }
    let image = match pool.open_read_only(name, None) {
        Err(fault) if fault.is(libc::ENOENT) => return Err(absent()),
        opened => opened?,
    };
    let refused = why_not(pool, &image, name, idle)?;
    Ok(Unmanaged { name: name.to_owned(), size_bytes: image.size()?, refused })
}

/// Why no volume can be made of an image.
fn why_not(pool: &Pool, image: &Image, name: &str, idle: &[String]) -> Done<Option<String>> {
    let is_volume = names::volume_id(Place::Volumes, name).is_some();
    if names::is_ours(name) && !is_volume {
        return Ok(Some("it belongs to an image or to a server".to_owned()));
    }
    if pool.has_mark(&names::making(name))? {
        return Ok(Some("it is being made".to_owned()));
    }
    if let Some(Watcher { address, .. }) = ghosts::living(pool, image, idle)?.first() {
        return Ok(Some(format!("it is in use by {address}")));
    }
    let mut head = vec![0; HEAD_BYTES];
    let length = image.read(0, &mut head)?;
    if detect(&head[..length]) == Content::Luks {
        return Ok(Some("it is encrypted, with a key that nobody here has".to_owned()));
    }
    if image.size()? == 0 {
        return Ok(Some("it is empty".to_owned()));
    }
    Ok(None)
}
