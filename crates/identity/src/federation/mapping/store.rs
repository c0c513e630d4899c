//! The table of mappings.

use store::Table;

use super::model::Mapping;

pub(crate) static MAPPINGS: Table<Mapping> =
    Table { name: "identity_mappings", id: |m| (&m.id).into(), columns: &[], unique: &[] };
