//! What callers do with types of resources.

use policy::Caller;
use store::{Direction, Select, Stored, Tx};

use super::store::RESOURCE_TYPES;
use super::{ASSOCIATIONS, AssociationContent, ResourceType};
use crate::error::Error;
use crate::metadef::entry::{Entry, ops, store as entries};
use crate::metadef::namespace::Namespace;
use crate::metadef::namespace::ops::{check, seen};

/// The types that every cloud has resources of, by Heat's names. Glance comes with them too.
const KNOWN: [&str; 5] = [
    "OS::Cinder::Volume",
    "OS::Glance::Image",
    "OS::Nova::Aggregate",
    "OS::Nova::Flavor",
    "OS::Nova::Server",
];

/// Makes known what every cloud has.
pub fn bootstrap(tx: &mut Tx<'_>) -> Result<(), store::Error> {
    for name in KNOWN {
        ensure(tx, name)?;
    }
    Ok(())
}

fn ensure(tx: &mut Tx<'_>, name: &str) -> Result<(), store::Error> {
    if RESOURCE_TYPES.load(tx, name)?.is_none() {
        let created_at = tx.now();
        RESOURCE_TYPES.insert(tx, ResourceType { name: name.to_owned(), created_at })?;
    }
    Ok(())
}

/// Every type that is known.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Stored<ResourceType>>, Error> {
    check("list_metadef_resource_types", caller, None)?;
    Ok(RESOURCE_TYPES.query(tx, &Select::all().order("id", Direction::Asc))?)
}

/// Associates a type with a namespace.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    namespace: &str,
    draft: ops::Draft<AssociationContent>,
) -> Result<Stored<Entry<AssociationContent>>, Error> {
    let namespace = seen(caller, tx, namespace)?;
    check(ASSOCIATIONS.rules.add, caller, Some(&namespace))?;
    insert(tx, &namespace, draft)
}

/// Adds an association to a namespace in which the caller may.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    namespace: &Namespace,
    draft: ops::Draft<AssociationContent>,
) -> Result<Stored<Entry<AssociationContent>>, Error> {
    ensure(tx, &draft.0)?;
    ops::insert(tx, &ASSOCIATIONS, namespace, draft)
}

/// A property's name without the prefix that it has for a type.
pub(crate) fn unprefixed(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (namespace, kind): (&str, &str),
    name: &str,
) -> Result<String, Error> {
    let namespace = seen(caller, tx, namespace)?;
    check("get_metadef_property", caller, Some(&namespace))?;
    check("get_metadef_resource_type", caller, Some(&namespace))?;
    let found = entries::find(ASSOCIATIONS.table, tx, (&namespace.id, kind))?;
    let association = found.ok_or_else(|| {
        Error::NoSuch(format!(
            "The metadata definition resource-type association of resource-type={kind} to namespace={}, was not \
             found.",
            namespace.name
        ))
    })?;
    let prefix = association.content.prefix.clone().unwrap_or_default();
    let bare = if prefix.is_empty() { None } else { name.strip_prefix(&prefix) };
    bare.map(str::to_owned).ok_or_else(|| {
        Error::NoSuch(format!(
            "Property {name} does not start with the expected resource type association prefix of '{prefix}'."
        ))
    })
}
