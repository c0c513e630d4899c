//! What callers do with namespaces.

use policy::{Caller, Named, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Condition, Stored, Tx};

use super::store::{self as table, NAMESPACES};
use super::{Contents, Namespace, NamespaceDraft};
use crate::error::Error;
use crate::metadef::api::Paging;
use crate::metadef::entry::{Entry, Kind, ops as entries, store as rows};
use crate::metadef::object::{OBJECTS, ObjectContent};
use crate::metadef::property::{PROPERTIES, PropertyShape};
use crate::metadef::resource_type::{self, ASSOCIATIONS, AssociationContent};
use crate::metadef::tag::TAGS;
use crate::policy::RULES;

/// What a list is narrowed by.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamespaceFilter {
    /// `public` or `private`.
    pub(crate) visibility: Option<String>,
    /// Associated with one of these types.
    pub(crate) resource_types: Option<Vec<String>>,
}

/// All that is in a namespace.
pub(crate) struct Whole {
    pub(crate) namespace: Stored<Namespace>,
    pub(crate) objects: Vec<Stored<Entry<ObjectContent>>>,
    pub(crate) properties: Vec<Stored<Entry<PropertyShape>>>,
    pub(crate) tags: Vec<Stored<Entry<()>>>,
    pub(crate) associations: Vec<Stored<Entry<AssociationContent>>>,
}

/// Asks a rule about a namespace, or about those of the caller's project. Whoever may not even see it hears that there
/// is none.
pub(crate) fn check(rule: &str, caller: &Caller, namespace: Option<&Namespace>) -> Result<(), Error> {
    let owner = match namespace {
        Some(namespace) => Some(namespace.owner.as_str()),
        None => caller.project_id().map(|project| project.as_str()),
    };
    let owner = Value::of(owner);
    let mut target = vec![("project_id", owner)];
    target.extend(namespace.map(|namespace| ("visibility", Value::Text(namespace.visibility()))));
    let target = Named(&target);
    let sees = |rule: &str| RULES.allows(rule, caller, &target);
    if sees(rule) {
        return Ok(());
    }
    if rule == "get_metadef_namespace" || !sees("get_metadef_namespace") {
        return Err(Error::NoSuch("The resource could not be found.".to_owned()));
    }
    Err(Error::Denied(rule.to_owned()))
}

/// A namespace that the caller sees.
pub(crate) fn seen(caller: &Caller, tx: &mut Tx<'_>, name: &str) -> Result<Stored<Namespace>, Error> {
    let visible = |namespace: &Namespace| {
        caller.is_admin() || namespace.public || caller.project_id() == Some(&namespace.owner)
    };
    let found = table::find(tx, name)?.filter(|namespace| visible(namespace));
    found.ok_or_else(|| Error::NoSuch(format!("Namespace {name} not found")))
}

/// Makes a namespace with what is in it, all or nothing.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: NamespaceDraft,
    contents: Contents,
) -> Result<Whole, Error> {
    check("add_metadef_namespace", caller, None)?;
    let asked = [
        (contents.associations.is_empty(), ASSOCIATIONS.rules.add),
        (contents.objects.is_empty(), OBJECTS.rules.add),
        (contents.properties.is_empty(), PROPERTIES.rules.add),
        (contents.tags.is_empty(), TAGS.rules.add),
    ];
    for (_, rule) in asked.iter().filter(|(empty, _)| !empty) {
        check(rule, caller, None)?;
    }
    if table::find(tx, &draft.name)?.is_some() {
        return Err(duplicate(&draft.name));
    }
    let id = runtime::new_uuid().to_string();
    let namespace = NAMESPACES.insert(tx, namespace(caller, tx, id, draft)?)?;
    fill(tx, &namespace, contents)?;
    whole(tx, namespace)
}

fn fill(tx: &mut Tx<'_>, namespace: &Namespace, contents: Contents) -> Result<(), Error> {
    for association in contents.associations {
        resource_type::ops::insert(tx, namespace, association)?;
    }
    for object in contents.objects {
        entries::insert(tx, &OBJECTS, namespace, object)?;
    }
    for tag in contents.tags {
        entries::insert(tx, &TAGS, namespace, (tag, ()))?;
    }
    for property in contents.properties {
        entries::insert(tx, &PROPERTIES, namespace, property)?;
    }
    Ok(())
}

fn namespace(caller: &Caller, tx: &Tx<'_>, id: String, draft: NamespaceDraft) -> Result<Namespace, Error> {
    let owner = draft.owner.or_else(|| caller.project_id().cloned());
    let owner = owner.ok_or_else(|| Error::Forbidden("A namespace needs a project to own it.".to_owned()))?;
    let now = tx.now();
    Ok(Namespace {
        id,
        name: draft.name,
        display_name: draft.display_name,
        description: draft.description,
        public: draft.public,
        protected: draft.protected,
        owner,
        created_at: now,
        updated_at: now,
    })
}

/// A namespace with all that is in it.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, name: &str) -> Result<Whole, Error> {
    let missing = || Error::NoSuch(format!("Metadata definition namespace={name} was not found."));
    let namespace = table::find(tx, name)?.ok_or_else(missing)?;
    let hidden = |_| Error::NoSuch("The resource could not be found.".to_owned());
    let namespace = seen(caller, tx, &namespace.name).map_err(hidden)?;
    check("get_metadef_namespace", caller, Some(&namespace))?;
    for rule in [ASSOCIATIONS.rules.list, OBJECTS.rules.list, PROPERTIES.rules.list, TAGS.rules.list] {
        check(rule, caller, Some(&namespace))?;
    }
    whole(tx, namespace)
}

