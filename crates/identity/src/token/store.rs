//! The tables of keys and of revoked tokens.

use serde::{Deserialize, Serialize};
use store::{Column, Condition, Error, Select, Table, Tx};
use types::Timestamp;

use super::keys::Key;

pub(crate) static KEYS: Table<Key> = Table {
    name: "identity_fernet_keys",
    id: |k| k.id.as_str().into(),
    columns: &[Column { name: "made_at", value: |k| k.made_at.into() }],
    unique: &[],
};

/// A token that was given back before it expired.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Revocation {
    pub(crate) audit_id: String,
    /// When the token would have expired: the row is of no use after that.
    pub(crate) expires_at: Timestamp,
}

pub(crate) static REVOCATIONS: Table<Revocation> = Table {
    name: "identity_revocations",
    id: |r| r.audit_id.as_str().into(),
    columns: &[Column { name: "expires_at", value: |r| r.expires_at.into() }],
    unique: &[],
};

/// How many rows of expired tokens one revocation clears away.
const CLEARED_MAX: u32 = 64;

/// Remembers a revocation, and forgets some that expired.
pub(crate) fn revoke(tx: &mut Tx<'_>, revocation: Revocation) -> Result<(), Error> {
    let expired = Select::all().with(Condition::Lt("expires_at", tx.now().into())).limit(CLEARED_MAX);
    for row in REVOCATIONS.query(tx, &expired)? {
        REVOCATIONS.remove(tx, &row)?;
    }
    if REVOCATIONS.load(tx, revocation.audit_id.as_str())?.is_none() {
        REVOCATIONS.insert(tx, revocation)?;
    }
    Ok(())
}
