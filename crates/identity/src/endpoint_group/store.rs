//! The table of endpoint groups.

use store::{Column, Table};

use super::model::EndpointGroup;

pub(crate) static ENDPOINT_GROUPS: Table<EndpointGroup> = Table {
    name: "identity_endpoint_groups",
    id: |g| (&g.id).into(),
    columns: &[Column { name: "name", value: |g| g.name.as_str().into() }],
    unique: &[],
};
