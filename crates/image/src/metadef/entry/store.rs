//! The columns of the tables of entries, and their queries.

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Column, Direction, Error, Select, Stored, Table, Tx, Value};

use super::Entry;
use crate::metadef::api::Paging;

impl<T: 'static> Entry<T> {
    /// The columns of each kind's table.
    pub(crate) const COLUMNS: &'static [Column<Entry<T>>] = &[
        Column { name: "namespace_id", value: |e: &Entry<T>| e.namespace_id.as_str().into() },
        Column { name: "name", value: |e: &Entry<T>| e.name.as_str().into() },
        Column { name: "created_at", value: |e: &Entry<T>| e.created_at.into() },
        Column { name: "updated_at", value: |e: &Entry<T>| e.updated_at.into() },
    ];
}

/// What entries can be sorted by.
pub(crate) const SORTABLE: [(&str, &str); 4] =
    [("name", "name"), ("created_at", "created_at"), ("updated_at", "updated_at"), ("id", "id")];

/// All entries of a namespace, by name.
pub(crate) fn of<T: Serialize + DeserializeOwned>(
    table: &Table<Entry<T>>,
    tx: &mut Tx<'_>,
    namespace_id: &str,
) -> Result<Vec<Stored<Entry<T>>>, Error> {
    table.query(tx, &Select::all().eq("namespace_id", namespace_id).order("name", Direction::Asc))
}

/// The entry of this name.
pub(crate) fn find<T: Serialize + DeserializeOwned>(
    table: &Table<Entry<T>>,
    tx: &mut Tx<'_>,
    (namespace_id, name): (&str, &str),
) -> Result<Option<Stored<Entry<T>>>, Error> {
    table.first(tx, &Select::all().eq("namespace_id", namespace_id).eq("name", name))
}

/// A page of the entries of a namespace, after this one.
pub(crate) fn page<T: Serialize + DeserializeOwned>(
    table: &Table<Entry<T>>,
    tx: &mut Tx<'_>,
    (namespace_id, paging): (&str, &Paging),
    after: Option<&Entry<T>>,
) -> Result<Vec<Stored<Entry<T>>>, Error> {
    let mut select = Select::all().eq("namespace_id", namespace_id);
    select = select.order(paging.sort, paging.direction);
    // Entries made at the same time go by their names, which differ.
    select = select.order("name", paging.direction);
    if let Some(entry) = after {
        let value: Value = match paging.sort {
            "created_at" => entry.created_at.into(),
            "updated_at" => entry.updated_at.into(),
            "id" => entry.id.as_str().into(),
            _ => entry.name.as_str().into(),
        };
        select = select.after(&[value, entry.name.as_str().into()]);
    }
    if let Some(limit) = paging.limit {
        select = select.limit(limit);
    }
    table.query(tx, &select)
}
