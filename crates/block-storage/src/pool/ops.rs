//! Which pools there are.

use agent_api::BackendFacts;
use policy::Caller;
use store::Tx;
use types::Timestamp;

use super::capability;
use crate::error::Error;
use crate::policy::{RULES, own};
use crate::service::ops as services;
use crate::volume::place::promised_gib;
use crate::volume_type::ops::{by_id_or_name, recipe};

/// Where volumes can be.
pub(super) struct Pool {
    /// `host@backend#pool`.
    pub(super) name: String,
    pub(super) facts: BackendFacts,
    /// How much was promised to volumes there.
    pub(super) promised_gib: i64,
    pub(super) heard_at: Timestamp,
}

/// The pools of hosts that are up, of this name or for volumes of this type if asked for.
pub(super) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    name: Option<&str>,
    volume_type: Option<&str>,
) -> Result<Vec<Pool>, Error> {
    RULES.check("scheduler_extension:scheduler_stats:get_pools", caller, &own(caller))?;
    let volume_type = volume_type.map(|wanted| by_id_or_name(caller, tx, wanted)).transpose()?;
    let recipe = volume_type.map(|known| recipe(tx, known.id)).transpose()?;
    let mut pools = Vec::new();
    for part in services::all(tx)?.into_iter().filter(|part| part.up) {
        let Some((host, facts)) = part.backend else { continue };
        let pool = format!("{}#{}", part.host, facts.name);
        let wanted = name.is_none_or(|name| name == pool)
            && recipe.as_ref().is_none_or(|recipe| capability::satisfies(&facts, &recipe.extra_specs));
        if wanted {
            let promised_gib = promised_gib(tx, &host, &facts)?;
            pools.push(Pool { name: pool, facts, promised_gib, heard_at: part.heard_at });
        }
    }
    Ok(pools)
}

/// The backend of this name.
pub(super) fn capabilities(caller: &Caller, tx: &mut Tx<'_>, host: &str) -> Result<BackendFacts, Error> {
    RULES.check("volume_extension:capabilities", caller, &own(caller))?;
    let found = services::backend(tx, host)?.and_then(|part| part.backend);
    let (_, facts) = found.ok_or_else(|| Error::NoSuch(format!("Can't find service: {host}")))?;
    Ok(facts)
}
