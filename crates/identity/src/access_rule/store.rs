//! The table of access rules.

use store::{Column, Table, Unique};

use super::model::OwnedRule;
use crate::ids::key_of;

/// What a rule says is hashed into one column, so that no user has the same one twice.
pub(crate) static ACCESS_RULES: Table<OwnedRule> = Table {
    name: "identity_access_rules",
    id: |r| r.rule.id.as_str().into(),
    columns: &[
        Column { name: "user_id", value: |r| (&r.user_id).into() },
        Column { name: "said", value: |r| said(&r.rule.service, &r.rule.method, &r.rule.path).into() },
    ],
    unique: &[Unique { name: "identity_access_rules_said", columns: &["user_id", "said"] }],
};

/// The key of what a rule says.
pub(crate) fn said(service: &str, method: &str, path: &str) -> String {
    key_of(&[service, method, path])
}
