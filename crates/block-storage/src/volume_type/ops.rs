//! What callers do with volume types.

use policy::{Caller, Target};
use store::{Stored, Tx};
use types::{ProjectId, VolumeTypeId};

use super::store::{self as table, TYPES};
use super::{TypeChange, TypeDraft, VolumeType};
use crate::error::Error;
use crate::policy::RULES;
use crate::{DEFAULT_TYPE, volume};

/// Creates a type.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: TypeDraft) -> Result<Stored<VolumeType>, Error> {
    RULES.check("volume_extension:type_create", caller, &Target::default())?;
    check_name(tx, &draft.name, None)?;
    let volume_type = VolumeType {
        id: runtime::new_uuid().into(),
        name: draft.name,
        description: draft.description,
        is_public: draft.is_public,
        projects: [].into(),
        extra_specs: draft.extra_specs,
        created_at: tx.now(),
    };
    Ok(TYPES.insert(tx, volume_type)?)
}

fn check_name(tx: &mut Tx<'_>, name: &str, own: Option<VolumeTypeId>) -> Result<(), Error> {
    match table::by_name(tx, name)? {
        Some(other) if Some(other.id) != own => {
            Err(Error::Conflict(format!("Volume Type {name} already exists.")))
        }
        _ => Ok(()),
    }
}

/// A type that the caller may use.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<VolumeType>, Error> {
    let absent = || Error::NotFound { what: "Volume type", id: id.to_owned() };
    RULES.check("volume_extension:type_get", caller, &Target::default())?;
    let id: VolumeTypeId = id.parse().map_err(|_| absent())?;
    let found = TYPES.load(tx, id)?.ok_or_else(absent)?;
    let visible = caller.is_admin() || found.is_open_to(caller.project_id());
    if visible { Ok(found) } else { Err(absent()) }
}

/// The type of volumes for which no other was asked.
pub fn show_default(caller: &Caller, tx: &mut Tx<'_>) -> Result<Stored<VolumeType>, Error> {
    RULES.check("volume_extension:type_get", caller, &Target::default())?;
    let absent = || Error::NotFound { what: "Default volume type", id: DEFAULT_TYPE.to_owned() };
    table::by_name(tx, DEFAULT_TYPE)?.ok_or_else(absent)
}

/// The types that the caller may use; an administrator can ask for the public or the private ones.
pub fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    is_public: Option<bool>,
) -> Result<Vec<Stored<VolumeType>>, Error> {
    RULES.check("volume_extension:type_get", caller, &Target::default())?;
    let mut found = table::all(tx)?;
    if caller.is_admin() {
        found.retain(|known| is_public.is_none_or(|wanted| known.is_public == wanted));
    } else {
        found.retain(|known| known.is_open_to(caller.project_id()));
    }
    Ok(found)
}

/// The type for a new volume, by name or id.
pub(crate) fn choose(caller: &Caller, tx: &mut Tx<'_>, wanted: Option<&str>) -> Result<VolumeTypeId, Error> {
    let Some(wanted) = wanted else { return Ok(show_default(caller, tx)?.id) };
    let usable = |found: &Stored<VolumeType>| caller.is_admin() || found.is_open_to(caller.project_id());
    if let Some(found) = table::by_name(tx, wanted)?.filter(usable) {
        return Ok(found.id);
    }
    Ok(show(caller, tx, wanted)?.id)
}

/// Changes a type.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: TypeChange,
) -> Result<Stored<VolumeType>, Error> {
    RULES.check("volume_extension:type_update", caller, &Target::default())?;
    let mut found = show(caller, tx, id)?;
    if let Some(name) = change.name {
        check_name(tx, &name, Some(found.id))?;
        found.name = name;
    }
    if let Some(description) = change.description {
        found.description = description;
    }
    if let Some(is_public) = change.is_public {
        found.is_public = is_public;
    }
    TYPES.save(tx, &mut found)?;
    Ok(found)
}

/// Removes a type that no volume is of.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("volume_extension:type_delete", caller, &Target::default())?;
    let found = show(caller, tx, id)?;
    if found.name == DEFAULT_TYPE {
        let text = format!("Volume type {id} is the default volume type and cannot be deleted.");
        return Err(Error::Invalid(text));
    }
    if volume::store::has_type(tx, found.id)? {
        let text = format!("Volume type {id} deletion is not allowed with existing volumes with the type.");
        return Err(Error::Invalid(text));
    }
    Ok(TYPES.remove(tx, &found)?)
}

/// Changes the extra specs of a type by a function of it.
pub(crate) fn change_specs(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (&str, &str),
    change: impl FnOnce(&mut VolumeType) -> Result<(), Error>,
) -> Result<Stored<VolumeType>, Error> {
    RULES.check(rule, caller, &Target::default())?;
    let mut found = show(caller, tx, id)?;
    change(&mut found)?;
    TYPES.save(tx, &mut found)?;
    Ok(found)
}

/// Lets a project use a private type, or no longer.
pub(crate) fn change_access(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    (project, add): (ProjectId, bool),
) -> Result<(), Error> {
    let action = if add { "addProjectAccess" } else { "removeProjectAccess" };
    let rule = format!("volume_extension:volume_type_access:{action}");
    RULES.check(&rule, caller, &Target::default())?;
    let mut found = show(caller, tx, id)?;
    if found.is_public {
        let text = "Invalid volume type: Type access modification is not applicable to public volume type.";
        return Err(Error::Invalid(text.to_owned()));
    }
    if add && !found.projects.insert(project.clone()) {
        let text = format!("Volume type access for {id} / {project} combination already exists.");
        return Err(Error::Conflict(text));
    }
    if !add && !found.projects.remove(&project) {
        let text = format!("Volume type access not found for {id} / {project} combination.");
        return Err(Error::NoSuch(text));
    }
    Ok(TYPES.save(tx, &mut found)?)
}

/// The projects that may use a private type.
pub(crate) fn list_access(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Vec<ProjectId>, Error> {
    RULES.check("volume_extension:volume_type_access:get_all_for_type", caller, &Target::default())?;
    let found = show(caller, tx, id)?;
    if found.is_public {
        let text = "Access list not available for public volume types.";
        return Err(Error::NoSuch(text.to_owned()));
    }
    Ok(found.projects.iter().cloned().collect())
}

/// The default type of a fresh cloud.
pub(crate) fn ensure_default(tx: &mut Tx<'_>) -> Result<(), Error> {
    if table::by_name(tx, DEFAULT_TYPE)?.is_none() {
        let draft = TypeDraft {
            name: DEFAULT_TYPE.to_owned(),
            description: Some("Default volume type".to_owned()),
            is_public: true,
            extra_specs: [].into(),
        };
        create(&Caller::cloud(), tx, draft)?;
    }
    Ok(())
}
