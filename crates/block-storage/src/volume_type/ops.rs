//! What callers do with volume types.

use policy::{Caller, Target};
use store::{Select, Stored, Tx};
use types::{ProjectId, VolumeTypeId};

use super::model::{is_visible, refuse_specs};
use super::store::{self as table, TYPES};
use super::{Recipe, TypeChange, TypeDraft, VolumeType};
use crate::error::Error;
use crate::list::Paging;
use crate::policy::{RULES, own};
use crate::{DEFAULT_TYPE, default_type, group, migration, qos_specs, volume};

/// Which types a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeFilter {
    /// For administrators: the public, or the private ones.
    pub(crate) is_public: Option<bool>,
    /// Extra specs that a type must have.
    pub(crate) extra_specs: Vec<(String, String)>,
    /// Attributes that a type must have.
    pub(crate) attributes: Vec<(String, String)>,
}

impl TypeFilter {
    fn passes(&self, caller: &Caller, known: &VolumeType) -> bool {
        let open = known.is_open_to(caller.project_id());
        let seen = match self.is_public {
            _ if !caller.is_admin() => open,
            None => true,
            Some(true) => open,
            Some(false) => !known.is_public,
        };
        let has = |(name, value): &(String, String)| match name.as_str() {
            "id" => known.id.to_string() == *value,
            "name" => known.name == *value,
            "description" => known.description.as_ref() == Some(value),
            "qos_specs_id" => known.qos_specs_id.is_some_and(|id| id.to_string() == *value),
            _ => false,
        };
        seen && known.has_specs(&self.extra_specs) && self.attributes.iter().all(has)
    }
}

pub(crate) fn absent(id: impl ToString) -> Error {
    Error::NotFound { what: "Volume type", id: id.to_string() }
}

/// Creates a type.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: TypeDraft) -> Result<Stored<VolumeType>, Error> {
    RULES.check("volume_extension:type_create", caller, &own(caller))?;
    check_name(tx, &draft.name, None)?;
    if let Some(reason) = refuse_specs(&draft.extra_specs) {
        return Err(Error::Invalid(reason));
    }
    let volume_type = VolumeType {
        id: runtime::new_uuid().into(),
        name: draft.name,
        description: draft.description,
        is_public: draft.is_public,
        projects: [].into(),
        extra_specs: draft.extra_specs,
        qos_specs_id: None,
        encryption: None,
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

/// A type that the caller may use, whatever it is wanted for.
pub(crate) fn find(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<VolumeType>, Error> {
    let parsed: VolumeTypeId = id.parse().map_err(|_| absent(id))?;
    let found = TYPES.load(tx, parsed)?.ok_or_else(|| absent(id))?;
    let visible = caller.is_admin() || found.is_open_to(caller.project_id());
    if visible { Ok(found) } else { Err(absent(id)) }
}

/// A type for whoever a rule lets do this to it.
pub(crate) fn find_for(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    rule: &str,
) -> Result<Stored<VolumeType>, Error> {
    RULES.check(rule, caller, &own(caller))?;
    find(caller, tx, id)
}

/// A type that the caller may use.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<VolumeType>, Error> {
    find_for(caller, tx, id, "volume_extension:type_get")
}

/// The type of volumes for which no other was asked: the project's own, or else the cloud's.
pub fn show_default(caller: &Caller, tx: &mut Tx<'_>) -> Result<Stored<VolumeType>, Error> {
    RULES.check("volume_extension:type_get", caller, &own(caller))?;
    let chosen = caller.project_id().map(|project| default_type::ops::of_project(tx, project)).transpose()?;
    if let Some(id) = chosen.flatten() {
        return TYPES.load(tx, id)?.ok_or_else(|| absent(id));
    }
    let absent = || Error::NotFound { what: "Default volume type", id: DEFAULT_TYPE.to_owned() };
    table::by_name(tx, DEFAULT_TYPE)?.ok_or_else(absent)
}

/// The types that the caller may use and asked for.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    filter: &TypeFilter,
    paging: &Paging,
) -> Result<Vec<Stored<VolumeType>>, Error> {
    RULES.check("volume_extension:type_get_all", caller, &own(caller))?;
    // Whoever may not see a spec learns nothing by asking for it.
    if !sees_all_specs(caller) && filter.extra_specs.iter().any(|(key, _)| !is_visible(key)) {
        return Ok(Vec::new());
    }
    let ordered = paging.order.iter().fold(Select::all(), |s, (column, way)| s.order(column, *way));
    let mut found = TYPES.query(tx, &ordered)?;
    // As in Cinder, a marker that is no type's is none.
    let at = paging.marker.as_ref().and_then(|id| found.iter().position(|known| known.id.to_string() == *id));
    found.drain(..at.map_or(0, |at| at + 1));
    found.retain(|known| filter.passes(caller, known));
    Ok(found.into_iter().skip(paging.offset as usize).take(paging.limit as usize).collect())
}

