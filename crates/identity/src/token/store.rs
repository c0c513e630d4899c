//! The table of keys, and the count of changes that may concern a token.

use store::{Column, Error, Table, Tx, Value};

use super::keys::Key;

pub(crate) static KEYS: Table<Key> = Table {
    name: "identity_fernet_keys",
    id: |k| k.id.as_str().into(),
    columns: &[Column { name: "made_at", value: |k| k.made_at.into() }],
    unique: &[],
};

/// The count is spread over this many rows, so that two transactions seldom wait for the same one.
const COUNTERS: u64 = 16;

/// Counts a change, for processes that do not hear of this one's commits.
pub(crate) fn count_change(tx: &mut Tx<'_>) -> Result<(), Error> {
    let counter = i64::try_from(runtime::random_u64() % COUNTERS).unwrap_or(0);
    tx.execute(
        "UPDATE identity_generations SET generation = generation + 1 WHERE id = ?",
        &[counter.into()],
    )?;
    Ok(())
}

/// How many changes were counted.
pub(crate) fn generation(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let rows = tx.rows("SELECT generation FROM identity_generations", &[])?;
    Ok(rows.iter().filter_map(|row| row.first().and_then(Value::int)).sum())
}
