//! The volumes of this node: makes each as its document says, and says what is there.

mod elsewhere;
mod mirror;
#[cfg(test)]
mod tests;
mod together;
pub mod unmanaged;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_api::block::{Encryption, Limits, Volume, VolumeSeen, VolumeSource};
use agent_api::compute::{Power, Vm};
use hypervisor::{Hypervisor, Merge};
use serde_json::Value as Json;
use storage::luks::{Luks, header_bytes};
use storage::{DiskFormat, GIB, LiveDisk, NewVolume, Snapshot, Source, Tidied, VolumeBackend, VolumeState};
use types::{ServerId, SnapshotId, VolumeId};

use crate::effects::Effects;
use crate::trouble::Trouble;
use crate::vms::words;

pub use elsewhere::{
    blockdev as elsewhere, check_replaced, luks as luks_elsewhere, size_bytes as size_elsewhere,
};
pub use together::take_together;

/// How often a merge of a volume that no VM has is looked at.
const MERGE_LOOK: Duration = Duration::from_secs(1);
/// How often one that a VM makes is, though its end is an event.
const LIVE_MERGE_LOOK: Duration = Duration::from_secs(20);
/// How long a merge that failed rests: somebody reads the layers, or there is no room.
const MERGE_RETRY: Duration = Duration::from_secs(30);

/// A volume that is as its document says.
pub struct Ensured {
    /// What there is.
    pub seen: VolumeSeen,
    /// When to come again for what need not be done at once.
    pub again: Option<Duration>,
}

/// The name of the backend that has a volume: what this node decided, or else its document's word.
pub fn backend_name<'v>(effects: &'v Effects, volume: &'v Volume) -> Option<&'v str> {
    effects.moved.backend(volume.id).or(volume.backend.as_deref())
}

/// What a document asks a backend to make; `None` where [`ensure`] tells what is wrong with it.
pub fn wanted(effects: &Effects, volume: &Volume) -> Option<(Arc<dyn VolumeBackend>, NewVolume)> {
    let backend = effects.backends.shared(backend_name(effects, volume)).ok()?;
    // What is to be none any more needs no image.
    let source = source(&volume.source).ok().filter(|_| !volume.unmanaged)?;
    Some((backend.clone(), new_volume(volume, source)))
}

fn new_volume(volume: &Volume, source: Source) -> NewVolume {
    let Volume { id, multiattach, .. } = *volume;
    NewVolume { id, size_bytes: size_of(volume), source, multiattach }
}

/// How many bytes a volume should have on its backend.
fn size_of(volume: &Volume) -> u64 {
    volume.size_gib * GIB + header_of(volume.encryption.as_ref())
}

/// Makes a volume as its document says. `vms` are all VMs that are wanted on this node.
pub fn ensure(effects: &mut Effects, volume: &Volume, vms: &[Arc<Vm>]) -> Result<Ensured, Trouble> {
    let servers: Vec<ServerId> = vms.iter().map(|vm| vm.id).collect();
    mirror::settle(effects, volume, &servers)?;
    let backends = effects.backends.clone();
    let backend = backends.named(backend_name(effects, volume))?;
    let is_to_run =
        |vm: &Arc<Vm>| vm.power == Power::On && vm.volumes.iter().any(|held| held.id == volume.id);
    ensure_on(effects, backend, volume, (&servers, vms.iter().any(is_to_run)))
}

