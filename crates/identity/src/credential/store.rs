//! The table of credentials.

use store::{Column, Table};

use super::model::Credential;

pub(crate) static CREDENTIALS: Table<Credential> = Table {
    name: "identity_credentials",
    id: |c| (&c.id).into(),
    columns: &[
        Column { name: "user_id", value: |c| (&c.user_id).into() },
        Column { name: "project_id", value: |c| c.project_id.as_ref().into() },
        Column { name: "type", value: |c| c.kind.as_str().into() },
    ],
    unique: &[],
};
