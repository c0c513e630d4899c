//! What is done beside all else: purging the trash, flattening long chains of clones, and mapping the objects of images.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::libc;

use super::super::cluster::{Done, Pool, Trashed};
use super::super::names;
use super::{Link, ghosts};

/// How often the trash is looked through although nobody asked: others put things there too, and what could not be
/// purged because of a clone can be once that is gone.
const PURGE_AGAIN: Duration = Duration::from_secs(60);

/// Hands out what is done beside all else.
pub(super) struct Chores {
    purge: SyncSender<()>,
    images: SyncSender<(Chore, Name)>,
    busy: Arc<Mutex<BTreeSet<Name>>>,
}

/// A pool and an image in it.
type Name = (String, String);

/// What is done to an image.
#[derive(Debug, Clone, Copy)]
enum Chore {
    /// It becomes independent of what it was cloned from.
    Flatten,
    /// It gets its map of objects.
    Map,
}

impl Chores {
    /// Starts a thread for each kind.
    pub(super) fn start(link: Arc<Link>) -> io::Result<Chores> {
        let (purge, purges) = sync_channel(1);
        let of = link.clone();
        runtime::spawn_quiet_thread("rbd-purge", move || {
            loop {
                match purges.recv_timeout(PURGE_AGAIN) {
                    Err(RecvTimeoutError::Disconnected) => return,
                    Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                }
                if let Err(fault) = purge_all(&of) {
                    tracing::warn!("the trash is looked through again later: {fault:?}");
                }
            }
        })?;
        let (images, wishes) = sync_channel::<(Chore, Name)>(1024);
        let busy = Arc::new(Mutex::new(BTreeSet::new()));
        let done = busy.clone();
        runtime::spawn_quiet_thread("rbd-images", move || {
            while let Ok((chore, (pool, name))) = wishes.recv() {
                tracing::info!("{pool}/{name}: {chore:?}");
                let image = link.pool(&pool).and_then(|pool| pool.open(&name));
                let did = image.and_then(|image| match chore {
                    Chore::Flatten => image.flatten(),
                    Chore::Map => image.rebuild_object_map(),
                });
                if let Err(fault) = did {
                    tracing::warn!("{pool}/{name}: {chore:?} again later: {fault:?}");
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).remove(&(pool, name));
            }
        })?;
        Ok(Chores { purge, images, busy })
    }

    /// Asks for the trash to be purged.
    pub(super) fn purge_soon(&self) {
        // One that waits is enough.
        let _ = self.purge.try_send(());
    }

    /// Asks for an image to be made independent of what it was cloned from.
    pub(super) fn flatten(&self, pool: &str, name: &str) {
        self.ask(Chore::Flatten, (pool.to_owned(), name.to_owned()));
    }

    /// Asks for an image to get its map of objects.
    pub(super) fn map(&self, pool: &str, name: &str) {
        self.ask(Chore::Map, (pool.to_owned(), name.to_owned()));
    }

    fn ask(&self, chore: Chore, image: Name) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.insert(image.clone()) && self.images.try_send((chore, image.clone())).is_err() {
            busy.remove(&image);
        }
    }

    /// Whether something is being done to an image.
    pub(super) fn is_busy_with(&self, pool: &str, name: &str) -> bool {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.contains(&(pool.to_owned(), name.to_owned()))
    }
}

/// Removes from the trash what is ours and has no clones any more; what its removal sets free, too.
fn purge_all(link: &Link) -> Done<()> {
    let pools = link.pools()?;
    let mut purged = 0;
    loop {
        let before = purged;
        let mut failed = Ok(());
        for pool in &pools {
            for trashed in pool.list_trash()?.iter().filter(|trashed| names::is_ours(&trashed.name)) {
                match purge(link, pool, trashed) {
                    Ok(()) => purged += 1,
                    Err(fault) if waits(&fault) => {}
                    // What one image suffers from keeps no other.
                    Err(fault) => failed = Err(fault),
                }
            }
        }
        if purged == before {
            return failed;
        }
    }
}

/// Removes an image from the trash, and first whatever a killed client left in the way.
fn purge(link: &Link, pool: &Arc<Pool>, trashed: &Trashed) -> Done<()> {
    let mut done = pool.purge(&trashed.id);
    let failed = |done: &Done<()>, errno| done.as_ref().is_err_and(|fault| fault.is(errno));
    if failed(&done, libc::EUCLEAN) {
        pool.end_move(trashed)?;
        done = pool.purge(&trashed.id);
    }
    if failed(&done, libc::ENOTEMPTY) && ghosts::forget(link, pool, &trashed.id)? {
        done = pool.purge(&trashed.id);
    }
    if failed(&done, libc::EBUSY) && ghosts::lay(link, pool, &trashed.id)? {
        done = pool.purge(&trashed.id);
    }
    if failed(&done, libc::ENOENT) {
        // A clone whose maker was killed before the parent knew of it cannot be opened once that is gone.
        pool.remove_mark(&names::header(&trashed.id))?;
        done = pool.purge(&trashed.id);
    }
    done
}

/// Whether it has clones, is open or on its way, is kept by an operator for a while, or was purged by another.
fn waits(fault: &super::super::wire::Fault) -> bool {
    [libc::ENOTEMPTY, libc::EBUSY, libc::EUCLEAN, libc::EPERM, libc::ENOENT]
        .into_iter()
        .any(|errno| fault.is(errno))
}
