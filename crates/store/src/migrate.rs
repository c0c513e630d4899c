//! Schema changes: append-only scripts per service, each run once and remembered with its checksum.

use crate::{Error, Store, Tx, Value};

/// One schema change of one service. The script is portable SQL with three words more: `DOCUMENT` stands for the type of a
/// `doc` column; an index is dropped `ON` its table; and one `WHERE` a column has a value has the other rows as well where
/// the database has no such indexes.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The service, which numbers its own migrations.
    pub service: &'static str,
    /// From 1, without gaps.
    pub version: u32,
    /// The statements, each ended by `;`, comments on lines of their own. MariaDB and MySQL commit after each one that
    /// changes the schema, so a migration that was cut off is run again from its start: statements that change rows
    /// must bear that.
    pub sql: &'static str,
}

const OWN: &[Migration] =
    &[Migration { service: "store", version: 1, sql: include_str!("../migrations/0001_work.sql") }];

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (service VARCHAR(32) NOT NULL, \
     version BIGINT NOT NULL, checksum VARCHAR(16) NOT NULL, applied_at BIGINT NOT NULL, \
     PRIMARY KEY (service, version));";

impl Store {
    /// Brings the schema up to date. A migration that ran before and reads otherwise now is an error.
    pub fn migrate(&self, migrations: &[&[Migration]]) -> Result<(), Error> {
        let all: Vec<Migration> = OWN.iter().chain(migrations.iter().copied().flatten()).copied().collect();
        self.change_schema(move |tx: &mut Tx<'_>| {
            tx.script(LEDGER)?;
            all.iter().try_for_each(|migration| apply(tx, migration))
        })
    }
}

fn apply(tx: &mut Tx<'_>, migration: &Migration) -> Result<(), Error> {
    let Migration { service, version, sql } = *migration;
    let known = tx.rows(
        "SELECT checksum FROM schema_migrations WHERE service = ? AND version = ?",
        &[service.into(), version.into()],
    )?;
    let checksum = format!("{:016x}", fnv1a(sql.as_bytes()));
    if let Some(row) = known.first() {
        return match row.first().and_then(Value::text) {
            Some(before) if before == checksum => Ok(()),
            _ => Err(Error::Internal(format!("migration {version} of {service} was changed after it ran"))),
        };
    }
    tx.script(sql).map_err(|e| Error::Internal(format!("migration {version} of {service} failed: {e}")))?;
    let row = [service.into(), version.into(), checksum.into(), tx.now().into()];
    tx.execute(
        "INSERT INTO schema_migrations (service, version, checksum, applied_at) VALUES (?, ?, ?, ?)",
        &row,
    )?;
    Ok(())
}

/// The statements of a script.
pub(crate) fn statements(sql: &str) -> Vec<String> {
    let lines: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let lines = lines.join("\n");
    lines.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

/// A statement where the name of an index is its schema's, and not its table's: `DROP INDEX name`.
pub(crate) fn without_table(statement: &str) -> &str {
    let is_drop = statement.starts_with("DROP INDEX ");
    statement.split_once(" ON ").filter(|_| is_drop).map_or(statement, |(drop, _)| drop)
}

/// A statement where an index has all rows: one that leaves out rows for another reason than that they have no value stays as
/// it is, for it would say something else.
pub(crate) fn without_where(statement: &str) -> &str {
    let is_index = statement.starts_with("CREATE ") && statement.contains("INDEX ");
    let parts = statement
        .split_once("WHERE ")
        .filter(|(_, condition)| is_index && condition.ends_with(" IS NOT NULL"));
    parts.map_or(statement, |(create, _)| create)
}

/// FNV-1a: enough to notice an edit, and no dependency.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_put_in_a_databases_words() {
        let script = "-- Why; and how.\nDROP INDEX a ON t;\nCREATE UNIQUE INDEX a ON t (b)\n    WHERE b IS NOT NULL;\n";
        let found = statements(script);
        assert_eq!(found, ["DROP INDEX a ON t", "CREATE UNIQUE INDEX a ON t (b)\n    WHERE b IS NOT NULL"]);
        assert_eq!(without_table(&found[0]), "DROP INDEX a");
        assert_eq!(without_table(&found[1]), found[1]);
        assert_eq!(without_where(&found[0]), found[0]);
        assert_eq!(without_where(&found[1]).trim_end(), "CREATE UNIQUE INDEX a ON t (b)");
        for other in ["UPDATE t SET b = 1 WHERE c IS NOT NULL", "CREATE INDEX a ON t (b) WHERE c = 0"] {
            assert_eq!(without_where(other), other);
        }
    }
}
