//! What administrators do with default types.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};
use types::{ProjectId, VolumeTypeId};

use super::DefaultType;
use super::store::DEFAULT_TYPES;
use crate::error::Error;
use crate::policy::{RULES, own};
use crate::volume_type::ops::by_id_or_name;

/// The type that a project chose, if it did.
pub(crate) fn of_project(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Option<VolumeTypeId>, Error> {
    Ok(DEFAULT_TYPES.load(tx, project)?.map(|chosen| chosen.volume_type_id))
}

/// Whether any project chose this type.
pub(crate) fn is_default(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<bool, Error> {
    Ok(DEFAULT_TYPES.count(tx, &Select::all().eq("volume_type_id", id))? > 0)
}

/// Chooses a project's default type, by id or name.
pub(crate) fn set(
    caller: &Caller,
    tx: &mut Tx<'_>,
    project: &ProjectId,
    wanted: &str,
) -> Result<DefaultType, Error> {
    RULES.check("volume_extension:default_set_or_update", caller, &Target::project(project))?;
    let chosen = by_id_or_name(caller, tx, wanted).map_err(|error| match error {
        Error::NotFound { .. } | Error::NoSuch(_) => Error::Invalid(error.to_string()),
        other => other,
    })?;
    let chosen = DefaultType { project_id: project.clone(), volume_type_id: chosen.id };
    match DEFAULT_TYPES.load(tx, project)? {
        Some(mut row) => {
            *row = chosen.clone();
            DEFAULT_TYPES.save(tx, &mut row)?;
        }
        None => drop(DEFAULT_TYPES.insert(tx, chosen.clone())?),
    }
    Ok(chosen)
}

/// A project's default type.
pub(crate) fn show(
    caller: &Caller,
    tx: &mut Tx<'_>,
    project: &ProjectId,
) -> Result<Stored<DefaultType>, Error> {
    RULES.check("volume_extension:default_get", caller, &Target::project(project))?;
    let absent = || Error::NoSuch(format!("Default type for project {project} not found."));
    DEFAULT_TYPES.load(tx, project)?.ok_or_else(absent)
}

/// The default types of all projects that have one.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Stored<DefaultType>>, Error> {
    RULES.check("volume_extension:default_get_all", caller, &own(caller))?;
    Ok(DEFAULT_TYPES.query(tx, &Select::all().order("id", Direction::Asc))?)
}

/// Gives a project the cloud's default type again.
pub(crate) fn unset(caller: &Caller, tx: &mut Tx<'_>, project: &ProjectId) -> Result<(), Error> {
    RULES.check("volume_extension:default_unset", caller, &Target::project(project))?;
    match DEFAULT_TYPES.load(tx, project)? {
        Some(row) => Ok(DEFAULT_TYPES.remove(tx, &row)?),
        None => Ok(()),
    }
}
