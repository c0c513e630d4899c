//! The table of access tokens.

use store::{Column, Table};

use super::model::AccessToken;

pub(crate) static ACCESS_TOKENS: Table<AccessToken> = Table {
    name: "identity_access_tokens",
    id: |t| (&t.id).into(),
    columns: &[
        Column { name: "consumer_id", value: |t| (&t.consumer_id).into() },
        Column { name: "user_id", value: |t| (&t.user_id).into() },
        Column { name: "project_id", value: |t| (&t.project_id).into() },
    ],
    unique: &[],
};
