//! The table of domains.

use store::{Column, Table, Unique};

use super::model::Domain;

pub(crate) static DOMAINS: Table<Domain> = Table {
    name: "identity_domains",
    id: |d| (&d.id).into(),
    columns: &[
        Column { name: "name", value: |d| d.name.as_str().into() },
        Column { name: "enabled", value: |d| d.enabled.into() },
    ],
    unique: &[Unique { name: "identity_domains_name", columns: &["name"] }],
};
