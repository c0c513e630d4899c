//! PostgreSQL's dialect.
//!
//! Names are compared and sorted by their bytes (`COLLATE "C"`), as the other databases do, whatever the database's
//! locale says. Writers are `SERIALIZABLE`, readers have a `REPEATABLE READ` snapshot.

use std::str::FromStr;

use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgConnectOptions, PgConnection, PgRow, PgTypeInfo, PgValueRef,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Decode, Encode, Postgres, Row, Type, TypeInfo, ValueRef,
};

use crate::database::Mode;
use crate::migrate::without_table;
use crate::server::{Lock, Refusal, Wire};
use crate::{Error, Value};

/// A connection to PostgreSQL.
pub(crate) struct Pg(PgConnection);

/// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|e| Error::Internal(format!("the database's URL is not usable: {e}")))?;
    let options = options.application_name("cuttle").statement_cache_capacity(256);
    Ok(options.disable_statement_logging())
}

impl Wire for Pg {
    type Options = PgConnectOptions;
    const SKIP_LOCKED: &'static str = " FOR UPDATE SKIP LOCKED";

    async fn connect(options: &PgConnectOptions) -> sqlx::Result<Pg> {
        let mut pg = Pg(options.connect().await?);
        pg.command("SET lock_timeout = '5s'").await?;
        Ok(pg)
    }

    async fn command(&mut self, sql: &str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.0).await.map(|_| ())
    }

    async fn execute(&mut self, sql: &str, args: &[Value]) -> sqlx::Result<u64> {
        Ok(query(sql, args).execute(&mut self.0).await?.rows_affected())
    }

    async fn rows(&mut self, sql: &str, args: &[Value]) -> sqlx::Result<Vec<Vec<Value>>> {
        let rows = query(sql, args).fetch_all(&mut self.0).await?;
        rows.iter().map(|row| (0..row.len()).map(|n| value(row, n)).collect()).collect()
    }

    async fn close(self) {
        // The server notices either way.
        let _ = self.0.close().await;
    }

    fn begin(mode: Mode) -> &'static str {
        match mode {
            Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Mode::Write | Mode::Unsynced | Mode::Schema => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }

    fn lock(lock: Lock) -> &'static str {
        match lock {
            Lock::Schema => "SELECT 1 FROM pg_advisory_lock(7161341, 1)",
            Lock::Losers => "SELECT 1 FROM pg_advisory_lock(7161341, 2)",
        }
    }

    fn unlock(lock: Lock) -> &'static str {
        match lock {
            Lock::Schema => "SELECT 1 FROM pg_advisory_unlock(7161341, 1)",
            Lock::Losers => "SELECT 1 FROM pg_advisory_unlock(7161341, 2)",
        }
    }

    fn schema(&self, statement: &str) -> String {
        schema(statement)
    }

    fn is_done_already(_: &dyn DatabaseError) -> bool {
        // Schema changes are transactional here.
        false
    }

    fn refusal(error: &dyn DatabaseError) -> Refusal {
        let code = error.code().unwrap_or_default();
        match code.as_ref() {
            "23505" => Refusal::Duplicate(error.constraint().unwrap_or_default().to_owned()),
            // Serialization failure, deadlock, lock not available in time.
            "40001" | "40P01" | "55P03" => Refusal::Race,
            // Ended by an administrator, crashed, being started or stopped.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => Refusal::Lost,
            // A standby that was promoted elsewhere refuses to write: connect again.
            "25006" => Refusal::Lost,
            "57014" => Refusal::Unavailable,
            code if code.starts_with("08") => Refusal::Lost,
            // Full disk, no memory, too many connections; then failing files.
            code if code.starts_with("53") || code.starts_with("58") => Refusal::Unavailable,
            _ => Refusal::Wrong,
        }
    }
}

fn schema(statement: &str) -> String {
    let mut sql = String::with_capacity(statement.len());
    let mut parts = without_table(statement).split(" VARCHAR(");
    sql.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (length, rest) = part.split_once(')').unwrap_or((part, ""));
        sql.push_str(&format!(" VARCHAR({length}) COLLATE \"C\"{rest}"));
    }
    sql.replace(" DOCUMENT", " TEXT")
}

fn query<'q>(sql: &str, args: &'q [Value]) -> sqlx::query::Query<'q, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(numbered(sql)));
    args.iter().fold(query, |query, arg| match arg {
        Value::Null => query.bind(Untyped),
        Value::Int(n) => query.bind(*n),
        // PostgreSQL's texts hold no NUL. Columns and conditions get the same substitute; documents spell it as JSON.
        Value::Text(text) if text.contains('\0') => query.bind(text.replace('\0', "\u{fffd}")),
        Value::Text(text) => query.bind(text.as_str()),
    })
}

/// Writes `?` as `$1`, `$2` and so on, but for those in quotes.
fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let (mut n, mut quoted) = (0, false);
    for c in sql.chars() {
        match c {
            '\'' => quoted = !quoted,
            '?' if !quoted => {
                n += 1;
                out.push_str(&format!("${n}"));
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// A NULL whose type the server finds out.
struct Untyped;

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<sqlx::encode::IsNull, BoxDynError> {
        Ok(sqlx::encode::IsNull::Yes)
    }
}

fn value(row: &PgRow, n: usize) -> sqlx::Result<Value> {
    let raw = row.try_get_raw(n)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let name = raw.type_info().name().to_owned();
    let read = || -> Result<Value, BoxDynError> {
        Ok(match name.as_str() {
            "INT8" => Value::Int(<i64 as Decode<Postgres>>::decode(raw)?),
            "INT4" => Value::Int(<i32 as Decode<Postgres>>::decode(raw)?.into()),
            "INT2" => Value::Int(<i16 as Decode<Postgres>>::decode(raw)?.into()),
            "BOOL" => Value::Int(<bool as Decode<Postgres>>::decode(raw)?.into()),
            "NUMERIC" => Value::Int(whole_number(&raw)?),
            _ => Value::Text(<&str as Decode<Postgres>>::decode(raw)?.to_owned()),
        })
    };
    read().map_err(|source| sqlx::Error::ColumnDecode { index: n.to_string(), source })
}

/// A sum of integers comes as `NUMERIC`: a count of digits, the weight of the first, a sign, a scale, and the digits to
/// the base of 10000, each in 16 bits. Trailing zeros are left out.
fn whole_number(raw: &PgValueRef<'_>) -> Result<i64, BoxDynError> {
    let words: Vec<i16> =
        raw.as_bytes()?.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect();
    let [_, weight, sign, _, digits @ ..] = words.as_slice() else {
        return Err("a number without a head".into());
    };
    let mut number = 0i64;
    for place in 0..=usize::try_from(*weight).map_or(0, |w| w) {
        let digit = if *weight < 0 { 0 } else { digits.get(place).copied().unwrap_or(0) };
        number = number
            .checked_mul(10_000)
            .and_then(|n| n.checked_add(digit.into()))
            .ok_or("a number beyond 64 bits")?;
    }
    Ok(if *sign == 0 { number } else { -number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_quotes_stay() {
        assert_eq!(numbered("a = ? AND b LIKE '?' AND c = ?"), "a = $1 AND b LIKE '?' AND c = $2");
    }

    #[test]
    fn names_compare_by_their_bytes() {
        assert_eq!(
            schema("CREATE TABLE t (a VARCHAR(64) NOT NULL, doc DOCUMENT, b VARCHAR(8))"),
            "CREATE TABLE t (a VARCHAR(64) COLLATE \"C\" NOT NULL, doc TEXT, b VARCHAR(8) COLLATE \"C\")"
        );
    }
}
