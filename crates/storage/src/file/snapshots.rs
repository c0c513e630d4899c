//! Snapshots of volumes that are files.
//!
//! A snapshot freezes the head and lays an empty layer over it, which is the head from then on. In the directory that
//! happens by the exchange of a link, so that at every instant a VM that is started there finds all it wrote. A VM that
//! runs follows afterwards: until [`ensure_live`](crate::VolumeBackend::ensure_live) has given it the new head, it goes
//! on writing to the frozen layer, which it has open, and the snapshot's moment is when it stops doing so.
//!
//! The layer of a snapshot that nobody wants any more stays. [`tidy`](FileVolumes::tidy_chain) merges it with the layer
//! above, in the direction in which less has to be moved, unless another volume has the file, too:
//!
//! - *down*: what the upper layer has is written into the lower one, which then stands for both;
//! - *up*: what the lower one has is written into the upper one, whose header then names what lies below both.
//!
//! While either goes on, the content seen from above does not change, so it may be interrupted anywhere and begun again.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use types::VolumeId;

use super::background::Tool;
use super::chain::{Chain, HEAD, Moment, link, new_layer};
use super::volumes::{BASE, FileVolumes};
use super::{create_file, exchange, remove_tree, sync_dir};
use crate::error::Doing;
use crate::qcow2::{self, Backing};
use crate::{Error, GIB, LiveDisk, Result, Snapshot, Tidied};

/// A chain that is longer is shortened even where that copies what other volumes have.
const DEPTH_MAX: usize = 8;
/// A layer below the head of a running VM is written into the head only if it is no larger than this. A larger one
/// waits for another snapshot or for the VM's end.
const LIVE_UP_BYTES_MAX: u64 = GIB;
/// The file with the token of the last revert.
const REVERTED: &str = "reverted";

impl FileVolumes {
    /// Lays a new head over the volume's, in its directory.
    pub(super) fn freeze(&self, at: Snapshot) -> Result<()> {
        self.merges.stop(at.volume);
        let chain = self.chain(at.volume)?;
        if chain.position(Moment::managed(at.id)).is_some() {
            return Ok(());
        }
        self.place.check_room()?;
        let head = chain.head();
        let over = Backing { name: &head.name, format: "qcow2" };
        let new = self.new_head(&chain.dir, head.header.size_bytes, over)?;
        exchange_link(&chain.dir, &head.name, &link(&chain.dir, Moment::managed(at.id)))?;
        exchange_link(&chain.dir, &new, &chain.dir.join(HEAD))
    }

    /// Says that nobody wants a snapshot any more.
    pub(super) fn unfreeze(&self, at: Snapshot) -> Result<()> {
        let dir = self.path(at.volume);
        if dir.exists() {
            remove_tree(&link(&dir, Moment::managed(at.id)))?;
            sync_dir(&dir)?;
        }
        Ok(())
    }

    /// Lays an empty head over the newest snapshot, in place of the head that was.
    pub(super) fn revert(&self, to: Snapshot, token: &str) -> Result<()> {
        if self.reverted(to.volume).as_deref() == Some(token) {
            return Ok(());
        }
        self.merges.stop(to.volume);
        let chain = self.chain(to.volume)?;
        let wanted = Moment::managed(to.id);
        let at = chain.position(wanted).ok_or(Error::NoSnapshot { volume: to.volume, id: to.id })?;
        // What is newer would be lost, be it unmanaged.
        if chain.moments().last() != Some(&wanted) {
            return Err(Error::NotNewest { volume: to.volume, id: to.id });
        }
        self.place.check_room()?;
        let over = Backing { name: &chain.layers[at].name, format: "qcow2" };
        let new = self.new_head(&chain.dir, chain.head().header.size_bytes, over)?;
        exchange_link(&chain.dir, &new, &chain.dir.join(HEAD))?;
        self.note_revert(to.volume, token)
    }

    /// Keeps the token of a revert that is done, or of what takes the place of another volume. Without it this is done once
    /// more, which no VM can have written before.
    pub(super) fn note_revert(&self, volume: VolumeId, token: &str) -> Result<()> {
        let dir = self.path(volume);
        let scratch = dir.join(".reverted");
        remove_tree(&scratch)?;
        let mut file = create_file(&scratch)?;
        file.write_all(token.as_bytes())
            .and_then(|()| file.sync_all())
            .doing(|| format!("write {}", scratch.display()))?;
        exchange(&dir, &scratch, &dir.join(REVERTED))
    }

    /// The token of the last revert.
    pub(super) fn reverted(&self, volume: VolumeId) -> Option<String> {
        fs::read_to_string(self.path(volume).join(REVERTED)).ok()
    }

