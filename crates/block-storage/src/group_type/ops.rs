//! What callers do with group types.

use policy::Caller;
use store::{Select, Stored, Tx};
use types::VolumeGroupTypeId;

use super::model::MIGRATED;
use super::store::{self as table, TYPES};
use super::{GroupType, GroupTypeChange, GroupTypeDraft};
use crate::error::Error;
use crate::group;
use crate::list::Paging;
use crate::policy::{RULES, own};

fn absent(id: impl ToString) -> Error {
    Error::NotFound { what: "Group type", id: id.to_string() }
}

/// Creates a type.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: GroupTypeDraft,
) -> Result<Stored<GroupType>, Error> {
    RULES.check("group:group_types:create", caller, &own(caller))?;
    check_name(tx, &draft.name, None)?;
    let group_type = GroupType {
        id: runtime::new_uuid().into(),
        name: draft.name,
        description: draft.description,
        is_public: draft.is_public,
        specs: draft.specs,
        created_at: tx.now(),
    };
    Ok(TYPES.insert(tx, group_type)?)
}

fn check_name(tx: &mut Tx<'_>, name: &str, own: Option<VolumeGroupTypeId>) -> Result<(), Error> {
    match table::by_name(tx, name)? {
        Some(other) if Some(other.id) != own => {
            Err(Error::Conflict(format!("Group Type {name} already exists.")))
        }
        _ => Ok(()),
    }
}

/// A type that the caller may use. No rule asks who reads them.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<GroupType>, Error> {
    let parsed: VolumeGroupTypeId = id.parse().map_err(|_| absent(id))?;
    let visible = |found: &Stored<GroupType>| found.is_public || caller.is_admin();
    TYPES.load(tx, parsed)?.filter(visible).ok_or_else(|| absent(id))
}

fn show_for(caller: &Caller, tx: &mut Tx<'_>, id: &str, rule: &str) -> Result<Stored<GroupType>, Error> {
    RULES.check(rule, caller, &own(caller))?;
    show(caller, tx, id)
}

/// A type that the caller may use, by id or name.
pub(crate) fn by_id_or_name(
    caller: &Caller,
    tx: &mut Tx<'_>,
    wanted: &str,
) -> Result<Stored<GroupType>, Error> {
    if wanted.parse::<VolumeGroupTypeId>().is_ok() {
        return show(caller, tx, wanted);
    }
    let visible = |found: &Stored<GroupType>| found.is_public || caller.is_admin();
    let absent = || Error::NoSuch(format!("Group type with name {wanted} could not be found."));
    table::by_name(tx, wanted)?.filter(visible).ok_or_else(absent)
}

/// A type that is there for sure, for a group is of it.
pub(crate) fn load(tx: &mut Tx<'_>, id: VolumeGroupTypeId) -> Result<Stored<GroupType>, Error> {
    TYPES.load(tx, id)?.ok_or_else(|| absent(id))
}

/// The types that the caller may use and asked for: all, the public, or the private ones.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    is_public: Option<bool>,
    paging: &Paging,
) -> Result<Vec<GroupType>, Error> {
    let select = match is_public {
        Some(is_public) => Select::all().eq("is_public", is_public),
        None => Select::all(),
    };
    let marker = paging.marker.as_deref().map(|id| show(caller, tx, id)).transpose()?;
    Ok(paging.page(tx, &TYPES, select, marker.as_deref())?.rows)
}

/// Changes a type.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: GroupTypeChange,
) -> Result<Stored<GroupType>, Error> {
    let mut found = show_for(caller, tx, id, "group:group_types:update")?;
    if let Some(name) = change.name {
        check_name(tx, &name, Some(found.id))?;
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

/// Removes a type that no group is of.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let found = show_for(caller, tx, id, "group:group_types:delete")?;
    if group::store::has_type(tx, found.id)? {
        let text = format!(
            "Target group type is still in use. Group Type {id} deletion is not allowed with groups present with the \
             type."
        );
        return Err(Error::Invalid(text));
    }
    Ok(TYPES.remove(tx, &found)?)
}

/// A type for whoever may read its specs by this rule.
pub(crate) fn show_specs(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    rule: &str,
) -> Result<Stored<GroupType>, Error> {
    show_for(caller, tx, id, rule)
}

/// Changes the specs of a type by a function of it.
pub(crate) fn change_specs(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, rule): (&str, &str),
    change: impl FnOnce(&mut GroupType) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut found = show_for(caller, tx, id, rule)?;
    change(&mut found)?;
    Ok(TYPES.save(tx, &mut found)?)
}

/// The type that Cinder's schema brings along, without which no consistency group can be made.
pub(crate) fn ensure_migrated(tx: &mut Tx<'_>) -> Result<(), Error> {
    if table::by_name(tx, MIGRATED)?.is_none() {
        let yes = Some("<is> True".to_owned());
        let draft = GroupTypeDraft {
            name: MIGRATED.to_owned(),
            description: Some("Default group type for migrating cgsnapshot".to_owned()),
            is_public: true,
            specs: [("consistent_group_snapshot_enabled".to_owned(), yes)].into(),
        };
        create(&Caller::cloud(), tx, draft)?;
    }
    Ok(())
}

/// That type.
pub(crate) fn migrated(tx: &mut Tx<'_>) -> Result<Stored<GroupType>, Error> {
    let text = format!(
        "Group type {MIGRATED} not found. Rerun migration script to create the default cgsnapshot type."
    );
    table::by_name(tx, MIGRATED)?.ok_or(Error::Invalid(text))
}
