//! A volume that goes to another backend while a VM has it. The VM writes it there, too, until both are equal; then it is
//! decided, by a record of this node's, that the volume is there, and the VM has it there alone.

use std::time::Duration;

use agent_api::block::{Elsewhere, Volume};
use hypervisor::{Exchange, Hypervisor, Mirrored};
use types::{CopyId, ServerId, VolumeId};

use crate::effects::Effects;
use crate::trouble::Trouble;
use crate::vms::words;

/// How often a mirror is looked at, though what becomes of it is an event: whoever waits is told how far it is.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// Brings to its end what was interrupted, before anything else is done to a volume: what was begun of an exchange, a mirror
/// that is not wanted any more, and a record that says what the document says, too.
pub(super) fn settle(effects: &mut Effects, volume: &Volume, servers: &[ServerId]) -> Result<(), Trouble> {
    for server in servers {
        let begun = effects.hypervisor.exchanging(*server).filter(|begun| begun.volume == volume.id);
        if let Some(begun) = begun {
            exchange(effects, *server, &begun)?;
        }
    }
    let is_wanted = |wish: &Elsewhere| wish.wanted && wish.mirror.is_some();
    let is_decided = effects.moved.backend(volume.id).is_some();
    if volume.elsewhere.as_ref().is_some_and(|wish| is_decided || !is_wanted(wish))
        && let Some(server) = holder(effects.hypervisor.as_mut(), volume.id, servers)?
    {
        effects.hypervisor.end_mirror(server, volume.id).map_err(trouble)?;
    }
    let said = volume.backend.as_deref().unwrap_or(effects.backends.default_name());
    let is_given_up = !is_decided && volume.elsewhere.as_ref().is_some_and(|wish| !is_wanted(wish));
    if is_given_up || effects.moved.backend(volume.id) == Some(said) {
        effects.moved.forget(volume.id).map_err(|error| format!("cannot forget where it was: {error}"))?;
    }
    Ok(())
}

/// Has the VM take a volume to another backend, and tells how far it is, in percent. Once it is there, the record says so.
/// Where the VM that has it is to run and does not, it starts again.
pub(super) fn ensure(
    effects: &mut Effects,
    volume: &Volume,
    (to, id): (&str, CopyId),
    (servers, is_to_run): (&[ServerId], bool),
) -> Result<u8, Trouble> {
    check(volume)?;
    let Some(server) = holder(effects.hypervisor.as_mut(), volume.id, servers)? else {
        return Err(Trouble { words: "no server that runs has it".to_owned(), passes: is_to_run });
    };
    match effects.hypervisor.mirrored(server, volume.id, id).map_err(trouble)? {
        None => begin(effects, server, volume.id, (to, id)),
        Some(Mirrored::Going { percent }) => Ok(percent),
        Some(Mirrored::Failed(reason)) => Err(format!("its server cannot take it there: {reason}").into()),
        Some(Mirrored::Equal) => {
            let wanted = Exchange { volume: volume.id, id, to: to.to_owned() };
            let prepared = effects.moved.prepare(volume.id, to);
            prepared.map_err(|error| format!("it cannot be noted where it goes: {error}"))?;
            match exchange(effects, server, &wanted)? {
                true => Ok(100),
                false => Err("its server did not come to an end with it".to_owned().into()),
            }
        }
    }
}

/// What lies there already is of no worth: an earlier mirror may have been interrupted.
fn begin(
    effects: &mut Effects,
    server: ServerId,
    volume: VolumeId,
    (to, id): (&str, CopyId),
) -> Result<u8, Trouble> {
    effects.hypervisor.end_mirror(server, volume).map_err(trouble)?;
    let backend = effects.backends.named(Some(to))?;
    backend.repair(volume)?;
    backend.ensure_ours(volume)?;
    let tree = backend.blockdev(volume)?;
    effects.hypervisor.begin_mirror(server, volume, (id, &tree)).map_err(trouble)?;
    Ok(0)
}

fn exchange(effects: &mut Effects, server: ServerId, wanted: &Exchange) -> Result<bool, Trouble> {
    let Effects { hypervisor, moved, .. } = effects;
    let mut record = || moved.record(wanted.volume, &wanted.to);
    let exchanged = hypervisor.exchange_disk(server, wanted, &mut record).map_err(trouble)?;
    if exchanged {
        tracing::info!("volume {} is on {} now, and VM {server} has it there", wanted.volume, wanted.to);
    }
    Ok(exchanged)
}

fn check(volume: &Volume) -> Result<(), String> {
    let what = match volume {
        Volume { encryption: Some(_), .. } => "it is encrypted",
        Volume { multiattach: true, .. } => "it is for several servers",
        Volume { snapshots, .. } if !snapshots.is_empty() => "it has snapshots",
        _ => return Ok(()),
    };
    Err(format!("{what}, so that no server can take it there"))
}

/// The VM that has a volume.
fn holder(
    hypervisor: &mut dyn Hypervisor,
    volume: VolumeId,
    servers: &[ServerId],
) -> Result<Option<ServerId>, Trouble> {
    for server in servers {
        if hypervisor.observe(*server).map_err(trouble)?.disks.contains(&volume) {
            return Ok(Some(*server));
        }
    }
    Ok(None)
}

/// A VM that does not answer, or is busy with its disks, does so later.
fn trouble(error: hypervisor::Error) -> Trouble {
    use hypervisor::Error::{Exchanging, Merging, Unresponsive};

    let passes = matches!(error, Unresponsive { .. } | Merging | Exchanging);
    Trouble { words: words(error), passes }
}
