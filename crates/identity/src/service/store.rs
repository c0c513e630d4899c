//! The table of the catalog's services.

use store::{Column, Table};

use super::model::CatalogService;

pub(crate) static SERVICES: Table<CatalogService> = Table {
    name: "identity_services",
    id: |s| (&s.id).into(),
    columns: &[
        Column { name: "type", value: |s| s.kind.as_str().into() },
        Column { name: "name", value: |s| s.name.as_str().into() },
    ],
    unique: &[],
};
