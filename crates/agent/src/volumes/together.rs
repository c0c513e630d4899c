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
    let has_one =
        |vm: &&Arc<Vm>| vm.volumes.iter().any(|held| members.iter().any(|(volume, _)| volume.id == held.id));
    let servers: Vec<ServerId> = vms.iter().filter(has_one).map(|vm| vm.id).collect();
    let (mut still, mut taken) = (Vec::new(), Ok(()));
    for server in &servers {
        taken = hold(effects, *server, &mut still);
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

/// Pauses a VM if it runs.
fn hold(effects: &mut Effects, server: ServerId, still: &mut Vec<ServerId>) -> Result<(), Trouble> {
    if effects.hypervisor.observe(server).map_err(words)?.power == Power::Running {
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
    let at = |(volume, id): &(Arc<Volume>, SnapshotId)| Snapshot { volume: volume.id, id: *id };
    let mut taken = Ok(());
    let mut tried = 0;
    for member in members {
        let backend = backends.named(backend_name(effects, &member.0))?;
        let mut live = vms_with(effects, &member.0, servers)?;
        tried += 1;
        taken = backend.ensure_snapshot(at(member), as_live(&mut live)).map_err(Trouble::from);
        if taken.is_err() {
            break;
        }
    }
    if taken.is_err() {
        for member in &members[..tried] {
            let backend = backends.named(backend_name(effects, &member.0))?;
            let mut live = vms_with(effects, &member.0, servers)?;
            backend.remove_snapshot(at(member), as_live(&mut live))?;
        }
    }
    taken
}
