//! The table of registered limits.

use store::{Column, Table, Unique};

use super::model::RegisteredLimit;

pub(crate) static REGISTERED_LIMITS: Table<RegisteredLimit> = Table {
    name: "identity_registered_limits",
    id: |l| (&l.id).into(),
    columns: &[
        Column { name: "what", value: |l| l.what.key().into() },
        Column { name: "service_id", value: |l| (&l.what.service_id).into() },
        Column { name: "region_id", value: |l| l.what.region_id.as_ref().into() },
        Column { name: "resource_name", value: |l| l.what.resource_name.as_str().into() },
    ],
    unique: &[Unique { name: "identity_registered_limits_what", columns: &["what"] }],
};
