//! What operators do with the service's parts.

use nodes::hosts;
use policy::Caller;
use store::{Select, Stored, Tx};
use types::HostId;

use super::model::{BACKUP, Part, Switch, VOLUME, backend_name, key};
use super::store::SWITCHES;
use crate::error::Error;
use crate::policy::{RULES, own};

/// Whether a backend of a host may get new volumes, as far as operators are concerned.
pub fn accepts_volumes(tx: &mut Tx<'_>, host: &HostId, backend: &str) -> Result<bool, Error> {
    Ok(is_in_use(tx, VOLUME, &backend_name(host, backend))?)
}

/// Whether a host may make backups, as far as operators are concerned.
pub(crate) fn makes_backups(tx: &mut Tx<'_>, host: &HostId) -> Result<bool, store::Error> {
    is_in_use(tx, BACKUP, host.as_str())
}

/// The hosts that make backups now, put them back and remove them.
pub(crate) fn backup_hosts(tx: &mut Tx<'_>) -> Result<Vec<HostId>, store::Error> {
    let now = tx.now();
    let mut found = Vec::new();
    for host in hosts::list(tx)? {
        if host.is_up(now) && makes_backups(tx, &host.id)? {
            found.push(host.id.clone());
        }
    }
    Ok(found)
}

fn is_in_use(tx: &mut Tx<'_>, binary: &str, host: &str) -> Result<bool, store::Error> {
    Ok(SWITCHES.load(tx, key(binary, host))?.is_none_or(|said| !said.disabled))
}

/// All parts: the scheduler, then in the order of hosts the backends and what makes backups.
pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Part>, Error> {
    let now = tx.now();
    let mut parts = vec![Part::scheduler(now)];
    for host in hosts::list(tx)? {
        parts.extend(Part::backends(&host, now));
        parts.push(Part::backups(&host, now));
    }
    for said in SWITCHES.query(tx, &Select::all())? {
        if let Some(part) = parts.iter_mut().find(|part| part.key() == said.key) {
            part.switch = said.into_inner();
        }
    }
    Ok(parts)
}

/// All parts, for operators.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Part>, Error> {
    RULES.check("volume_extension:services:index", caller, &own(caller))?;
    all(tx)
}

/// The backend of this name.
pub(crate) fn backend(tx: &mut Tx<'_>, host: &str) -> Result<Option<Part>, Error> {
    Ok(all(tx)?.into_iter().find(|part| part.binary == VOLUME && part.host == host))
}

/// A part, for operators that may change it.
fn find(tx: &mut Tx<'_>, binary: &str, host: &str) -> Result<Part, Error> {
    let found = all(tx)?.into_iter().find(|part| part.binary == binary && part.host == host);
    found.ok_or_else(|| absent(binary, host))
}

pub(crate) fn absent(binary: &str, host: &str) -> Error {
    Error::NoSuch(format!("Service {binary} could not be found on host {host}."))
}

/// Puts a part into use, or out of it.
pub(crate) fn turn(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (binary, host): (&str, &str),
    on: bool,
    reason: Option<String>,
) -> Result<(), Error> {
    RULES.check("volume_extension:services:update", caller, &own(caller))?;
    let part = find(tx, binary, host)?;
    let mut said = switch(tx, &part)?;
    said.turn(on, reason);
    Ok(SWITCHES.save(tx, &mut said)?)
}

/// Freezes a backend, or thaws it.
pub(crate) fn freeze(caller: &Caller, tx: &mut Tx<'_>, host: &str, frozen: bool) -> Result<(), Error> {
    RULES.check("volume_extension:services:update", caller, &own(caller))?;
    let rule = if frozen { "volume:freeze_host" } else { "volume:thaw_host" };
    RULES.check(rule, caller, &own(caller))?;
    let invalid = |text: String| Error::Invalid(format!("Invalid input received: {text}"));
    let part = backend(tx, host)?;
    let part = part.ok_or_else(|| invalid(format!("Service could not be found on host {host}.")))?;
    let mut said = switch(tx, &part)?;
    if !said.freeze(frozen) {
        let expected = if frozen { "False" } else { "True" };
        return Err(invalid(format!("frozen in ['{host}'] must be {expected} to failover.")));
    }
    Ok(SWITCHES.save(tx, &mut said)?)
}

/// The row of what was said of a part.
fn switch(tx: &mut Tx<'_>, part: &Part) -> Result<Stored<Switch>, Error> {
    match SWITCHES.load(tx, part.key())? {
        Some(row) => Ok(row),
        None => Ok(SWITCHES.insert(tx, Switch { key: part.key(), ..Switch::default() })?),
    }
}
