//! Volumes that take the place of others.
//!
//! ```text
//! volume-V ──▶ volume-V.BY.part ──▶ the trash
//! volume-BY ──▶ volume-V
//! ```
//!
//! The old one gets a name that no other ever has before it goes, so that whoever ends its move to the trash late does not
//! move the new one.

use std::sync::Arc;

use nix::libc;
use types::VolumeId;

use super::super::cluster::{Done, Pool};
use super::super::names;
use super::super::wire::{Fault, Place};
use super::Served;
use super::volumes::{REVERTED, discard};

impl Served {
    pub(super) fn replace(&self, place: Place, id: VolumeId, by: VolumeId) -> Done<()> {
        let pool = self.pool_of(place)?;
        let (from, to, token) = (names::volume(place, by), names::volume(place, id), by.to_string());
        let old = names::replaced(&to, &token);
        let directory = pool.directory()?;
        let has = |name: &str| directory.iter().any(|(known, _)| known == name);
        if has(&from) {
            if has(&to) {
                if place == Place::Volumes && self.stays(&pool, id)? {
                    return Err(Fault::Keeps(id));
                }
                discard(&pool, &old)?;
            }
            pool.open(&from)?.set_note(REVERTED, &token)?;
            rename(&pool, &to, &old)?;
            rename(&pool, &from, &to)?;
        } else {
            let note = match pool.open_read_only(&to, None) {
                Err(fault) if fault.is(libc::ENOENT) => None,
                opened => opened?.note(REVERTED)?,
            };
            if note != Some(token) {
                return Err(Fault::NoVolume(by));
            }
            pool.remove_mark(&names::id_of(&from))?;
        }
        discard(&pool, &old)?;
        self.chores.purge_soon();
        Ok(())
    }
}

impl Served {
    /// Removes volumes that were replaced by a child that was killed before it removed them, and that nobody asks to be
    /// replaced any more. As long as the other one has a name of its own, the replacement goes on.
    pub(super) fn sweep_replaced(&self) -> Done<()> {
        let pool = self.pool_of(Place::Volumes)?;
        let directory = pool.directory()?;
        let has = |name: &str| directory.iter().any(|(known, _)| known == name);
        for (name, _) in &directory {
            if names::replaced_by(name).is_some_and(|by| !has(&by)) {
                tracing::warn!("removing {name}, which was replaced");
                discard(&pool, name)?;
            }
        }
        Ok(())
    }
}

/// Gives an image another name, unless there is none or it has that. The directory of the pool decides: librbd lets the new
/// name lead to the image, then enters it there in place of the old one, then removes the old one.
fn rename(pool: &Arc<Pool>, from: &str, to: &str) -> Done<()> {
    let directory = pool.directory()?;
    let has = |name: &str| directory.iter().any(|(known, _)| known == name);
    if !has(to) {
        pool.remove_mark(&names::id_of(to))?;
    }
    match has(from) {
        true => pool.rename(from, to),
        false => pool.remove_mark(&names::id_of(from)),
    }
}