/// Makes a volume on this backend as it should be. One of the VMs of `servers` may have it, or several.
pub fn ensure_on(
    effects: &mut Effects,
    backend: &dyn VolumeBackend,
    volume: &Volume,
    (servers, is_to_run): (&[ServerId], bool),
) -> Result<Ensured, Trouble> {
    if volume.unmanaged {
        return unmanaged::ensure(effects, backend, volume, servers);
    }
    let (disk_bytes, size_bytes) = (volume.size_gib * GIB, size_of(volume));
    let mut live = vms_with(effects, volume, servers)?;
    match &mut live {
        Some(disk) if !disk.is_simulated => {
            check_replaced(backend, volume)?;
            backend.ensure_live(volume.id, disk)?;
            disk.limit(&volume.limits)?;
        }
        _ => {
            elsewhere::replace(backend, volume)?;
            if let VolumeSource::Unmanaged(name) = &volume.source
                && volume.size_gib == 0
            {
                return unmanaged::measure(backend, name);
            }
            ensure_made(backend, volume)?;
        }
    }
    let there = observe(backend, volume)?;
    if there.multiattach != volume.multiattach {
        return Err("a server has it, so that it cannot come to be for one or for several".to_owned().into());
    }
    let grows = there.size_bytes < size_bytes;
    match &mut live {
        Some(disk) if !disk.is_simulated => {
            if grows {
                check_room(backend)?;
            }
            // Of several VMs each is told, though it grew with the first.
            if grows || volume.multiattach {
                disk.resize(disk_bytes)?;
            }
        }
        _ if grows => backend.ensure_size(volume.id, size_bytes)?,
        _ => {}
    }
    let at = |id| Snapshot { volume: volume.id, id };
    let revert = volume.revert.as_ref().filter(|revert| there.reverted.as_ref() != Some(&revert.token));
    if let Some(revert) = revert {
        if live.is_some() {
            return Err("its VM runs and has it".to_owned().into());
        }
        backend.ensure_reverted(at(revert.snapshot), &revert.token)?;
    }
    ensure_snapshots(backend, volume, &there.snapshots, &mut live)?;
    let again = tidy(backend, volume, &mut live);
    let (elsewhere, later) = elsewhere::ensure(effects, volume, (servers, is_to_run));
    let is_untouched =
        !grows && revert.is_none() && volume.elsewhere.is_none() && has_snapshots(&there, volume);
    let now = if is_untouched { there } else { observe(backend, volume)? };
    let seen = VolumeSeen {
        size_gib: now.size_bytes.saturating_sub(header_of(volume.encryption.as_ref())) / GIB,
        snapshots: now.snapshots.into_iter().collect(),
        reverted: now.reverted,
        elsewhere,
        unmanaged: false,
        unmanaged_snapshots: volume.unmanaged_snapshots.clone(),
    };
    let again = again.into_iter().chain(later).min();
    Ok(Ensured { seen, again })
}

/// Whether the snapshots that there are are those that are wanted, so that none came or went.
fn has_snapshots(there: &VolumeState, volume: &Volume) -> bool {
    let found: BTreeSet<&SnapshotId> = there.snapshots.iter().collect();
    volume.unmanaged_snapshots.is_empty() && found == volume.snapshots.iter().collect()
}

/// Merges layers that nobody needs; tells when to come again. What a merge says is for the operator: the volume is as it
/// should be with or without it.
fn tidy(backend: &dyn VolumeBackend, volume: &Volume, live: &mut Option<VmDisk<'_>>) -> Option<Duration> {
    // A mirror needs the layers as they are, and the volume leaves them behind.
    if volume.elsewhere.as_ref().is_some_and(|wish| wish.mirror.is_some()) {
        return None;
    }
    match backend.tidy(volume.id, as_live(live)) {
        Ok(Tidied::Done) => None,
        Ok(Tidied::More) if live.is_some() => Some(LIVE_MERGE_LOOK),
        Ok(Tidied::More) => Some(MERGE_LOOK),
        Err(error) => {
            tracing::warn!("volume {} keeps layers that nobody needs for now: {}", volume.id, words(error));
            Some(MERGE_RETRY)
        }
    }
}

fn ensure_made(backend: &dyn VolumeBackend, volume: &Volume) -> Result<(), Trouble> {
    let source = match &volume.source {
        VolumeSource::Unmanaged(name) => {
            backend.ensure_managed(volume.id, name, size_of(volume))?;
            Source::Blank
        }
        made_of => source(made_of)?,
    };
    Ok(backend.ensure_volume(&new_volume(volume, source))?)
}

fn ensure_snapshots(
    backend: &dyn VolumeBackend,
    volume: &Volume,
    there: &[SnapshotId],
    live: &mut Option<VmDisk<'_>>,
) -> Result<(), Trouble> {
    let at = |id| Snapshot { volume: volume.id, id };
    for id in &volume.unmanaged_snapshots {
        backend.ensure_snapshot_unmanaged(at(*id))?;
    }
    let stays = |id: &&SnapshotId| !volume.unmanaged_snapshots.contains(id);
    for id in there.iter().filter(stays).filter(|id| !volume.snapshots.contains(id)) {
        backend.remove_snapshot(at(*id), as_live(live))?;
    }
    for id in volume.snapshots.iter().filter(stays).filter(|id| !there.contains(id)) {
        match volume.managed_snapshots.get(id) {
            Some(name) => backend.ensure_snapshot_managed(at(*id), name)?,
            None => backend.ensure_snapshot(at(*id), as_live(live))?,
        }
    }
    Ok(())
}

