//! The table of quotas.

use store::Table;

use super::Quota;

/// A row for each project whose limits were changed.
pub(crate) static QUOTAS: Table<Quota> =
    Table { name: "block_storage_quotas", id: |q| (&q.project_id).into(), columns: &[], unique: &[] };
