//! The table of policy documents.

use store::{Column, Table};

use super::model::PolicyDocument;

pub(crate) static POLICIES: Table<PolicyDocument> = Table {
    name: "identity_policies",
    id: |p| (&p.id).into(),
    columns: &[Column { name: "type", value: |p| p.kind.as_str().into() }],
    unique: &[],
};
