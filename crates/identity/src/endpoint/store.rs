//! The table of endpoints.

use store::{Column, Table};

use super::model::Endpoint;

pub(crate) static ENDPOINTS: Table<Endpoint> = Table {
    name: "identity_endpoints",
    id: |e| (&e.id).into(),
    columns: &[
        Column { name: "service_id", value: |e| (&e.service_id).into() },
        Column { name: "region_id", value: |e| e.region_id.as_ref().into() },
        Column { name: "interface", value: |e| e.interface.name().into() },
    ],
    unique: &[],
};
