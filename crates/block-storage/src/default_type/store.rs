//! The table of default types.

use store::{Column, Table};

use super::DefaultType;

/// A row for each project that has a default type of its own.
pub(crate) static DEFAULT_TYPES: Table<DefaultType> = Table {
    name: "block_storage_default_types",
    id: |d| (&d.project_id).into(),
    columns: &[Column { name: "volume_type_id", value: |d| d.volume_type_id.into() }],
    unique: &[],
};
