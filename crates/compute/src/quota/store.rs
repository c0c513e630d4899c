//! The table of projects' own limits.

use ::store::Table;

use super::model::Overrides;

/// The table; a row's id is its project's.
pub(super) static QUOTAS: Table<Overrides> =
    Table { name: "compute_quotas", id: |q| (&q.project_id).into(), columns: &[], unique: &[] };