fn whole(tx: &mut Tx<'_>, namespace: Stored<Namespace>) -> Result<Whole, Error> {
    let id = namespace.id.clone();
    Ok(Whole {
        objects: rows::of(OBJECTS.table, tx, &id)?,
        properties: rows::of(PROPERTIES.table, tx, &id)?,
        tags: rows::of(TAGS.table, tx, &id)?,
        associations: rows::of(ASSOCIATIONS.table, tx, &id)?,
        namespace,
    })
}

/// A namespace in a list.
pub(crate) type Listed = (Stored<Namespace>, Vec<Stored<Entry<AssociationContent>>>);

/// The namespaces that the caller sees, each with its associations.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    filter: &NamespaceFilter,
    paging: &Paging,
) -> Result<Vec<Listed>, Error> {
    check("get_metadef_namespaces", caller, None)?;
    check("list_metadef_resource_types", caller, None)?;
    let after = match &paging.marker {
        Some(marker) => {
            let unknown = || Error::NoSuch(format!("Metadata definition namespace={marker} was not found."));
            Some(seen(caller, tx, marker).map_err(|_| unknown())?)
        }
        None => None,
    };
    let conditions = conditions(caller, tx, filter)?;
    let found = table::page(tx, conditions, paging, after.as_deref())?;
    let mut listed = Vec::with_capacity(found.len());
    for namespace in found {
        if check("get_metadef_namespace", caller, Some(&namespace)).is_ok() {
            let associations = rows::of(ASSOCIATIONS.table, tx, &namespace.id)?;
            listed.push((namespace, associations));
        }
    }
    Ok(listed)
}

fn conditions(caller: &Caller, tx: &mut Tx<'_>, filter: &NamespaceFilter) -> Result<Vec<Condition>, Error> {
    let mut conditions = Vec::new();
    if !caller.is_admin() {
        let public = Condition::Eq("visibility", "public".into());
        let own = caller.project_id().map(|project| Condition::Eq("owner", project.into()));
        conditions.push(Condition::Any(own.into_iter().chain([public]).collect()));
    }
    if let Some(visibility) = &filter.visibility {
        conditions.push(Condition::Eq("visibility", visibility.as_str().into()));
    }
    if let Some(types) = &filter.resource_types {
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        let ids = resource_type::store::namespaces_of(tx, &types)?;
        conditions.push(Condition::In("id", ids.iter().map(|id| id.as_str().into()).collect()));
    }
    Ok(conditions)
}

/// Replaces what is said of a namespace; what is in it stays.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    name: &str,
    draft: NamespaceDraft,
) -> Result<Stored<Namespace>, Error> {
    let mut row = seen(caller, tx, name)?;
    check("modify_metadef_namespace", caller, Some(&row))?;
    if draft.name != row.name && table::find(tx, &draft.name)?.is_some() {
        return Err(Error::Conflict(format!(
            "Invalid update. It would result in a duplicate metadata definition namespace with the same name of {}",
            draft.name
        )));
    }
    let mut draft = draft;
    let own = caller.project_id().is_some();
    draft.owner = draft.owner.or_else(|| (!own).then(|| row.owner.clone()));
    let created_at = row.created_at;
    *row = Namespace { created_at, ..namespace(caller, tx, row.id.clone(), draft)? };
    NAMESPACES.save(tx, &mut row)?;
    Ok(row)
}

/// Removes a namespace with all that is in it.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, name: &str) -> Result<(), Error> {
    let namespace = deletable(caller, tx, name)?;
    entries::forget(tx, &OBJECTS, &namespace)?;
    entries::forget(tx, &PROPERTIES, &namespace)?;
    entries::forget(tx, &TAGS, &namespace)?;
    entries::forget(tx, &ASSOCIATIONS, &namespace)?;
    Ok(NAMESPACES.remove(tx, &namespace)?)
}

/// Removes all entries of one kind.
pub(crate) fn clear<T: Serialize + DeserializeOwned>(
    caller: &Caller,
    tx: &mut Tx<'_>,
    name: &str,
    kind: &Kind<T>,
) -> Result<(), Error> {
    let namespace = deletable(caller, tx, name)?;
    entries::forget(tx, kind, &namespace)
}

/// Removes all tags, for which there is a rule too.
pub(crate) fn clear_tags(caller: &Caller, tx: &mut Tx<'_>, name: &str) -> Result<(), Error> {
    let namespace = deletable(caller, tx, name)?;
    check("delete_metadef_tags", caller, Some(&namespace))?;
    entries::forget(tx, &TAGS, &namespace)
}

/// Adds tags, in the place of those there are unless they are to be `kept`. No tags change nothing.
pub(crate) fn add_tags(
    caller: &Caller,
    tx: &mut Tx<'_>,
    name: &str,
    tags: &[String],
    kept: bool,
) -> Result<(), Error> {
    let namespace = seen(caller, tx, name)?;
    check("add_metadef_tags", caller, Some(&namespace))?;
    if !kept && !tags.is_empty() {
        entries::forget(tx, &TAGS, &namespace)?;
    }
    for tag in tags {
        entries::insert(tx, &TAGS, &namespace, (tag.clone(), ()))?;
    }
    Ok(())
}

fn deletable(caller: &Caller, tx: &mut Tx<'_>, name: &str) -> Result<Stored<Namespace>, Error> {
    let namespace = seen(caller, tx, name)?;
    check("delete_metadef_namespace", caller, Some(&namespace))?;
    if namespace.protected {
        let text = format!("Metadata definition namespace {name} is protected and cannot be deleted.");
        return Err(Error::Forbidden(text));
    }
    Ok(namespace)
}

fn duplicate(name: &str) -> Error {
    Error::Conflict(format!("The metadata definition namespace={name} already exists."))
}