    /// Links what a clone of a snapshot needs into the clone's directory. Tells what the clone's head lies over.
    pub(super) fn link_snapshot(&self, dir: &Path, at: Snapshot, asked: u64) -> Result<String> {
        // What a clone has, too, is not written to any more.
        self.merges.stop(at.volume);
        let chain = self.chain(at.volume)?;
        let absent = Error::NoSnapshot { volume: at.volume, id: at.id };
        let below = &chain.layers[chain.position(Moment::managed(at.id)).ok_or(absent)?..];
        let needed = below[0].header.size_bytes;
        if asked < needed {
            return Err(Error::TooSmall { needed, asked });
        }
        let names = below.iter().map(|layer| layer.name.as_str());
        for name in names.chain(chain.base.as_ref().map(|_| BASE)) {
            fs::hard_link(chain.dir.join(name), dir.join(name))
                .doing(|| format!("link {name} of volume {} into a clone", at.volume))?;
        }
        Ok(below[0].name.clone())
    }

    /// Gives a running VM the layers that the directory has and it has not: those of snapshots that were made since.
    pub(super) fn push_missing(&self, volume: VolumeId, live: &mut dyn LiveDisk) -> Result<()> {
        let chain = self.chain(volume)?;
        let open = live.layers().map_err(vm("see which layers a VM has open"))?;
        let missing =
            chain.layers.iter().take_while(|layer| !open.contains(&chain.node(&layer.name))).count();
        if missing == chain.layers.len() {
            return Err(Error::Vm {
                doing: format!("change the layers of volume {volume} while its VM runs"),
                message: "the VM was started by an older version; restart it".to_owned(),
            });
        }
        for at in (0..missing).rev() {
            let layer = chain.layer(&chain.layers[at], false, self.opening);
            let over = chain.node(&chain.layers[at + 1].name);
            live.push_layer(&layer, &over).map_err(vm("lay a new layer over a disk"))?;
        }
        Ok(())
    }

    /// Does one merge, or a part of one.
    pub(super) fn tidy_chain(&self, volume: VolumeId, live: Option<&mut dyn LiveDisk>) -> Result<Tidied> {
        if live.is_some() {
            self.merges.stop(volume);
        } else if self.merges.go_on(volume)? {
            return Ok(Tidied::More);
        }
        let Some(chain) = self.chain_if_any(volume)? else { return Ok(Tidied::Done) };
        for (moment, name) in &chain.astray {
            exchange_link(&chain.dir, name, &link(&chain.dir, *moment))?;
        }
        for stranger in chain.strangers()? {
            remove_tree(&stranger)?;
        }
        let Some(at) = mergeable(&chain, live.is_some()) else {
            return self.shorten(chain, live);
        };
        self.place.check_room()?;
        let (upper, lower) = (&chain.layers[at - 1], &chain.layers[at]);
        let down = upper.allocated_bytes <= lower.allocated_bytes;
        match live {
            None if down && upper.links == 1 => {
                let layers = vec![upper.name.clone(), lower.name.clone()];
                self.merges.begin(volume, layers, move |tool| merge_down(&chain, at, tool))
            }
            None => self.merge_up(chain, at - 1, at + 1),
            Some(live) if at > 1 && live.can_commit() => merge_down_live(&chain, at, live),
            Some(live) => merge_up_live(&chain, at - 1, at + 1, live),
        }
    }

    /// Takes what the layers have that other volumes have, too, into the lowest of this volume's own, where the chain
    /// is long.
    fn shorten(&self, chain: Chain, live: Option<&mut dyn LiveDisk>) -> Result<Tidied> {
        let own = chain.layers.iter().take_while(|layer| layer.links == 1).count();
        let is_long = chain.layers.len() > DEPTH_MAX && own > 0 && own < chain.layers.len();
        if !is_long || (own..chain.layers.len()).any(|at| chain.is_wanted(at)) {
            return Ok(Tidied::Done);
        }
        self.place.check_room()?;
        match live {
            None => {
                let below = chain.layers.len();
                self.merge_up(chain, own - 1, below)
            }
            Some(live) => merge_up_live(&chain, own - 1, chain.layers.len(), live),
        }
    }

    fn merge_up(&self, chain: Chain, into: usize, below: usize) -> Result<Tidied> {
        let layers = chain.layers[into..below].iter().map(|layer| layer.name.clone()).collect();
        self.merges.begin(chain.volume, layers, move |tool| merge_up(&chain, into, below, tool))
    }

    /// Frees what a VM that was killed left in its layers.
    pub(super) fn repair_chain(&self, volume: VolumeId) -> Result<()> {
        self.merges.stop(volume);
        let chain = self.chain(volume)?;
        let mut own = chain.layers.iter().filter(|layer| layer.links == 1);
        own.try_for_each(|layer| repair(&chain.dir.join(&layer.name), &Tool::default()))
    }

