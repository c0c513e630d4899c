//! The table of revocations.

use store::{Column, Condition, Error, Select, Table, Tx};
use types::Timestamp;

use super::model::Revocation;

pub(crate) static REVOCATIONS: Table<Revocation> = Table {
    name: "identity_revocations",
    id: |r| r.id.as_str().into(),
    columns: &[
        Column { name: "expires_at", value: |r| r.expires_at.into() },
        Column { name: "subject_id", value: |r| r.subject_id().into() },
    ],
    unique: &[],
};

/// How many rows of no more use one revocation clears away.
const CLEARED_MAX: u32 = 64;

/// Forgets some events that concern no token any more.
pub(crate) fn clear(tx: &mut Tx<'_>) -> Result<(), Error> {
    let expired = Select::all().with(Condition::Lt("expires_at", tx.now().into())).limit(CLEARED_MAX);
    for row in REVOCATIONS.query(tx, &expired)? {
        REVOCATIONS.remove(tx, &row)?;
    }
    Ok(())
}

/// Whether a token issued then and known by these ids was revoked.
pub(crate) fn is_revoked(tx: &mut Tx<'_>, ids: &[&str], issued_at: Timestamp) -> Result<bool, Error> {
    let found = REVOCATIONS.query(tx, &Select::all().is_in("subject_id", ids.iter().copied()))?;
    Ok(found.iter().any(|event| event.covers(issued_at)))
}
