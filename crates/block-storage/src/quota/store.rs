//! The tables of quotas and their classes.

use store::Table;

use super::{Quota, QuotaClass};

/// A row for each project whose limits were changed.
pub(crate) static QUOTAS: Table<Quota> =
    Table { name: "block_storage_quotas", id: |q| (&q.project_id).into(), columns: &[], unique: &[] };

/// A row for each class of which something was said.
pub(crate) static CLASSES: Table<QuotaClass> =
    Table { name: "block_storage_quota_classes", id: |c| c.name.as_str().into(), columns: &[], unique: &[] };
