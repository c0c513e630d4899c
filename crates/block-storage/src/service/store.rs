//! The table of what operators said of the service's parts.

use store::Table;

use super::Switch;

/// A row for each part of which something was said.
pub(crate) static SWITCHES: Table<Switch> =
    Table { name: "block_storage_services", id: |s| s.key.as_str().into(), columns: &[], unique: &[] };
