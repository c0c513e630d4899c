//! A volume on another backend of this node than its own: made there to be copied to, removed where it is not to be any
//! more. Whatever goes wrong there leaves the volume itself as it is.

#[cfg(test)]
mod tests;

use std::time::Duration;

use agent_api::block::{Elsewhere, ElsewhereSeen, Volume};
use serde_json::Value as Json;
use storage::{GIB, NewVolume, Source};

use crate::backends::Backends;
use crate::trouble::Trouble;

/// How long what failed rests.
const RETRY: Duration = Duration::from_secs(5);

/// Makes the other backend have what is wanted there, and says whether it does and when to come again.
pub(super) fn ensure(backends: &Backends, volume: &Volume) -> (Option<ElsewhereSeen>, Option<Duration>) {
    let Some(wish) = volume.elsewhere.clone() else { return (None, None) };
    let done = match wish.wanted {
        true => make(backends, volume, &wish),
        false => remove(backends, volume),
    };
    let Err(trouble) = done else { return (Some(ElsewhereSeen { wish, error: None }), None) };
    tracing::warn!("volume {} on the backend {}: {}", volume.id, wish.backend, trouble.words);
    let error = (!trouble.passes).then_some(trouble.words);
    (error.map(|error| ElsewhereSeen { wish, error: Some(error) }), Some(RETRY))
}

fn make(backends: &Backends, volume: &Volume, wish: &Elsewhere) -> Result<(), Trouble> {
    check_another(backends, volume, wish)?;
    let own = backends.named(volume.backend.as_deref())?;
    if !own.observe_unmanaged_snapshots(volume.id)?.is_empty() {
        return Err("it has unmanaged snapshots, which would stay behind".to_owned().into());
    }
    let size_bytes = volume.size_gib * GIB + super::header_of(volume);
    let new = NewVolume { id: volume.id, size_bytes, source: Source::Blank, multiattach: wish.multiattach };
    Ok(backends.named(Some(&wish.backend))?.ensure_volume(&new)?)
}

/// Removes what the other backend has of a volume.
pub(super) fn remove(backends: &Backends, volume: &Volume) -> Result<(), Trouble> {
    let Some(wish) = &volume.elsewhere else { return Ok(()) };
    check_another(backends, volume, wish)?;
    Ok(backends.named(Some(&wish.backend))?.remove_volume(volume.id)?)
}

/// Nothing that is done elsewhere may be done to the volume itself.
fn check_another(backends: &Backends, volume: &Volume, wish: &Elsewhere) -> Result<(), String> {
    let own = volume.backend.as_deref().unwrap_or(backends.default_name());
    match own == wish.backend {
        true => Err("it is the volume's own backend".to_owned()),
        false => Ok(()),
    }
}

/// The tree of block nodes of what the other backend has.
pub fn blockdev(backends: &Backends, volume: &Volume) -> Result<Json, Trouble> {
    let wish = volume.elsewhere.as_ref().filter(|wish| wish.wanted);
    let wish = wish.ok_or_else(|| format!("volume {} is not on its way anywhere", volume.id))?;
    check_another(backends, volume, wish)?;
    Ok(backends.named(Some(&wish.backend))?.blockdev(volume.id)?)
}
