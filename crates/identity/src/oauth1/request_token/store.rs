//! The table of request tokens.

use store::{Column, Condition, Error, Select, Table, Tx};

use super::model::RequestToken;

pub(crate) static REQUEST_TOKENS: Table<RequestToken> = Table {
    name: "identity_request_tokens",
    id: |t| (&t.id).into(),
    columns: &[
        Column { name: "consumer_id", value: |t| (&t.consumer_id).into() },
        Column {
            name: "user_id",
            value: |t| t.grant.as_ref().map_or("", |grant| grant.user_id.as_str()).into(),
        },
        Column { name: "project_id", value: |t| (&t.project_id).into() },
        Column { name: "expires_at", value: |t| t.expires_at.into() },
    ],
    unique: &[],
};

/// How many rows of no more use one request clears away.
const CLEARED_MAX: u32 = 64;

/// Forgets some that can be granted no more.
pub(crate) fn clear(tx: &mut Tx<'_>) -> Result<(), Error> {
    let expired = Select::all().with(Condition::Lt("expires_at", tx.now().into())).limit(CLEARED_MAX);
    for row in REQUEST_TOKENS.query(tx, &expired)? {
        REQUEST_TOKENS.remove(tx, &row)?;
    }
    Ok(())
}
