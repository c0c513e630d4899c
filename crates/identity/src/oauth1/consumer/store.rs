//! The table of consumers.

use store::Table;

use super::model::Consumer;

pub(crate) static CONSUMERS: Table<Consumer> =
    Table { name: "identity_consumers", id: |c| (&c.id).into(), columns: &[], unique: &[] };