    /// An empty layer that nothing leads to yet.
    pub(super) fn new_head(&self, dir: &Path, size_bytes: u64, over: Backing<'_>) -> Result<String> {
        let name = new_layer();
        let path = dir.join(&name);
        let file = create_file(&path)?;
        qcow2::write_empty(&file, size_bytes, Some(over))
            .and_then(|()| file.sync_all())
            .doing(|| format!("write {}", path.display()))?;
        sync_dir(dir)?;
        Ok(name)
    }
}

/// The place of the topmost layer that nobody wants and that can be merged with the one above it.
fn mergeable(chain: &Chain, is_live: bool) -> Option<usize> {
    (1..chain.layers.len()).find(|at| {
        let (upper, lower) = (&chain.layers[at - 1], &chain.layers[*at]);
        let own = lower.links == 1 && upper.links == 1;
        let is_worth_it = !is_live || *at > 1 || lower.allocated_bytes <= LIVE_UP_BYTES_MAX;
        !chain.is_wanted(*at) && own && is_worth_it
    })
}

/// Writes the layer above `at` into it, and lets it stand for both.
fn merge_down(chain: &Chain, at: usize, tool: &Tool) -> Result<()> {
    let (upper, lower) = (&chain.layers[at - 1], &chain.layers[at]);
    let path = chain.dir.join(&upper.name);
    tool.qemu_img(
        &["commit", "-q", "-d", "-f", "qcow2"],
        &[path.as_os_str()],
        "merge a layer into the one below it",
    )?;
    let path = chain.dir.join(&lower.name);
    repair(&path, tool)?;
    fs::File::open(&path).and_then(|file| file.sync_all()).doing(|| format!("sync {}", path.display()))?;
    stand_for(chain, at)?;
    match at.checked_sub(2) {
        None => exchange_link(&chain.dir, &lower.name, &chain.dir.join(HEAD)),
        Some(above) => {
            let path = chain.dir.join(&chain.layers[above].name);
            let args = ["rebase", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", lower.name.as_str()];
            tool.qemu_img(&args, &[path.as_os_str()], "take a merged layer out")
        }
    }
}

/// The lower layer has everything of the upper one: the snapshots of that one are its own.
fn stand_for(chain: &Chain, at: usize) -> Result<()> {
    let (upper, lower) = (&chain.layers[at - 1], &chain.layers[at]);
    chain
        .linked_to(&upper.name)
        .try_for_each(|moment| exchange_link(&chain.dir, &lower.name, &link(&chain.dir, moment)))
}

/// Writes what lies between a layer and `below` into the layer.
fn merge_up(chain: &Chain, into: usize, below: usize, tool: &Tool) -> Result<()> {
    let path = chain.dir.join(&chain.layers[into].name);
    let doing = "write lower layers into an upper one";
    match chain.below(below - 1) {
        // The path as it is seen from here; the name as it stays in the header.
        Some(backing) => {
            let args = ["rebase", "-q", "-f", "qcow2", "-F", backing.format, "-b", backing.name];
            tool.qemu_img(&args, &[path.as_os_str()], doing)?;
        }
        None => tool.qemu_img(&["rebase", "-q", "-f", "qcow2", "-b", ""], &[path.as_os_str()], doing)?,
    }
    repair(&path, tool)
}

/// Frees the clusters of a layer that nothing points to. Whoever writes to one and is killed leaves some; nothing else is
/// ever wrong afterwards.
fn repair(path: &Path, tool: &Tool) -> Result<()> {
    tool.qemu_img(&["check", "-q", "-r", "leaks", "-f", "qcow2"], &[path.as_os_str()], "repair a layer")
}

fn merge_down_live(chain: &Chain, at: usize, live: &mut dyn LiveDisk) -> Result<Tidied> {
    let (upper, lower) = (&chain.layers[at - 1], &chain.layers[at]);
    let doing = vm("merge a layer of a running VM into the one below it");
    if live.commit_layer(&chain.node(&upper.name), &chain.node(&lower.name), &lower.name).map_err(doing)? {
        stand_for(chain, at)?;
    }
    Ok(Tidied::More)
}

fn merge_up_live(chain: &Chain, into: usize, below: usize, live: &mut dyn LiveDisk) -> Result<Tidied> {
    let upper = chain.node(&chain.layers[into].name);
    let backing = chain.below(below - 1).map(|backing| backing.name);
    let base = backing.map(|name| chain.node(name));
    let doing = vm("write lower layers of a running VM into an upper one");
    live.stream_layer(&upper, base.as_deref(), backing).map_err(doing)?;
    Ok(Tidied::More)
}

/// Lets a link lead to a layer, in place of what it led to.
pub(super) fn exchange_link(dir: &Path, layer: &str, link: &Path) -> Result<()> {
    let scratch = dir.join(".link");
    remove_tree(&scratch)?;
    symlink(layer, &scratch).doing(|| format!("make a link to {layer}"))?;
    exchange(dir, &scratch, link)
}

fn vm(doing: &str) -> impl FnOnce(String) -> Error + '_ {
    move |message| Error::Vm { doing: doing.to_owned(), message }
}
