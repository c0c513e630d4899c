//! The table of namespaces.

use store::{Column, Condition, Direction, Error, Select, Stored, Table, Tx, Unique, Value};

use super::Namespace;
use crate::metadef::api::Paging;

/// What the database knows of a namespace.
pub(crate) static NAMESPACES: Table<Namespace> = Table {
    name: "image_metadef_namespaces",
    id: |n| n.id.as_str().into(),
    columns: &[
        Column { name: "name", value: |n| n.name.as_str().into() },
        Column { name: "owner", value: |n| (&n.owner).into() },
        Column { name: "visibility", value: |n| n.visibility().into() },
        Column { name: "created_at", value: |n| n.created_at.into() },
        Column { name: "updated_at", value: |n| n.updated_at.into() },
    ],
    unique: &[Unique { name: "image_metadef_namespaces_name", columns: &["name"] }],
};

/// What namespaces can be sorted by.
pub(crate) const SORTABLE: [(&str, &str); 6] = [
    ("namespace", "name"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
    ("visibility", "visibility"),
    ("owner", "owner"),
    ("id", "id"),
];

/// The namespace of this name.
pub(crate) fn find(tx: &mut Tx<'_>, name: &str) -> Result<Option<Stored<Namespace>>, Error> {
    NAMESPACES.first(tx, &Select::all().eq("name", name))
}

/// A page of the namespaces that meet these conditions, after this one.
pub(crate) fn page(
    tx: &mut Tx<'_>,
    conditions: Vec<Condition>,
    paging: &Paging,
    after: Option<&Namespace>,
) -> Result<Vec<Stored<Namespace>>, Error> {
    let mut select = conditions.into_iter().fold(Select::all(), Select::with);
    let order: [(&'static str, Direction); 2] = [(paging.sort, paging.direction), ("id", paging.direction)];
    for (column, direction) in order {
        select = select.order(column, direction);
    }
    if let Some(namespace) = after {
        let values: Vec<Value> = order.iter().map(|(name, _)| column(namespace, name)).collect();
        select = select.after(&values);
    }
    if let Some(limit) = paging.limit {
        select = select.limit(limit);
    }
    NAMESPACES.query(tx, &select)
}

fn column(namespace: &Namespace, name: &str) -> Value {
    let found = NAMESPACES.columns.iter().find(|column| column.name == name);
    found.map_or_else(|| namespace.id.as_str().into(), |column| (column.value)(namespace))
}