/// What a guest does with a disk that grew takes room: none is promised where there is none.
fn check_room(backend: &dyn VolumeBackend) -> Result<(), Trouble> {
    match backend.capacity()? {
        capacity if capacity.free_bytes > 0 => Ok(()),
        _ => Err("the storage backend is full; free some space or add a disk".to_owned().into()),
    }
}

fn as_live<'d>(disk: &'d mut Option<VmDisk<'_>>) -> Option<&'d mut dyn LiveDisk> {
    disk.as_mut().map(|disk| disk as &mut dyn LiveDisk)
}

/// The disk of a running VM that shows a volume.
struct VmDisk<'e> {
    hypervisor: &'e mut dyn Hypervisor,
    server: ServerId,
    /// The other VMs that have it: such a volume has no layers.
    others: Vec<ServerId>,
    volume: VolumeId,
    is_encrypted: bool,
    /// Whether nothing is open, so that nothing is changed through it.
    is_simulated: bool,
}

impl VmDisk<'_> {
    fn limit(&mut self, limits: &Limits) -> Result<(), String> {
        let VmDisk { hypervisor, server, others, volume, .. } = self;
        let mut all = std::iter::once(&*server).chain(&*others);
        all.try_for_each(|server| hypervisor.limit_disk(*server, *volume, limits)).map_err(words)
    }

    fn resize(&mut self, size_bytes: u64) -> Result<(), String> {
        let VmDisk { hypervisor, server, others, volume, .. } = self;
        let mut all = std::iter::once(&*server).chain(&*others);
        all.try_for_each(|server| hypervisor.resize_disk(*server, *volume, size_bytes)).map_err(words)
    }

    fn merge(&mut self, merge: &Merge<'_>) -> Result<bool, String> {
        self.hypervisor.merge_layers(self.server, self.volume, merge).map_err(words)
    }
}

impl LiveDisk for VmDisk<'_> {
    fn layers(&mut self) -> Result<Vec<String>, String> {
        Ok(self.hypervisor.layers(self.server).map_err(words)?.unwrap_or_default())
    }

    fn push_layer(&mut self, layer: &Json, over: &str) -> Result<(), String> {
        self.hypervisor.push_layer(self.server, layer, over).map_err(words)
    }

    fn commit_layer(&mut self, top: &str, base: &str, backing_file: &str) -> Result<bool, String> {
        self.merge(&Merge::Down { top, base, backing_file })
    }

    fn can_commit(&self) -> bool {
        !self.is_encrypted
    }

    fn stream_layer(
        &mut self,
        top: &str,
        base: Option<&str>,
        backing_file: Option<&str>,
    ) -> Result<(), String> {
        self.merge(&Merge::Up { top, base, backing_file }).map(drop)
    }
}

/// Removes a volume, unless one of `vms` still has it. Where its document is lost, it is looked for in every backend.
pub fn remove(
    effects: &mut Effects,
    id: VolumeId,
    volume: Option<&Volume>,
    vms: &[Arc<Vm>],
) -> Result<(), Trouble> {
    for vm in vms {
        if effects.hypervisor.observe(vm.id).map_err(words)?.disks.contains(&id) {
            return Err(format!("VM {} still has it", vm.id).into());
        }
    }
    match volume {
        // Its bytes stay.
        Some(volume) if volume.unmanaged => Ok(()),
        Some(volume) => {
            let elsewhere = volume.elsewhere.as_ref();
            let elsewhere = elsewhere.map(|wish| (Some(wish.backend.as_str()), wish.id.unwrap_or(id)));
            let moved = effects.moved.backend(id).map(|name| (Some(name), id));
            let all = elsewhere.into_iter().chain(moved).chain([(volume.backend.as_deref(), id)]);
            for (name, id) in all {
                effects.backends.named(name)?.remove_volume(id)?;
            }
            forget(effects, id)
        }
        None => {
            effects.backends.all().try_for_each(|(_, backend)| backend.remove_volume(id))?;
            forget(effects, id)
        }
    }
}

