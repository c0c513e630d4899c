//! Limits and whether something fits in them.

use std::collections::BTreeMap;

use policy::{Caller, Target};
use store::Tx;
use types::ProjectId;

use super::store::QUOTAS;
use super::{Quota, UNLIMITED};
use crate::error::Error;
use crate::policy::RULES;
use crate::volume::store::usage;

/// The limits of a project.
pub(crate) fn load(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Quota, Error> {
    let found = QUOTAS.load(tx, project)?;
    let none = || Quota { project_id: project.clone(), limits: BTreeMap::new() };
    Ok(found.map_or_else(none, |row| row.into_inner()))
}

/// The limits of a project, for whoever may see them.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, project: &ProjectId) -> Result<Quota, Error> {
    RULES.check("volume_extension:quotas:show", caller, &Target::project(project))?;
    load(tx, project)
}

/// How much of each thing a project has.
pub(crate) fn in_use(tx: &mut Tx<'_>, project: &ProjectId, name: &str) -> Result<i64, Error> {
    let (volumes, gigabytes) = usage(tx, project)?;
    Ok(match name {
        "volumes" => volumes,
        "gigabytes" => gigabytes,
        _ => 0,
    })
}

/// Changes limits of a project.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    project: &ProjectId,
    limits: BTreeMap<String, i64>,
) -> Result<Quota, Error> {
    RULES.check("volume_extension:quotas:update", caller, &Target::project(project))?;
    match QUOTAS.load(tx, project)? {
        Some(mut row) => {
            row.limits.extend(limits);
            QUOTAS.save(tx, &mut row)?;
            Ok(row.into_inner())
        }
        None => Ok(QUOTAS.insert(tx, Quota { project_id: project.clone(), limits })?.into_inner()),
    }
}

/// Gives a project the default limits again.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, project: &ProjectId) -> Result<(), Error> {
    RULES.check("volume_extension:quotas:delete", caller, &Target::project(project))?;
    match QUOTAS.load(tx, project)? {
        Some(row) => Ok(QUOTAS.remove(tx, &row)?),
        None => Ok(()),
    }
}

/// Whether one more volume of this size fits.
pub(crate) fn check_volumes(tx: &mut Tx<'_>, project: &ProjectId, size_gib: u32) -> Result<(), Error> {
    let limit = load(tx, project)?.limit("volumes");
    let (used, _) = usage(tx, project)?;
    if limit != UNLIMITED && used >= limit {
        let text = format!(
            "VolumeLimitExceeded: Maximum number of volumes allowed ({limit}) exceeded for quota 'volumes': {used} \
             are there, 1 more was asked for."
        );
        return Err(Error::OverLimit(text));
    }
    let per_volume = load(tx, project)?.limit("per_volume_gigabytes");
    if per_volume != UNLIMITED && i64::from(size_gib) > per_volume {
        let text =
            format!("Requested volume size {size_gib}G is larger than maximum allowed limit {per_volume}G.");
        return Err(Error::OverLimit(text));
    }
    check_gigabytes(tx, project, size_gib)
}

/// Whether this much more fits.
pub(crate) fn check_gigabytes(tx: &mut Tx<'_>, project: &ProjectId, size_gib: u32) -> Result<(), Error> {
    let limit = load(tx, project)?.limit("gigabytes");
    let (_, used) = usage(tx, project)?;
    if limit != UNLIMITED && used.saturating_add(size_gib.into()) > limit {
        let text = format!(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. \
             Requested {size_gib}G, quota is {limit}G and {used}G has been consumed."
        );
        return Err(Error::OverLimit(text));
    }
    Ok(())
}
