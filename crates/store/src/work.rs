//! The work table: which keys some reconciler must look at, when, and who does so now.
//!
//! A kick carries a key and nothing else. A kick that arrives while the key is being stepped survives it, because
//! finishing compares the kick count that the step began with.

use std::time::Duration;

use types::Timestamp;

use crate::{Error, Tx, Value};

/// Told after a commit that made work due.
pub const SIGNAL: &str = "work";

/// How long a replica may take over one step before another may take the key.
pub const LEASE: Duration = Duration::from_secs(60);

/// A key that this replica alone may step until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The reconciler, `network::port`.
    pub kind: String,
    /// What it is to look at.
    pub id: String,
    /// How many steps in a row failed.
    pub attempts: u32,
    kicks: i64,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Nothing more to do until the next kick.
    Done,
    /// Look again after this long, or at the next kick.
    Again(Duration),
    /// The step failed; look again after this long.
    Failed(Duration),
}

/// Makes `(kind, id)` due now.
pub(crate) fn kick(tx: &mut Tx<'_>, kind: &str, id: &str) -> Result<(), Error> {
    let now = tx.now();
    let update = "UPDATE work SET kicks = kicks + 1, due_at = ? WHERE kind = ? AND id = ?";
    if tx.execute(update, &[now.into(), kind.into(), id.into()])? == 0 {
        insert(tx, (kind, id), now)?;
    }
    tx.signal(SIGNAL);
    Ok(())
}

/// Makes `(kind, id)` due after this long, or when it is due earlier; wakes nobody.
pub(crate) fn look_after(tx: &mut Tx<'_>, kind: &str, id: &str, after: Duration) -> Result<(), Error> {
    let due = tx.now().plus(after);
    let update = "UPDATE work SET kicks = kicks + 1, due_at = CASE WHEN due_at > ? THEN ? ELSE due_at END \
                  WHERE kind = ? AND id = ?";
    if tx.execute(update, &[due.into(), due.into(), kind.into(), id.into()])? == 0 {
        insert(tx, (kind, id), due)?;
    }
    Ok(())
}

fn insert(tx: &mut Tx<'_>, (kind, id): (&str, &str), due: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO work (kind, id, kicks, due_at, attempts, leased_until) VALUES (?, ?, 1, ?, 0, 0)";
    // A replica may have inserted it this instant; its transaction and ours are then run one after the other.
    let inserted = tx.execute(sql, &[kind.into(), id.into(), due.into()]);
    inserted.map(drop).map_err(|error| match error {
        Error::Duplicate(_) => Error::Stale("work".to_owned()),
        other => other,
    })
}

/// Leases up to `max` due keys for [`LEASE`].
pub fn lease(tx: &mut Tx<'_>, max: u32) -> Result<Vec<Lease>, Error> {
    let now = tx.now();
    let sql = format!(
        "SELECT kind, id, kicks, attempts FROM work WHERE due_at <= ? AND leased_until <= ? ORDER BY due_at LIMIT {max}{}",
        tx.skip_locked()
    );
    let rows = tx.rows(&sql, &[now.into(), now.into()])?;
    let leases: Vec<Lease> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
    for Lease { kind, id, .. } in &leases {
        let until = now.plus(LEASE);
        tx.execute(
            "UPDATE work SET leased_until = ? WHERE kind = ? AND id = ?",
            &[until.into(), kind.as_str().into(), id.as_str().into()],
        )?;
    }
    Ok(leases)
}

/// The keys that fall due first, and when, for a process that is the only one: who steps which it knows without the table.
pub fn soonest(tx: &mut Tx<'_>, max: usize) -> Result<Vec<(Lease, Timestamp)>, Error> {
    let sql = format!("SELECT kind, id, kicks, attempts, due_at FROM work ORDER BY due_at LIMIT {max}");
    let rows = tx.rows(&sql, &[])?;
    rows.into_iter()
        .map(|mut row| match row.pop() {
            Some(Value::Int(due)) => Ok((read(row)?, Timestamp(due))),
            _ => Err(broken()),
        })
        .collect()
}

/// A row's kind, id, kicks and attempts.
fn read(row: Vec<Value>) -> Result<Lease, Error> {
    match <[Value; 4]>::try_from(row) {
        Ok([Value::Text(kind), Value::Text(id), Value::Int(kicks), Value::Int(attempts)]) => {
            Ok(Lease { kind, id, attempts: u32::try_from(attempts).unwrap_or(u32::MAX), kicks })
        }
        _ => Err(broken()),
    }
}

fn broken() -> Error {
    Error::Internal("a row of work has other columns than expected".to_owned())
}

/// Ends all leases: for a replica that is the only one, of those it held before it was killed.
pub fn release_all(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.execute("UPDATE work SET leased_until = 0 WHERE leased_until > 0", &[]).map(|_| ())
}

/// Ends a lease. A key that was kicked since stays due.
pub fn finish(tx: &mut Tx<'_>, lease: &Lease, finish: Finish) -> Result<(), Error> {
    let key = [Value::from(lease.kind.as_str()), Value::from(lease.id.as_str()), lease.kicks.into()];
    let now = tx.now();
    let unkicked = match finish {
        Finish::Done => tx.execute("DELETE FROM work WHERE kind = ? AND id = ? AND kicks = ?", &key)?,
        Finish::Again(after) => put_off(tx, now.plus(after), 0, &key)?,
        Finish::Failed(after) => put_off(tx, now.plus(after), lease.attempts.saturating_add(1), &key)?,
    };
    if unkicked == 0 {
        let sql = "UPDATE work SET leased_until = 0, attempts = 0 WHERE kind = ? AND id = ?";
        tx.execute(sql, &key[..2])?;
        tx.signal(SIGNAL);
    }
    Ok(())
}

fn put_off(tx: &mut Tx<'_>, due: Timestamp, attempts: u32, key: &[Value; 3]) -> Result<u64, Error> {
    let [kind, id, kicks] = key.clone();
    let sql =
        "UPDATE work SET leased_until = 0, due_at = ?, attempts = ? WHERE kind = ? AND id = ? AND kicks = ?";
    tx.execute(sql, &[due.into(), attempts.into(), kind, id, kicks])
}

/// When the next key falls due that nobody holds, if there is any.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT MIN(CASE WHEN leased_until > due_at THEN leased_until ELSE due_at END) FROM work";
    let rows = tx.rows(sql, &[])?;
    Ok(rows.first().and_then(|row| row.first()).and_then(Value::int).map(Timestamp))
}

/// All keys in the table, for tests and `cuttle status`.
pub fn pending(tx: &mut Tx<'_>) -> Result<Vec<(String, String, u32)>, Error> {
    let rows = tx.rows("SELECT kind, id, attempts FROM work ORDER BY kind, id", &[])?;
    let text = |value: &Value| value.text().unwrap_or_default().to_owned();
    let number = |value: &Value| u32::try_from(value.int().unwrap_or(0)).unwrap_or(u32::MAX);
    Ok(rows.iter().map(|row| (text(&row[0]), text(&row[1]), number(&row[2]))).collect())
}
