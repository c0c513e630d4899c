//! What lies on this node's backends and is no volume, and volumes that are to become that.

use std::sync::Arc;

use agent_api::block::{UnmanagedSnapshot, UnmanagedVolume, Volume, VolumeSeen, VolumeSource};
use serde::Serialize;
use serde_json::Value as Json;
use storage::{GIB, VolumeBackend};
use types::{ServerId, VolumeId};

use super::Ensured;
use crate::effects::Effects;
use crate::trouble::Trouble;
use crate::vms::words;

/// Looks at what a volume is to be made of.
pub(super) fn measure(backend: &dyn VolumeBackend, name: &str) -> Result<Ensured, Trouble> {
    let found = backend.find_unmanaged(name)?;
    if let Some(why) = found.refused {
        return Err(format!("{name:?} cannot be managed: {why}").into());
    }
    let seen = VolumeSeen { size_gib: found.size_bytes.div_ceil(GIB), ..VolumeSeen::default() };
    Ok(Ensured { seen, again: None })
}

/// Makes a volume be none any more, unless a VM has it.
pub(super) fn ensure(
    effects: &mut Effects,
    backend: &dyn VolumeBackend,
    volume: &Volume,
    servers: &[ServerId],
) -> Result<Ensured, Trouble> {
    for server in servers {
        if effects.hypervisor.observe(*server).map_err(words)?.disks.contains(&volume.id) {
            return Err(format!("VM {server} still has it").into());
        }
    }
    let from = match &volume.source {
        VolumeSource::Unmanaged(name) => Some(name.as_str()),
        _ => None,
    };
    backend.ensure_unmanaged(volume.id, from)?;
    Ok(Ensured { seen: VolumeSeen { unmanaged: true, ..VolumeSeen::default() }, again: None })
}

/// All that lies on a backend and is no volume.
pub fn volumes(backend: &Arc<dyn VolumeBackend>) -> Result<Json, String> {
    let all = backend.observe_unmanaged().map_err(words)?.into_iter();
    let shown = all.map(|found| UnmanagedVolume {
        name: found.name,
        size_gib: found.size_bytes.div_ceil(GIB),
        refused: found.refused,
    });
    json(shown.collect::<Vec<_>>())
}

/// The unmanaged snapshots of these volumes. One that went meanwhile has none.
pub fn snapshots(backend: &Arc<dyn VolumeBackend>, volumes: &[VolumeId]) -> Result<Json, String> {
    let mut shown = Vec::new();
    for volume in volumes {
        let found = match backend.observe_unmanaged_snapshots(*volume) {
            Err(storage::Error::NoVolume(_)) => Vec::new(),
            // One that is damaged, or being changed, hides no others.
            Err(error) => {
                tracing::warn!("the unmanaged snapshots of volume {volume} are not listed: {}", words(error));
                Vec::new()
            }
            Ok(found) => found,
        };
        shown.extend(found.into_iter().map(|found| UnmanagedSnapshot {
            volume: *volume,
            name: found.name,
            size_gib: found.size_bytes.div_ceil(GIB),
        }));
    }
    json(shown)
}

fn json(value: impl Serialize) -> Result<Json, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}
