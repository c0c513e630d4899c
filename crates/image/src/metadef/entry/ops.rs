//! What callers do with entries of any kind.

use policy::Caller;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Select, Stored, Tx};

use super::{Entry, Kind, store as table};
use crate::error::Error;
use crate::metadef::api::Paging;
use crate::metadef::namespace::Namespace;
use crate::metadef::namespace::ops::{check, seen};

/// Entries of one kind in one namespace.
const ENTRIES_MAX: i64 = 1000;

/// An entry on its way: its name and its content.
pub(crate) type Draft<T> = (String, T);

/// Adds an entry.
pub(crate) fn create<T: Serialize + DeserializeOwned>(
    caller: &Caller,
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    namespace: &str,
    draft: Draft<T>,
) -> Result<Stored<Entry<T>>, Error> {
    let namespace = seen(caller, tx, namespace)?;
    check(kind.rules.add, caller, Some(&namespace))?;
    insert(tx, kind, &namespace, draft)
}

/// Adds an entry to a namespace in which the caller may.
pub(crate) fn insert<T: Serialize + DeserializeOwned>(
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    namespace: &Namespace,
    (name, content): Draft<T>,
) -> Result<Stored<Entry<T>>, Error> {
    if kind.table.count(tx, &Select::all().eq("namespace_id", namespace.id.as_str()))? >= ENTRIES_MAX {
        return Err(Error::OverLimit(format!("A namespace has at most {ENTRIES_MAX} entries of each kind.")));
    }
    if table::find(kind.table, tx, (&namespace.id, &name))?.is_some() {
        return Err(Error::Conflict((kind.duplicate)(&name, &namespace.name)));
    }
    let now = tx.now();
    let id = runtime::new_uuid().to_string();
    let namespace_id = namespace.id.clone();
    let entry = Entry { id, namespace_id, name, created_at: now, updated_at: now, content };
    Ok(kind.table.insert(tx, entry)?)
}

/// All entries of a namespace.
pub(crate) fn list<T: Serialize + DeserializeOwned>(
    caller: &Caller,
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    namespace: &str,
) -> Result<Vec<Stored<Entry<T>>>, Error> {
    let namespace = seen(caller, tx, namespace)?;
    check(kind.rules.list, caller, Some(&namespace))?;
    if check(kind.rules.show, caller, Some(&namespace)).is_err() {
        return Ok(Vec::new());
    }
    Ok(table::of(kind.table, tx, &namespace.id)?)
}

/// A page of them.
pub(crate) fn page<T: Serialize + DeserializeOwned>(
    caller: &Caller,
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    namespace: &str,
    paging: &Paging,
) -> Result<Vec<Stored<Entry<T>>>, Error> {
    let namespace = seen(caller, tx, namespace)?;
    check(kind.rules.list, caller, Some(&namespace))?;
    let after = match &paging.marker {
        Some(marker) => Some(load(tx, kind, &namespace, marker)?),
        None => None,
    };
    Ok(table::page(kind.table, tx, (&namespace.id, paging), after.as_deref())?)
}

/// One entry.
pub(crate) fn show<T: Serialize + DeserializeOwned>(
    caller: &Caller,
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    namespace: &str,
    name: &str,
) -> Result<Stored<Entry<T>>, Error> {
    let namespace = seen(caller, tx, namespace)?;
    check(kind.rules.show, caller, Some(&namespace))?;
    load(tx, kind, &namespace, name)
}

/// Replaces an entry by another, whose name may be new.
pub(crate) fn update<T: Serialize + DeserializeOwned>(
    caller: &Caller,
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    (namespace, name): (&str, &str),
    draft: Draft<T>,
) -> Result<Stored<Entry<T>>, Error> {
    let namespace = seen(caller, tx, namespace)?;
    check(kind.rules.modify, caller, Some(&namespace))?;
    let mut entry = load(tx, kind, &namespace, name)?;
    let (name, content) = draft;
    if name != entry.name && table::find(kind.table, tx, (&namespace.id, &name))?.is_some() {
        return Err(Error::Conflict((kind.duplicate)(&name, &namespace.name)));
    }
    entry.name = name;
    entry.content = content;
    entry.updated_at = tx.now();
    kind.table.save(tx, &mut entry)?;
    Ok(entry)
}

/// Removes an entry, unless its namespace is protected.
pub(crate) fn delete<T: Serialize + DeserializeOwned>(
    caller: &Caller,
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    namespace: &str,
    name: &str,
) -> Result<(), Error> {
    let namespace = seen(caller, tx, namespace)?;
    check(kind.rules.delete, caller, Some(&namespace))?;
    let entry = load(tx, kind, &namespace, name)?;
    if namespace.protected {
        return Err(Error::Forbidden((kind.protected)(name)));
    }
    Ok(kind.table.remove(tx, &entry)?)
}

/// Removes all entries of a kind.
pub(crate) fn forget<T: Serialize + DeserializeOwned>(
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    namespace: &Namespace,
) -> Result<(), Error> {
    for entry in table::of(kind.table, tx, &namespace.id)? {
        kind.table.remove(tx, &entry)?;
    }
    Ok(())
}

fn load<T: Serialize + DeserializeOwned>(
    tx: &mut Tx<'_>,
    kind: &Kind<T>,
    namespace: &Namespace,
    name: &str,
) -> Result<Stored<Entry<T>>, Error> {
    let found = table::find(kind.table, tx, (&namespace.id, name))?;
    found.ok_or_else(|| Error::NoSuch((kind.absent)(name)))
}