fn forget(effects: &mut Effects, id: VolumeId) -> Result<(), Trouble> {
    Ok(effects.moved.forget(id).map_err(|error| format!("cannot forget where it was: {error}"))?)
}

/// The volumes that a volume is a clone of, and those that they are clones of: they may merge layers once it is gone.
pub fn ancestors(volume: &Volume, all: &BTreeMap<VolumeId, Arc<Volume>>) -> BTreeSet<VolumeId> {
    let mut found = BTreeSet::new();
    let mut source = Some(&volume.source);
    while let Some(VolumeSource::Snapshot { volume, .. }) = source
        && found.insert(*volume)
    {
        source = all.get(volume).map(|volume| &volume.source);
    }
    found
}

/// Removes what no document knows from the backends that are this node's own.
pub fn collect(effects: &mut Effects, is_known: impl Fn(VolumeId) -> bool) {
    for (name, backend) in effects.backends.all() {
        let volumes = if backend.is_shared() { Ok(Vec::new()) } else { backend.observe_volumes() };
        for id in volumes.unwrap_or_default().into_iter().filter(|id| !is_known(*id)) {
            tracing::warn!("removing volume {id} of {name}, which no document knows");
            if let Err(error) = backend.remove_volume(id) {
                tracing::error!("cannot remove volume {id}: {error}");
            }
        }
        if let Err(error) = backend.sweep() {
            tracing::error!("cannot sweep the volumes of {name}: {error}");
        }
    }
}

fn observe(backend: &dyn VolumeBackend, volume: &Volume) -> Result<VolumeState, Trouble> {
    let state = backend.observe_volume(volume.id)?;
    Ok(state.ok_or_else(|| format!("volume {} vanished from its backend", volume.id))?)
}

/// The running VMs that have a volume open, which then is changed through them. A simulated VM has nothing open; it counts
/// where one that has it open would be in the way.
fn vms_with<'e>(
    effects: &'e mut Effects,
    volume: &Volume,
    servers: &[ServerId],
) -> Result<Option<VmDisk<'e>>, String> {
    let hypervisor = effects.hypervisor.as_mut();
    let (is_encrypted, is_for_several) = (volume.encryption.is_some(), volume.multiattach);
    let volume = volume.id;
    let (mut found, mut is_simulated) = (Vec::new(), false);
    for server in servers.iter().copied() {
        if !hypervisor.observe(server).map_err(words)?.disks.contains(&volume) {
            continue;
        }
        let is_open = hypervisor.layers(server).map_err(words)?.is_some();
        if is_open || is_for_several {
            is_simulated = !is_open;
            found.push(server);
            if !is_for_several {
                break;
            }
        }
    }
    let mut found = found.into_iter();
    let first = found.next();
    let others = found.collect();
    Ok(first.map(|server| VmDisk { hypervisor, server, others, volume, is_encrypted, is_simulated }))
}

/// How much larger a volume with this encryption is than its disk.
fn header_of(encryption: Option<&Encryption>) -> u64 {
    encryption.map_or(0, |encryption| header_bytes(encryption.key_size_bits))
}

/// With what a volume is encrypted; `None` as long as the control plane has not sent its passphrase.
pub fn luks(encryption: &Encryption) -> Option<Luks> {
    let passphrase = encryption.passphrase.clone()?;
    let Encryption { cipher, key_size_bits, .. } = encryption;
    Some(Luks { passphrase, cipher: cipher.clone(), key_size_bits: *key_size_bits })
}

fn source(source: &VolumeSource) -> Result<Source, String> {
    Ok(match source {
        VolumeSource::Blank => Source::Blank,
        VolumeSource::Image(image) => Source::Image { id: image.id, format: format(image)? },
        VolumeSource::Snapshot { volume, id } => Source::Snapshot(Snapshot { volume: *volume, id: *id }),
        VolumeSource::Unmanaged(name) => return Err(format!("nothing is made of {name:?}, which is there")),
    })
}

/// The format that disks are made of.
pub fn format(image: &agent_api::block::ImageSource) -> Result<DiskFormat, String> {
    let unusable =
        |_| format!("image {} has format {}, which no disk can be made of", image.id, image.format);
    image.format.parse().map_err(unusable)
}
