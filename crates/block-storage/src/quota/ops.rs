//! Limits, and whether something fits in them.

use std::collections::BTreeMap;

use policy::{Caller, Target};
use store::Tx;
use types::ProjectId;

use super::store::{CLASSES, QUOTAS};
use super::usage::Usage;
use super::{Limits, Quota, QuotaClass, Resource, UNLIMITED};
use crate::error::Error;
use crate::policy::{RULES, own};
use crate::volume_type::VolumeType;
use crate::volume_type::store::all as all_types;

/// The class whose limits everybody has of whom nothing was said.
const DEFAULT_CLASS: &str = "default";

/// Everything that can be limited, with what clients call it.
pub(crate) fn resources(tx: &mut Tx<'_>) -> Result<Vec<(String, Resource)>, Error> {
    let mut all: Vec<(String, Resource)> =
        Resource::ALL.into_iter().map(|resource| (resource.word().to_owned(), resource)).collect();
    for known in all_types(tx)? {
        let named = |resource: Resource| (format!("{}_{}", resource.word(), known.name), resource);
        all.extend(Resource::of_type(known.id).map(named));
    }
    Ok(all)
}

fn of_class(tx: &mut Tx<'_>, name: &str) -> Result<BTreeMap<String, i64>, Error> {
    Ok(CLASSES.load(tx, name)?.map(|row| row.into_inner().limits).unwrap_or_default())
}

/// What those have of whom nothing was said.
pub(crate) fn defaults(tx: &mut Tx<'_>) -> Result<Limits, Error> {
    Ok(Limits { own: BTreeMap::new(), defaults: of_class(tx, DEFAULT_CLASS)? })
}

/// The limits of a project.
pub(crate) fn load(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Limits, Error> {
    let own = QUOTAS.load(tx, project)?.map(|row| row.into_inner().limits).unwrap_or_default();
    Ok(Limits { own, ..defaults(tx)? })
}

/// Whether the caller may see a project's limits.
pub(crate) fn check_show(caller: &Caller, project: &ProjectId) -> Result<(), Error> {
    Ok(RULES.check("volume_extension:quotas:show", caller, &Target::project(project))?)
}

/// Changes limits of a project.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    project: &ProjectId,
    limits: Vec<(String, Resource, i64)>,
) -> Result<Limits, Error> {
    RULES.check("volume_extension:quotas:update", caller, &Target::project(project))?;
    let usage = Usage::load(tx, project)?;
    let row = QUOTAS.load(tx, project)?;
    let mut said = row.as_ref().map(|row| row.limits.clone()).unwrap_or_default();
    for (name, resource, limit) in limits {
        let in_use = usage.of(resource);
        // As in Cinder, only where a limit was said before.
        if said.contains_key(&resource.key()) && limit != UNLIMITED && limit < in_use {
            let text = format!(
                "Quota {name} limit must be equal or greater than existing resources. Current usage is {in_use} and the \
                 requested limit is {limit}."
            );
            return Err(Error::Invalid(text));
        }
        said.insert(resource.key(), limit);
    }
    match row {
        Some(mut row) => {
            row.limits = said;
            QUOTAS.save(tx, &mut row)?;
        }
        None => drop(QUOTAS.insert(tx, Quota { project_id: project.clone(), limits: said })?),
    }
    load(tx, project)
}

/// Gives a project the default limits again.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, project: &ProjectId) -> Result<(), Error> {
    RULES.check("volume_extension:quotas:delete", caller, &Target::project(project))?;
    match QUOTAS.load(tx, project)? {
        Some(row) => Ok(QUOTAS.remove(tx, &row)?),
        None => Ok(()),
    }
}

/// The limits of a class.
pub(crate) fn show_class(caller: &Caller, tx: &mut Tx<'_>, name: &str) -> Result<Limits, Error> {
    RULES.check("volume_extension:quota_classes:get", caller, &own(caller))?;
    Ok(Limits { own: of_class(tx, name)?, ..defaults(tx)? })
}

/// Changes limits of a class.
pub(crate) fn update_class(
    caller: &Caller,
    tx: &mut Tx<'_>,
    name: &str,
    limits: Vec<(Resource, i64)>,
) -> Result<Limits, Error> {
    RULES.check("volume_extension:quota_classes:update", caller, &own(caller))?;
    let said = limits.into_iter().map(|(resource, limit)| (resource.key(), limit));
    match CLASSES.load(tx, name)? {
        Some(mut row) => {
            row.limits.extend(said);
            CLASSES.save(tx, &mut row)?;
        }
        None => drop(CLASSES.insert(tx, QuotaClass { name: name.to_owned(), limits: said.collect() })?),
    }
    show_class(caller, tx, name)
}

/// Whether one more volume of this type and size fits.
pub(crate) fn check_volumes(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    volume_type: &VolumeType,
    size_gib: u32,
) -> Result<(), Error> {
    let size = i64::from(size_gib);
    let wanted = [
        (Resource::PerVolumeGigabytes, size),
        (Resource::Gigabytes, size),
        (Resource::GigabytesOf(volume_type.id), size),
        (Resource::Volumes, 1),
        (Resource::VolumesOf(volume_type.id), 1),
    ];
    check(tx, project, Some(volume_type), &wanted)
}

/// Whether a volume of this type fits that grows from one size to another.
pub(crate) fn check_growth(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    volume_type: &VolumeType,
    (from_gib, to_gib): (u32, u32),
) -> Result<(), Error> {
    let more = i64::from(to_gib) - i64::from(from_gib);
    let wanted = [
        (Resource::PerVolumeGigabytes, i64::from(to_gib)),
        (Resource::Gigabytes, more),
        (Resource::GigabytesOf(volume_type.id), more),
    ];
    check(tx, project, Some(volume_type), &wanted)
}

/// Whether all of this fits, which is of one type if it is of any.
pub(crate) fn check(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    volume_type: Option<&VolumeType>,
    wanted: &[(Resource, i64)],
) -> Result<(), Error> {
    let (limits, usage) = (load(tx, project)?, Usage::load(tx, project)?);
    for (resource, asked) in wanted {
        let (limit, in_use) = (limits.of(*resource), usage.of(*resource));
        if limit != UNLIMITED && in_use.saturating_add(*asked) > limit {
            let word = resource.word();
            let name = match volume_type.filter(|_| resource.key() != word) {
                None => word.to_owned(),
                Some(volume_type) => format!("{word}_{}", volume_type.name),
            };
            return Err(Error::OverLimit(resource.exceeded(&name, *asked, limit, in_use)));
        }
    }
    Ok(())
}
