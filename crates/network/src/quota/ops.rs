//! What can be done with quotas.

use std::collections::BTreeMap;

use policy::Caller;
use store::Tx;
use types::ProjectId;

use super::{Limited, Limits, store as rows};
use crate::Error;
use crate::resource;

/// Refuses `adding` more of a kind where a project would have more than it may.
pub(crate) fn check(tx: &mut Tx<'_>, project: &ProjectId, what: Limited, adding: i64) -> Result<(), Error> {
    let limit = limits(tx, project)?.of(what);
    if limit < 0 {
        return Ok(());
    }
    let used = rows::used(tx, project, what)?;
    if used + adding <= limit {
        return Ok(());
    }
    let name = what.name();
    Err(Error::OverQuota { what: format!("['{name}'] ({name}: limit {limit}, used {used}, asked {adding})") })
}

/// The limits of a project, if the caller may know them.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, project: &ProjectId) -> Result<Limits, Error> {
    resource::check(caller, "get_quota", project)?;
    limits(tx, project)
}

/// How many of a kind a project has.
pub(crate) fn used(tx: &mut Tx<'_>, project: &ProjectId, what: Limited) -> Result<i64, Error> {
    Ok(rows::used(tx, project, what)?)
}

fn limits(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Limits, Error> {
    let set = rows::LIMITS.load(tx, project.as_str())?.map(store::Stored::into_inner);
    Ok(set.unwrap_or_else(|| Limits { project_id: project.clone(), set: BTreeMap::new() }))
}

/// Sets limits; those that are not named stay.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    project: &ProjectId,
    change: &BTreeMap<Limited, i64>,
) -> Result<Limits, Error> {
    resource::check(caller, "update_quota", project)?;
    match rows::LIMITS.load(tx, project.as_str())? {
        Some(mut limits) => {
            limits.set.extend(change);
            rows::LIMITS.save(tx, &mut limits)?;
            Ok(limits.into_inner())
        }
        None => {
            let limits = Limits { project_id: project.clone(), set: change.clone() };
            Ok(rows::LIMITS.insert(tx, limits)?.into_inner())
        }
    }
}

/// Goes back to the defaults.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, project: &ProjectId) -> Result<(), Error> {
    resource::check(caller, "delete_quota", project)?;
    if let Some(limits) = rows::LIMITS.load(tx, project.as_str())? {
        rows::LIMITS.remove(tx, &limits)?;
    }
    Ok(())
}