/// The type for a new volume, by id or name.
pub(crate) fn choose(
    caller: &Caller,
    tx: &mut Tx<'_>,
    wanted: Option<&str>,
) -> Result<Stored<VolumeType>, Error> {
    match wanted {
        None => show_default(caller, tx),
        Some(wanted) => by_id_or_name(caller, tx, wanted),
    }
}

/// A type that the caller may use, by id or name.
pub(crate) fn by_id_or_name(
    caller: &Caller,
    tx: &mut Tx<'_>,
    wanted: &str,
) -> Result<Stored<VolumeType>, Error> {
    let by_id = wanted.parse::<VolumeTypeId>().is_ok();
    if by_id && let Ok(found) = find(caller, tx, wanted) {
        return Ok(found);
    }
    let usable = |found: &Stored<VolumeType>| caller.is_admin() || found.is_open_to(caller.project_id());
    match table::by_name(tx, wanted)?.filter(usable) {
        Some(found) => Ok(found),
        None if by_id => Err(absent(wanted)),
        None => Err(Error::NoSuch(format!("Volume type with name {wanted} could not be found."))),
    }
}

/// A type that is there for sure, for a volume is of it.
pub(crate) fn load(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<Stored<VolumeType>, Error> {
    TYPES.load(tx, id)?.ok_or_else(|| absent(id))
}

/// What a type asks of its volumes, for whoever makes them.
pub fn recipe(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<Recipe, Error> {
    let found = load(tx, id)?.into_inner();
    let qos_specs = found.qos_specs_id.map(|id| qos_specs::ops::load(tx, id)).transpose()?;
    Ok(Recipe {
        name: found.name,
        extra_specs: found.extra_specs,
        qos_specs: qos_specs.map(Stored::into_inner),
        encryption: found.encryption,
    })
}

/// Changes a type.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: TypeChange,
) -> Result<Stored<VolumeType>, Error> {
    let mut found = find_for(caller, tx, id, "volume_extension:type_update")?;
    if let Some(name) = change.name {
        check_name(tx, &name, Some(found.id))?;
        if found.name == DEFAULT_TYPE && name != DEFAULT_TYPE {
            let text = format!("Volume type {id} is the default volume type and keeps its name.");
            return Err(Error::Invalid(text));
        }
        found.name = name;
    }
    if let Some(description) = change.description {
        found.description = Some(description);
    }
    if let Some(is_public) = change.is_public {
        found.is_public = is_public;
    }
    TYPES.save(tx, &mut found)?;
    Ok(found)
}

/// Removes a type that no volume is of.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let found = find_for(caller, tx, id, "volume_extension:type_delete")?;
    if found.name == DEFAULT_TYPE || default_type::ops::is_default(tx, found.id)? {
        let text = format!("The volume type {id} is a default volume type and cannot be deleted.");
        return Err(Error::Invalid(text));
    }
    if is_used(tx, found.id)? || group::store::takes_type(tx, found.id)? {
        return Err(Error::Invalid("Target volume type is still in use.".to_owned()));
    }
    Ok(TYPES.remove(tx, &found)?)
}

/// Whether any volume is of this type, or on its way to be.
pub(crate) fn is_used(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<bool, Error> {
    Ok(volume::store::has_type(tx, id)? || migration::store::takes_type(tx, id)?)
}

/// Changes the extra specs of a type that no volume is of, by a function of it.
pub(crate) fn change_specs(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (&str, &str),
    change: impl FnOnce(&mut VolumeType) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut found = find_for(caller, tx, id, rule)?;
    if is_used(tx, found.id)? {
        return Err(Error::Invalid("Volume Type is currently in use.".to_owned()));
    }
    change(&mut found)?;
    if let Some(reason) = refuse_specs(&found.extra_specs) {
        return Err(Error::Invalid(reason));
    }
    Ok(TYPES.save(tx, &mut found)?)
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
    let mut found = find_for(caller, tx, id, &rule)?;
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
    let found = find_for(caller, tx, id, "volume_extension:volume_type_access:get_all_for_type")?;
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

/// Whether the caller sees what the extra specs tell about the deployment.
pub(crate) fn sees_all_specs(caller: &Caller) -> bool {
    RULES.allows("volume_extension:types_extra_specs:read_sensitive", caller, &Target::default())
}
