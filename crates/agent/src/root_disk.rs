//! The root disk of a VM: a volume that has no document of its own, for the VM's says what it should be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agent_api::block::{Volume, VolumeSource};
use agent_api::compute::{RootDisk, Vm};
use storage::{GIB, NewVolume, Snapshot, Source, VolumeBackend};
use types::{ServerId, SnapshotId, VolumeId};

use crate::effects::Effects;
use crate::vms::words;
use crate::volumes;

/// How long the root disk rests whose snapshots cannot be made as wanted.
const RETRY: Duration = Duration::from_secs(5);

/// What the agent knows of a root disk since it was started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RootSeen {
    /// Its snapshots.
    pub snapshots: BTreeSet<SnapshotId>,
    /// Why they are not those that are wanted.
    pub trouble: Option<String>,
    /// Whether it has no snapshot and nothing is to be tidied, so that it need not be looked at.
    rests: bool,
}

/// The volume that is a server's own root disk.
pub fn volume_id(id: ServerId) -> VolumeId {
    VolumeId(id.0)
}

/// A moment of a root disk.
pub fn snapshot(server: ServerId, id: SnapshotId) -> Snapshot {
    Snapshot { volume: volume_id(server), id }
}

/// What a VM asks a backend to make for it, if it has a root disk of its own.
pub fn wanted(effects: &Effects, vm: &Vm) -> Option<(Arc<dyn VolumeBackend>, NewVolume)> {
    let root = vm.root_disk.as_ref()?;
    Some((effects.backends.shared_root_disks().clone(), new_volume(vm.id, root).ok()?))
}

/// A root disk that is to be made.
pub fn new_volume(server: ServerId, root: &RootDisk) -> Result<NewVolume, String> {
    let source = Source::Image { id: root.image.id, format: volumes::format(&root.image)? };
    Ok(NewVolume { id: volume_id(server), size_bytes: root.size_gib * GIB, source, multiattach: false })
}

/// Gives a root disk that is there the snapshots that are wanted, and says what it has and when to come again.
pub fn ensure(effects: &mut Effects, vm: &Vm, seen: &mut RootSeen) -> Option<Duration> {
    let root = vm.root_disk.as_ref()?;
    if seen.rests && root.snapshots.is_empty() {
        return None;
    }
    match ensure_volume(effects, vm.id, root) {
        Ok(None) => {
            *seen = RootSeen::default();
            None
        }
        Ok(Some(made)) => {
            let rests = made.again.is_none() && made.seen.snapshots.is_empty();
            *seen = RootSeen { snapshots: made.seen.snapshots, trouble: None, rests };
            made.again
        }
        Err(trouble) => {
            tracing::warn!("VM {}: cannot make the snapshots of its root disk: {trouble}", vm.id);
            seen.trouble = Some(trouble);
            seen.rests = false;
            Some(RETRY)
        }
    }
}

/// `None` where there is no disk yet: the VM's start makes it.
fn ensure_volume(
    effects: &mut Effects,
    server: ServerId,
    root: &RootDisk,
) -> Result<Option<volumes::Ensured>, String> {
    let volume = Volume {
        id: volume_id(server),
        backend: None,
        elsewhere: None,
        size_gib: root.size_gib,
        source: VolumeSource::Image(root.image.clone()),
        snapshots: root.snapshots.clone(),
        unmanaged: false,
        together: Default::default(),
        managed_snapshots: Default::default(),
        unmanaged_snapshots: Default::default(),
        revert: None,
        encryption: None,
        read_only: false,
        multiattach: false,
        limits: Default::default(),
    };
    let backends = effects.backends.clone();
    let backend = backends.root_disks();
    if backend.observe_volume(volume.id).map_err(words)?.is_none() {
        return Ok(None);
    }
    let ensured = volumes::ensure_on(effects, backend, &volume, (&[server], false));
    ensured.map(Some).map_err(|trouble| trouble.words)
}
