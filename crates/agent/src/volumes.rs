//! The volumes of this node: makes each as its document says, and says what is there.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_api::block::{Volume, VolumeSeen, VolumeSource};
use agent_api::compute::Vm;
use storage::{DiskFormat, GIB, NewVolume, Snapshot, Source};
use types::{ServerId, VolumeId};

use crate::effects::Effects;
use crate::vms::words;

/// Makes a volume as its document says. `vms` are all VMs that are wanted on this node.
pub fn ensure(effects: &mut Effects, volume: &Volume, vms: &[Arc<Vm>]) -> Result<VolumeSeen, String> {
    let size_bytes = volume.size_gib * GIB;
    let new = NewVolume { id: volume.id, size_bytes, source: source(&volume.source)? };
    let backends = effects.backends.clone();
    let backend = backends.named(volume.backend.as_deref())?;
    backend.ensure_volume(&new).map_err(words)?;
    let there = observe(effects, volume)?;
    if there.size_bytes < size_bytes {
        match vm_with(effects, volume.id, vms)? {
            Some(server) => effects.hypervisor.resize_disk(server, volume.id, size_bytes).map_err(words)?,
            None => backend.ensure_size(volume.id, size_bytes).map_err(words)?,
        }
    }
    if let Some(revert) = &volume.revert
        && there.reverted.as_ref() != Some(&revert.token)
    {
        let to = Snapshot { volume: volume.id, id: revert.snapshot };
        backend.ensure_reverted(to, &revert.token).map_err(words)?;
    }
    let at = |id| Snapshot { volume: volume.id, id };
    for id in there.snapshots.iter().filter(|id| !volume.snapshots.contains(id)) {
        backend.remove_snapshot(at(*id), None).map_err(words)?;
    }
    for id in volume.snapshots.iter().filter(|id| !there.snapshots.contains(id)) {
        backend.ensure_snapshot(at(*id), None).map_err(words)?;
    }
    let now = observe(effects, volume)?;
    let snapshots: BTreeSet<_> = now.snapshots.into_iter().collect();
    Ok(VolumeSeen { size_gib: now.size_bytes / GIB, snapshots, reverted: now.reverted })
}

/// Removes a volume. Where its document is lost, it is looked for in every backend.
pub fn remove(effects: &mut Effects, id: VolumeId, volume: Option<&Volume>) -> Result<(), String> {
    match volume {
        Some(volume) => effects.backends.named(volume.backend.as_deref())?.remove_volume(id).map_err(words),
        None => effects.backends.all().try_for_each(|(_, backend)| backend.remove_volume(id).map_err(words)),
    }
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

fn observe(effects: &Effects, volume: &Volume) -> Result<storage::VolumeState, String> {
    let backend = effects.backends.named(volume.backend.as_deref())?;
    let state = backend.observe_volume(volume.id).map_err(words)?;
    state.ok_or_else(|| format!("volume {} vanished from its backend", volume.id))
}

/// The running VM that has a volume open, which then is changed through it.
fn vm_with(effects: &mut Effects, volume: VolumeId, vms: &[Arc<Vm>]) -> Result<Option<ServerId>, String> {
    for vm in vms {
        if effects.hypervisor.observe(vm.id).map_err(words)?.disks.contains(&volume) {
            return Ok(Some(vm.id));
        }
    }
    Ok(None)
}

fn source(source: &VolumeSource) -> Result<Source, String> {
    Ok(match source {
        VolumeSource::Blank => Source::Blank,
        VolumeSource::Image(image) => Source::Image { id: image.id, format: format(image)? },
        VolumeSource::Snapshot { volume, id } => Source::Snapshot(Snapshot { volume: *volume, id: *id }),
    })
}

/// The format that disks are made of.
pub fn format(image: &agent_api::block::ImageSource) -> Result<DiskFormat, String> {
    let unusable =
        |_| format!("image {} has format {}, which no disk can be made of", image.id, image.format);
    image.format.parse().map_err(unusable)
}
