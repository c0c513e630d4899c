//! The table of trusts.

use store::{Column, Table};

use super::model::Trust;

pub(crate) static TRUSTS: Table<Trust> = Table {
    name: "identity_trusts",
    id: |t| (&t.id).into(),
    columns: &[
        Column { name: "trustor_id", value: |t| (&t.trustor_id).into() },
        Column { name: "trustee_id", value: |t| (&t.trustee_id).into() },
        Column { name: "project_id", value: |t| t.project_id.as_ref().into() },
    ],
    unique: &[],
};
