//! Where volumes can be: the backends of hosts that are up, and how much room each has left.

use agent_api::BackendFacts;
use nodes::hosts;
use store::{Error, Tx};
use types::{HostId, VolumeTypeId};

use super::{Volume, store as table};
use crate::migration;
use crate::service::{self, ops::accepts_volumes};
use crate::volume_type::{self, Recipe};

/// The extra spec that names a type's backend.
pub(crate) const BACKEND_NAME: &str = "volume_backend_name";

/// A backend that can have volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The host.
    pub(crate) host: HostId,
    /// The backend; nothing if the host names none.
    pub(crate) backend: Option<String>,
    /// How much it has that no volume was promised.
    pub(crate) room_gib: i64,
}

/// The backends that are in use, on hosts that are up, and that a type allows.
pub(crate) fn all(tx: &mut Tx<'_>, volume_type: VolumeTypeId) -> Result<Vec<Place>, Error> {
    let now = tx.now();
    let recipe = volume_type::ops::recipe(tx, volume_type).map_err(|error| error.into_store())?;
    let mut found = Vec::new();
    for host in hosts::list(tx)?.into_iter().filter(|host| host.enabled && host.is_up(now)) {
        for facts in service::backends(&host) {
            let open = accepts_volumes(tx, &host.id, &facts.name).map_err(|error| error.into_store())?;
            if open && allows(&recipe, &facts) {
                let room_gib = gib(facts.total_gib).saturating_sub(promised_gib(tx, &host.id, &facts)?);
                let backend = (!host.facts.backends.is_empty()).then(|| facts.name.clone());
                found.push(Place { host: host.id.clone(), backend, room_gib });
            }
        }
    }
    Ok(found)
}

/// Whether volumes of a type can be on a backend: the one that it names, or else the host's default.
fn allows(recipe: &Recipe, facts: &BackendFacts) -> bool {
    recipe.extra_specs.get(BACKEND_NAME).map_or(facts.is_default, |wanted| facts.name == *wanted)
}

/// Where a new volume of a type goes: where most room is left.
pub(crate) fn choose(tx: &mut Tx<'_>, volume_type: VolumeTypeId) -> Result<Option<Place>, Error> {
    let mut best: Option<Place> = None;
    for place in all(tx, volume_type)? {
        if best.as_ref().is_none_or(|best| place.room_gib > best.room_gib) {
            best = Some(place);
        }
    }
    Ok(best)
}

/// The backend that a type asks for, if hosts are up and none has one of that name: waiting would not help.
pub(crate) fn absent_backend(tx: &mut Tx<'_>, volume_type: VolumeTypeId) -> Result<Option<String>, Error> {
    let now = tx.now();
    let recipe = volume_type::ops::recipe(tx, volume_type).map_err(|error| error.into_store())?;
    let wanted = recipe.extra_specs.get(BACKEND_NAME).cloned();
    let all = hosts::list(tx)?;
    let is_known = |name: &String| {
        all.iter().flat_map(|host| service::backends(host)).any(|backend| backend.name == *name)
    };
    Ok(wanted.filter(|name| all.iter().any(|host| host.is_up(now)) && !is_known(name)))
}

/// How much volumes were promised on a backend of a host, those on their way there included.
pub(crate) fn promised_gib(tx: &mut Tx<'_>, host: &HostId, facts: &BackendFacts) -> Result<i64, Error> {
    let by_backend = table::promised_by_backend(tx, host)?;
    let of = |name: &str| by_backend.get(name).copied().unwrap_or(0);
    let unnamed = if facts.is_default { of("") } else { 0 };
    Ok(unnamed + of(&facts.name) + migration::store::arriving_gib(tx, host, &facts.name)?)
}

/// The name of the backend that has a volume, once one was chosen.
pub(crate) fn backend_of(tx: &mut Tx<'_>, volume: &Volume) -> Result<Option<String>, Error> {
    let Some(host) = &volume.host else { return Ok(None) };
    if volume.backend.is_some() {
        return Ok(volume.backend.clone());
    }
    let Some(host) = hosts::load(tx, host)? else { return Ok(None) };
    Ok(service::backends(&host).into_iter().find(|facts| facts.is_default).map(|facts| facts.name))
}

fn gib(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
