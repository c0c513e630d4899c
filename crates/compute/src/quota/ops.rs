//! Asking for limits and changing them.

use std::collections::BTreeMap;

use ::store::{Stored, Tx};
use policy::{Caller, Target};
use types::ProjectId;

use super::Limits;
use super::model::{ALL, Overrides, Used, exceeded};
use super::store::QUOTAS;
use crate::policy::RULES;
use crate::{Error, server};

/// The limits of a project.
pub(crate) fn of_project(tx: &mut Tx<'_>, project_id: &ProjectId) -> Result<Limits, Error> {
    let own = QUOTAS.load(tx, project_id)?.map(Stored::into_inner);
    Ok(Limits::with(&own.map(|own| own.limits).unwrap_or_default()))
}

/// The limits of the caller's project.
pub(crate) fn of_caller(caller: &Caller, tx: &mut Tx<'_>) -> Result<Limits, Error> {
    match caller.project_id() {
        Some(id) => of_project(tx, id),
        None => Ok(Limits::with(&BTreeMap::new())),
    }
}

/// Whether so many more servers of one size fit; the error says what is exceeded by how much.
pub(crate) fn check_servers(
    tx: &mut Tx<'_>,
    project_id: &ProjectId,
    count: u32,
    flavor: &crate::flavor::Flavor,
) -> Result<(), Error> {
    let count = i64::from(count);
    let ram_mib = i64::try_from(flavor.ram_mib).unwrap_or(i64::MAX);
    let asked = Used {
        instances: count,
        cores: count.saturating_mul(flavor.vcpus.into()),
        ram_mib: count.saturating_mul(ram_mib),
    };
    let limits = of_project(tx, project_id)?;
    let used = server::used(tx, project_id)?;
    exceeded(&limits, used, asked).map_or(Ok(()), |text| Err(Error::Forbidden(text)))
}

/// A project's limits, for who may see them.
pub(super) fn show(
    rule: &str,
    caller: &Caller,
    tx: &mut Tx<'_>,
    project_id: &ProjectId,
) -> Result<Limits, Error> {
    RULES.check(&format!("os_compute_api:os-quota-sets:{rule}"), caller, &Target::project(project_id))?;
    of_project(tx, project_id)
}

/// Changes some of a project's limits. Without `force` none may go below what is used.
pub(super) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    project_id: &ProjectId,
    changes: &BTreeMap<String, i64>,
    force: bool,
) -> Result<Limits, Error> {
    RULES.check("os_compute_api:os-quota-sets:update", caller, &Target::project(project_id))?;
    let used = server::used(tx, project_id)?;
    let in_use = [("instances", used.instances), ("cores", used.cores), ("ram", used.ram_mib)];
    for (name, limit) in changes {
        assert!(ALL.iter().any(|(known, ..)| known == name), "a limit that is none: {name}");
        let used = in_use.iter().find(|(known, _)| known == name).map_or(0, |(_, used)| *used);
        if !force && *limit >= 0 && *limit < used {
            return Err(Error::Invalid(format!(
                "Quota limit {limit} for {name} must be greater than or equal to already used and reserved {used}."
            )));
        }
    }
    match QUOTAS.load(tx, project_id)? {
        Some(mut own) => {
            own.limits.extend(changes.clone());
            QUOTAS.save(tx, &mut own)?;
        }
        None => {
            QUOTAS.insert(tx, Overrides { project_id: project_id.clone(), limits: changes.clone() })?;
        }
    }
    of_project(tx, project_id)
}

/// Gives a project the defaults again.
pub(super) fn delete(caller: &Caller, tx: &mut Tx<'_>, project_id: &ProjectId) -> Result<(), Error> {
    RULES.check("os_compute_api:os-quota-sets:delete", caller, &Target::project(project_id))?;
    if let Some(own) = QUOTAS.load(tx, project_id)? {
        QUOTAS.remove(tx, &own)?;
    }
    Ok(())
}
