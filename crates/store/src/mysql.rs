//! The dialect of MariaDB and MySQL.
//!
//! Tables have a binary collation that does not pad, so that names are compared by their bytes, as the other databases
//! do. Writers are `SERIALIZABLE`, so that what they read stays as it is until they commit; readers have a snapshot.
//!
//! A schema change commits by itself here. So a migration that was cut off is run again from its start, and a statement
//! that finds its work done passes; the row in the ledger comes last.

use std::str::FromStr;

use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow, MySqlTypeInfo,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Decode, MySql, Row, TypeInfo, ValueRef};

use crate::database::Mode;
use crate::migrate::without_where;
use crate::server::{Lock, Refusal, Wire};
use crate::{Error, Value};

/// A connection to MariaDB or MySQL.
pub(crate) struct Maria {
    conn: MySqlConnection,
    /// The two have different names for it.
    collation: &'static str,
}

/// Reads `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
pub(crate) fn options(url: &str) -> Result<MySqlConnectOptions, Error> {
    let options = MySqlConnectOptions::from_str(url)
        .map_err(|e| Error::Internal(format!("the database's URL is not usable: {e}")))?;
    Ok(options.statement_cache_capacity(256).disable_statement_logging())
}

impl Wire for Maria {
    type Options = MySqlConnectOptions;
    const SKIP_LOCKED: &'static str = " FOR UPDATE SKIP LOCKED";

    async fn connect(options: &MySqlConnectOptions) -> sqlx::Result<Maria> {
        let mut maria = Maria { conn: options.connect().await?, collation: "utf8mb4_0900_bin" };
        let version = maria.rows("SELECT VERSION()", &[]).await?;
        let is_mariadb = version.concat().iter().any(|v| v.text().is_some_and(|t| t.contains("MariaDB")));
        if is_mariadb {
            maria.collation = "utf8mb4_nopad_bin";
        }
        let collation = maria.collation;
        maria
            .command(&format!(
                "SET NAMES utf8mb4 COLLATE {collation}; SET SESSION innodb_lock_wait_timeout = 5; \
                 SET SESSION default_storage_engine = InnoDB; \
                 SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES'"
            ))
            .await?;
        Ok(maria)
    }

    async fn command(&mut self, sql: &str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.conn).await.map(|_| ())
    }

    async fn execute(&mut self, sql: &str, args: &[Value]) -> sqlx::Result<u64> {
        Ok(query(sql, args).execute(&mut self.conn).await?.rows_affected())
    }

    async fn rows(&mut self, sql: &str, args: &[Value]) -> sqlx::Result<Vec<Vec<Value>>> {
        let rows = query(sql, args).fetch_all(&mut self.conn).await?;
        rows.iter().map(|row| (0..row.len()).map(|n| value(row, n)).collect()).collect()
    }

    async fn close(self) {
        // The server notices either way.
        let _ = self.conn.close().await;
    }

    fn begin(mode: Mode) -> &'static str {
        match mode {
            Mode::Read => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
                 START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
            }
            Mode::Write | Mode::Unsynced | Mode::Schema => {
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION READ WRITE"
            }
        }
    }

    fn lock(lock: Lock) -> &'static str {
        match lock {
            Lock::Schema => "SELECT GET_LOCK(CONCAT('cuttle schema ', MD5(DATABASE())), 5)",
            Lock::Losers => "SELECT GET_LOCK(CONCAT('cuttle losers ', MD5(DATABASE())), 5)",
        }
    }

    fn unlock(lock: Lock) -> &'static str {
        match lock {
            Lock::Schema => "SELECT RELEASE_LOCK(CONCAT('cuttle schema ', MD5(DATABASE())))",
            Lock::Losers => "SELECT RELEASE_LOCK(CONCAT('cuttle losers ', MD5(DATABASE())))",
        }
    }

    fn schema(&self, statement: &str) -> String {
        let sql = without_where(statement).replace(" DOCUMENT", " LONGTEXT");
        if sql.starts_with("CREATE TABLE") {
            return format!("{sql} ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {}", self.collation);
        }
        sql
    }

    fn is_done_already(error: &dyn DatabaseError) -> bool {
        // Table, column or index exists; table, column or index to be dropped does not.
        matches!(number(error), 1050 | 1060 | 1061 | 1051 | 1091)
    }

    fn refusal(error: &dyn DatabaseError) -> Refusal {
        match number(error) {
            1022 | 1062 | 1169 | 1586 => Refusal::Duplicate(index_of(error.message())),
            // Changed since it was read, lock not available in time, deadlock.
            1020 | 1205 | 1213 => Refusal::Race,
            // Shutting down, network, killed, ended for idling; read-only since another server was promoted.
            1053 | 1152 | 1158..=1161 | 1290 | 1792 | 1836 | 1927 | 4031 => Refusal::Lost,
            // Disk or table full, too many connections, interrupted, node of a cluster not ready.
            1021 | 1040 | 1041 | 1047 | 1114 | 1203 | 1317 | 1969 | 3024 => Refusal::Unavailable,
            _ => Refusal::Wrong,
        }
    }
}

fn number(error: &dyn DatabaseError) -> u16 {
    error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number)
}

/// The index in `Duplicate entry 'a' for key 'table.index'`; MariaDB leaves the table out.
fn index_of(message: &str) -> String {
    let key = message.rsplit_once("for key '").map_or("", |(_, key)| key).trim_end_matches('\'');
    key.rsplit('.').next().unwrap_or_default().to_owned()
}

fn query<'q>(sql: &str, args: &'q [Value]) -> sqlx::query::Query<'q, MySql, MySqlArguments> {
    let query = sqlx::query(AssertSqlSafe(sql));
    args.iter().fold(query, |query, arg| match arg {
        Value::Null => query.bind(None::<&str>),
        Value::Int(n) => query.bind(*n),
        Value::Text(text) => query.bind(text.as_str()),
    })
}

fn value(row: &MySqlRow, n: usize) -> sqlx::Result<Value> {
    let raw = row.try_get_raw(n)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = MySqlTypeInfo::clone(&raw.type_info());
    let read = || -> Result<Value, BoxDynError> {
        Ok(match kind.name().trim_end_matches(" UNSIGNED") {
            "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "BOOLEAN" => {
                Value::Int(<i64 as Decode<MySql>>::decode(raw)?)
            }
            // A sum of integers, as text.
            "DECIMAL" => Value::Int(<&str as Decode<MySql>>::decode(raw)?.parse()?),
            _ => Value::Text(<&str as Decode<MySql>>::decode(raw)?.to_owned()),
        })
    };
    read().map_err(|source| sqlx::Error::ColumnDecode { index: n.to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_index() {
        let check = |message, index| assert_eq!(index_of(message), index);
        check("Duplicate entry 'a' for key 'squids_name'", "squids_name");
        check("Duplicate entry 'a' for key 'squids.PRIMARY'", "PRIMARY");
        check("Duplicate entry 'a for key 'b'' for key 'squids.squids_name'", "squids_name");
    }
}
