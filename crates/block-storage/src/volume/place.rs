//! Where volumes can be: the backends of hosts that are up, and how much room each has left.

use agent_api::BackendFacts;
use nodes::hosts::{self, Host};
use store::{Error, Tx};
use types::{HostId, VolumeTypeId};

use super::{Volume, store as table};
use crate::migration;
use crate::pool::capability;
use crate::service::{self, ops::accepts_volumes};
use crate::volume_type::{self, Recipe};

/// How many times its size a backend may promise to volumes, which take room when they are written to. Cinder's default.
pub(crate) const PROMISES_MAX: i64 = 20;

/// A backend that can have volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The host.
    pub(crate) host: HostId,
    /// The backend; nothing if the host names none.
    pub(crate) backend: Option<String>,
    /// How large it is; nought if it did not answer when its host was asked last.
    total_gib: i64,
    /// How much volumes were promised there.
    promised_gib: i64,
}

impl Place {
    /// How much it has that no volume was promised.
    fn room_gib(&self) -> i64 {
        self.total_gib.saturating_sub(self.promised_gib)
    }

    /// Whether so much more can be promised.
    pub(crate) fn fits(&self, size_gib: u32) -> bool {
        let promised = self.promised_gib.saturating_add(size_gib.into());
        self.total_gib == 0 || promised <= self.total_gib.saturating_mul(PROMISES_MAX)
    }
}

/// The backends that are in use, on hosts that are up, and that a type allows.
pub(crate) fn all(tx: &mut Tx<'_>, volume_type: VolumeTypeId) -> Result<Vec<Place>, Error> {
    let now = tx.now();
    let recipe = volume_type::ops::recipe(tx, volume_type).map_err(|error| error.into_store())?;
    let mut found = Vec::new();
    for host in hosts::list(tx)?.into_iter().filter(|host| host.enabled && host.is_up(now)) {
        for facts in allowed(&host, &recipe) {
            let open = accepts_volumes(tx, &host.id, &facts.name).map_err(|error| error.into_store())?;
            if open {
                let total_gib = i64::try_from(facts.total_gib).unwrap_or(i64::MAX);
                let promised_gib = promised_gib(tx, &host.id, &facts)?;
                let backend = (!host.facts.backends.is_empty()).then(|| facts.name.clone());
                found.push(Place { host: host.id.clone(), backend, total_gib, promised_gib });
            }
        }
    }
    Ok(found)
}

/// The backends of a host that are what a type demands; its default alone if that is one of them.
fn allowed(host: &Host, recipe: &Recipe) -> Vec<BackendFacts> {
    let mut found = service::backends(host);
    found.retain(|facts| capability::satisfies(facts, &recipe.extra_specs));
    if let Some(default) = found.iter().find(|facts| facts.is_default) {
        return vec![default.clone()];
    }
    found
}

/// Where a new volume goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Where most room is left.
    Best(Place),
    /// There are backends for it, and none has room.
    Full,
    /// There is none for it now.
    None,
}

/// Where a new volume of a type and a size goes.
pub(crate) fn choose(tx: &mut Tx<'_>, (volume_type, size_gib): (VolumeTypeId, u32)) -> Result<Choice, Error> {
    let mut choice = Choice::None;
    for place in all(tx, volume_type)? {
        let is_better = match &choice {
            Choice::Best(best) => place.room_gib() > best.room_gib(),
            Choice::Full | Choice::None => true,
        };
        match place.fits(size_gib) {
            true if is_better => choice = Choice::Best(place),
            false if choice == Choice::None => choice = Choice::Full,
            _ => {}
        }
    }
    Ok(choice)
}

/// Whether hosts are up and none, up or not, has a backend that is what a type demands: waiting would not help.
pub(crate) fn is_impossible(tx: &mut Tx<'_>, volume_type: VolumeTypeId) -> Result<bool, Error> {
    let now = tx.now();
    let recipe = volume_type::ops::recipe(tx, volume_type).map_err(|error| error.into_store())?;
    let all = hosts::list(tx)?;
    let is_possible = all.iter().any(|host| !allowed(host, &recipe).is_empty());
    Ok(!is_possible && all.iter().any(|host| host.is_up(now)))
}

/// Whether a volume's backend is what a type demands.
pub(crate) fn is_right(tx: &mut Tx<'_>, volume: &Volume, volume_type: VolumeTypeId) -> Result<bool, Error> {
    let recipe = volume_type::ops::recipe(tx, volume_type).map_err(|error| error.into_store())?;
    let facts = facts_of(tx, volume)?;
    Ok(facts.is_some_and(|facts| capability::satisfies(&facts, &recipe.extra_specs)))
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
    if volume.host.is_some() && volume.backend.is_some() {
        return Ok(volume.backend.clone());
    }
    Ok(facts_of(tx, volume)?.map(|facts| facts.name))
}

fn facts_of(tx: &mut Tx<'_>, volume: &Volume) -> Result<Option<BackendFacts>, Error> {
    let Some(host) = &volume.host else { return Ok(None) };
    let Some(host) = hosts::load(tx, host)? else { return Ok(None) };
    let is_it = |facts: &BackendFacts| match &volume.backend {
        Some(name) => facts.name == *name,
        None => facts.is_default,
    };
    Ok(service::backends(&host).into_iter().find(is_it))
}
