//! A volume beside itself: on another backend of this node than its own, or on its own under another id. It is made there to
//! be copied or mirrored to, takes the volume's place or is removed. Whatever goes wrong there leaves the volume itself as it
//! is.

#[cfg(test)]
mod tests;

use std::time::Duration;

use agent_api::block::{Elsewhere, ElsewhereSeen, Encryption, Volume};
use serde_json::Value as Json;
use storage::luks::Luks;
use storage::{GIB, NewVolume, Source, VolumeBackend};
use types::{ServerId, VolumeId};

use super::{backend_name, mirror};
use crate::effects::Effects;
use crate::trouble::Trouble;

/// How long what failed rests.
const RETRY: Duration = Duration::from_secs(5);

/// Lets what was copied take the volume's place, if it should: before all else that is done with the volume.
pub(super) fn replace(backend: &dyn VolumeBackend, volume: &Volume) -> Result<(), Trouble> {
    replacement(volume).map_or(Ok(()), |by| Ok(backend.ensure_replaced(volume.id, by)?))
}

/// Refuses a volume whose place is still to be taken: its bytes are not what the document says of them.
pub fn check_replaced(backend: &dyn VolumeBackend, volume: &Volume) -> Result<(), Trouble> {
    let Some(by) = replacement(volume) else { return Ok(()) };
    match backend.observe_volume(volume.id)?.and_then(|there| there.reverted) {
        Some(token) if token == by.to_string() => Ok(()),
        _ => Err(format!("volume {} is being replaced", volume.id).into()),
    }
}

fn replacement(volume: &Volume) -> Option<VolumeId> {
    volume.elsewhere.as_ref().filter(|wish| wish.replaces)?.id
}

/// Makes what is elsewhere as it is wanted there, and says whether it is and when to come again.
pub(super) fn ensure(
    effects: &mut Effects,
    volume: &Volume,
    servers: (&[ServerId], bool),
) -> (Option<ElsewhereSeen>, Option<Duration>) {
    let Some(wish) = &volume.elsewhere else { return (None, None) };
    let seen = ElsewhereSeen { wish: wish.without_secrets(), error: None, percent: 0, arrived: false };
    if has_arrived(effects, volume, wish) {
        return (Some(ElsewhereSeen { percent: 100, arrived: true, ..seen }), None);
    }
    let done = match (wish.wanted, wish.mirror) {
        (true, None) => make(effects, volume, wish).map(|()| None),
        (true, Some(id)) => mirror::ensure(effects, volume, (&wish.backend, id), servers).map(Some),
        (false, _) => remove(effects, volume, wish).map(|()| None),
    };
    match done {
        Ok(None) => (Some(seen), None),
        Ok(Some(percent)) => {
            let arrived = has_arrived(effects, volume, wish);
            (Some(ElsewhereSeen { percent, arrived, ..seen }), (!arrived).then_some(mirror::LOOK))
        }
        Err(trouble) => {
            tracing::warn!("volume {} on the backend {}: {}", volume.id, wish.backend, trouble.words);
            let error = (!trouble.passes).then_some(trouble.words);
            (error.map(|error| ElsewhereSeen { error: Some(error), ..seen }), Some(RETRY))
        }
    }
}

/// Whether this node decided that the volume is there, which its document does not say yet.
fn has_arrived(effects: &Effects, volume: &Volume, wish: &Elsewhere) -> bool {
    wish.id.is_none() && effects.moved.backend(volume.id) == Some(&wish.backend)
}

fn make(effects: &Effects, volume: &Volume, wish: &Elsewhere) -> Result<(), Trouble> {
    let id = id_there(effects, volume, wish)?;
    let backends = &effects.backends;
    let own = backends.named(backend_name(effects, volume))?;
    if !own.observe_unmanaged_snapshots(volume.id)?.is_empty() {
        return Err("it has unmanaged snapshots, which would stay behind".to_owned().into());
    }
    let size_bytes = size_bytes(volume);
    let new = NewVolume { id, size_bytes, source: Source::Blank, multiattach: wish.multiattach };
    Ok(backends.named(Some(&wish.backend))?.ensure_volume(&new)?)
}

/// How large it is there.
pub fn size_bytes(volume: &Volume) -> u64 {
    volume.size_gib * GIB + super::header_of(encryption(volume))
}

/// With what it is encrypted there.
fn encryption(volume: &Volume) -> Option<&Encryption> {
    let anew = volume.elsewhere.as_ref().and_then(|wish| wish.anew.as_ref());
    anew.map_or(volume.encryption.as_ref(), |anew| anew.encryption.as_ref())
}

/// Removes what there is of a volume elsewhere.
fn remove(effects: &Effects, volume: &Volume, wish: &Elsewhere) -> Result<(), Trouble> {
    let id = id_there(effects, volume, wish)?;
    Ok(effects.backends.named(Some(&wish.backend))?.remove_volume(id)?)
}

/// The id that it has there. Nothing that is done elsewhere may be done to the volume itself.
fn id_there(effects: &Effects, volume: &Volume, wish: &Elsewhere) -> Result<VolumeId, String> {
    let own = backend_name(effects, volume).unwrap_or(effects.backends.default_name());
    let id = wish.id.unwrap_or(volume.id);
    match own == wish.backend && id == volume.id {
        true => Err("it is the volume's own backend".to_owned()),
        false => Ok(id),
    }
}

/// The tree of block nodes of what is elsewhere.
pub fn blockdev(effects: &Effects, volume: &Volume) -> Result<Json, Trouble> {
    let wish = volume.elsewhere.as_ref().filter(|wish| wish.wanted);
    let wish = wish.ok_or_else(|| format!("volume {} is not on its way anywhere", volume.id))?;
    let id = id_there(effects, volume, wish)?;
    Ok(effects.backends.named(Some(&wish.backend))?.blockdev(id)?)
}

/// With what it is encrypted there. The outer `None` is as [`super::luks`] has it, the inner one is for what is not encrypted.
pub fn luks(volume: &Volume) -> Option<Option<Luks>> {
    encryption(volume).map_or(Some(None), |encryption| super::luks(encryption).map(Some))
}
