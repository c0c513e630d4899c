//! The table of group types.

use store::{Column, Error, Select, Stored, Table, Tx, Unique};

use super::GroupType;

/// What the database knows of a type.
pub(crate) static TYPES: Table<GroupType> = Table {
    name: "block_storage_group_types",
    id: |t| t.id.into(),
    columns: &[
        Column { name: "name", value: |t| t.name.as_str().into() },
        Column { name: "is_public", value: |t| t.is_public.into() },
        Column { name: "created_at", value: |t| t.created_at.into() },
    ],
    unique: &[Unique { name: "block_storage_group_types_name", columns: &["name"] }],
};

/// The type of this name.
pub(crate) fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Stored<GroupType>>, Error> {
    TYPES.first(tx, &Select::all().eq("name", name))
}
