//! Snapshots of several volumes at one moment.

use std::sync::Arc;

use agent_api::block::Volume;
use agent_api::compute::Vm;
use hypervisor::Power;
use storage::Snapshot;
use types::{ServerId, SnapshotId};

use super::{as_live, backend_name, vms_with};
use crate::effects::Effects;
use crate::trouble::Trouble;
use crate::vms::words;

/// Takes a snapshot of each of these volumes, while no VM that has one of them writes. Those that are all there already
/// stay; where some are, the others would be of another moment.
pub fn take_together(
    effects: &mut Effects,
    members: &[(Arc<Volume>, SnapshotId)],
    vms: &[Arc<Vm>],
) -> Result<(), Trouble> {
    let mut there = 0;
    for (volume, snapshot) in members {
        let backend = effects.backends.named(backend_name(effects, volume))?;
        let state = backend.observe_volume(volume.id)?;
        let state = state.ok_or_else(|| format!("volume {} is not there", volume.id))?;
        there += usize::from(state.snapshots.contains(snapshot));
    }
    match there {
        0 => {}
        all if all == members.len() => return Ok(()),
        _ => return Err("not all snapshots that were to be of one moment could be made".to_owned().into()),
    }
    let servers: Vec<ServerId> = vms.iter().map(|vm| vm.id).collect();
    let (mut still, mut taken) = (Vec::new(), Ok(()));
    for server in &servers {
        taken = hold(effects, *server, members, &mut still);
        if taken.is_err() {
            break;
        }
    }
    taken = taken.and_then(|()| take(effects, members, &servers));
    for server in still {
        // One that stays paused is resumed when it is looked at: it is wanted to run.
        if let Err(error) = effects.hypervisor.resume(server) {
            tracing::error!("cannot let VM {server} go on after a snapshot: {}", words(error));
        }
    }
    taken
}

/// Pauses a VM if it runs and has one of the volumes, be it one that it is about to let go of.
fn hold(
    effects: &mut Effects,
    server: ServerId,
    members: &[(Arc<Volume>, SnapshotId)],
    still: &mut Vec<ServerId>,
) -> Result<(), Trouble> {
    let seen = effects.hypervisor.observe(server).map_err(words)?;
    let has_one = members.iter().any(|(volume, _)| seen.disks.contains(&volume.id));
    if has_one && seen.power == Power::Running {
        effects.hypervisor.pause(server).map_err(words)?;
        still.push(server);
    }
    Ok(())
}

/// Takes them all, or leaves none.
fn take(
    effects: &mut Effects,
    members: &[(Arc<Volume>, SnapshotId)],
    servers: &[ServerId],
) -> Result<(), Trouble> {
    let backends = effects.backends.clone();
    let mut each = |(volume, id): &(Arc<Volume>, SnapshotId), wanted: bool| -> Result<(), Trouble> {
        let backend = backends.named(backend_name(effects, volume))?;
        let mut live = vms_with(effects, volume, servers)?;
        let at = Snapshot { volume: volume.id, id: *id };
        match wanted {
            true => backend.ensure_snapshot(at, as_live(&mut live))?,
            false => backend.remove_snapshot(at, as_live(&mut live))?,
        }
        Ok(())
    };
    let taken = members.iter().try_for_each(|member| each(member, true));
    if taken.is_err() {
        for member in members {
            if let Err(Trouble { words, .. }) = each(member, false) {
                tracing::error!("snapshot {} of volume {} is left: {words}", member.1, member.0.id);
            }
        }
    }
    taken
}
