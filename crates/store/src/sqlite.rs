//! SQLite: one writer thread that shares a commit among the requests that wait, and readers on snapshots.
//!
//! A commit is an fsync, which takes longer than a request. So requests share a transaction, as savepoints of it, which
//! is closed at 64 of them, after 2 ms or when nobody waits; then their answers go out together. What may be lost with the
//! power is in commits of its own, for which the disk is not waited. There is one writer by construction, so "database is
//! locked" cannot happen between ourselves.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{ErrorCode, params_from_iter};

use crate::database::{Connection, Database, Job, Mode, OnCommit, Outcome, run_job};
use crate::faults::{Fate, Faults};
use crate::migrate::{statements, without_table};
use crate::{Error, Signal, Value};

const GROUP_MAX: usize = 64;
const GROUP_TIME_MAX: Duration = Duration::from_millis(2);
/// Idle readers kept open; more are opened under load and closed again.
const READERS_KEPT: usize = 8;

/// A job for the writer.
struct Request {
    job: Box<dyn Job>,
    on_commit: OnCommit,
    /// Whether its commit has to be on disk.
    synced: bool,
}

/// A database file.
pub(crate) struct Pool {
    path: PathBuf,
    jobs: Sender<Request>,
    readers: Mutex<Vec<rusqlite::Connection>>,
}

impl Pool {
    /// Opens the file and starts the writer.
    pub(crate) fn open(path: &Path) -> Result<Pool, Error> {
        let writer = connect(path)?;
        let (jobs, queue) = channel();
        let body = move || write_loop(writer, &queue);
        runtime::spawn_thread("db-writer", body).map_err(|e| Error::Unavailable(e.to_string()))?;
        Ok(Pool { path: path.to_owned(), jobs, readers: Mutex::default() })
    }

    fn read(&self, job: &mut dyn Job) -> Result<(), Error> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut conn = match idle {
            Some(conn) => conn,
            None => reader(&self.path)?,
        };
        let (outcome, _) = run_job(job, &mut conn, |c| c.script("BEGIN"), |c| c.script("ROLLBACK"))?;
        if outcome == Outcome::Commit {
            conn.script("ROLLBACK")?;
        }
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(conn);
        }
        Ok(())
    }
}

impl Database for Pool {
    fn submit(&self, mode: Mode, mut job: Box<dyn Job>, on_commit: OnCommit) {
        match mode {
            Mode::Read => {
                let result = self.read(job.as_mut());
                job.finish(result);
            }
            Mode::Write | Mode::Unsynced | Mode::Schema => {
                let synced = mode != Mode::Unsynced;
                if let Err(lost) = self.jobs.send(Request { job, on_commit, synced }) {
                    lost.0.job.finish(Err(Error::Unavailable("the writer has ended".to_owned())));
                }
            }
        }
    }
}

fn connect(path: &Path) -> Result<rusqlite::Connection, Error> {
    let open = || -> rusqlite::Result<rusqlite::Connection> {
        let conn = rusqlite::Connection::open(path)?;
        conn.busy_timeout(Duration::from_secs(10))?;
        conn.set_prepared_statement_cache_capacity(256);
        // Otherwise a statement with a limit is parsed again whenever it is bound anew.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA case_sensitive_like = ON;",
        )?;
        Ok(conn)
    };
    open().map_err(|e| Error::Unavailable(format!("cannot open {}: {e}", path.display())))
}

/// A connection that refuses to write.
fn reader(path: &Path) -> Result<rusqlite::Connection, Error> {
    let mut conn = connect(path)?;
    conn.script("PRAGMA query_only = ON")?;
    Ok(conn)
}

fn write_loop(mut conn: rusqlite::Connection, queue: &Receiver<Request>) {
    let (mut left, mut syncs) = (None, true);
    while let Some(first) = left.take().or_else(|| queue.recv().ok()) {
        let began = runtime::monotonic();
        let mut group = Group::default();
        let synced = first.synced;
        let mut next = Some(first);
        if let Err(error) = begin(&mut conn, synced, &mut syncs) {
            next.take().into_iter().for_each(|request| request.job.finish(Err(error.clone())));
            continue;
        }
        while let Some(Request { job, on_commit, .. }) = next.take() {
            group.run(&mut conn, job, on_commit);
            // The first job's refusal ends the transaction, and so may a statement of any that hits a full disk.
            if conn.is_autocommit() || group.len() >= GROUP_MAX || began.elapsed() >= GROUP_TIME_MAX {
                break;
            }
            let waiting = queue.try_recv().ok();
            let joins = waiting.as_ref().is_some_and(|request| synced || !request.synced);
            *if joins { &mut next } else { &mut left } = waiting;
        }
        if !group.done.is_empty() || !conn.is_autocommit() {
            let committed = commit(&mut conn);
            group.finish(&committed);
        }
    }
}

/// Begins a transaction whose commit waits for the disk, or does not. One that waits takes those before along.
fn begin(conn: &mut rusqlite::Connection, synced: bool, syncs: &mut bool) -> Result<(), Error> {
    if synced != *syncs {
        conn.script(if synced { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" })?;
        *syncs = synced;
    }
    conn.script("BEGIN IMMEDIATE")
}

fn commit(conn: &mut rusqlite::Connection) -> Result<(), Error> {
    if conn.is_autocommit() {
        return Err(Error::Unavailable("the disk is full or failing; the transaction was undone".to_owned()));
    }
    conn.script("COMMIT").inspect_err(|error| {
        tracing::error!("cannot commit: {error}");
        let _ = conn.script("ROLLBACK");
    })
}

/// Jobs that share one commit.
#[derive(Default)]
struct Group {
    done: Vec<(Box<dyn Job>, OnCommit, Vec<Signal>)>,
}

impl Group {
    fn len(&self) -> usize {
        self.done.len()
    }

    /// Runs a job. A refused one is answered at once, for nothing of it is kept: the first is alone in the transaction, the
    /// others are in savepoints, which cost a copy of each page that they change.
    fn run(&mut self, conn: &mut rusqlite::Connection, mut job: Box<dyn Job>, on_commit: OnCommit) {
        let is_first = self.done.is_empty();
        let ran = match is_first {
            true => {
                let is_open = Cell::new(true);
                let begin = |c: &mut dyn Connection| match is_open.replace(true) {
                    true => Ok(()),
                    false => c.script("BEGIN IMMEDIATE"),
                };
                run_job(job.as_mut(), conn, begin, |c| {
                    is_open.set(false);
                    c.script("ROLLBACK")
                })
            }
            false => run_job(
                job.as_mut(),
                conn,
                |c| c.script("SAVEPOINT job"),
                |c| c.script("ROLLBACK TO job; RELEASE job"),
            ),
        };
        match ran {
            Ok((Outcome::Commit, signals)) => {
                let kept = if is_first { Ok(()) } else { conn.script("RELEASE job") };
                match kept {
                    Ok(()) => self.done.push((job, on_commit, signals)),
                    Err(error) => job.finish(Err(error)),
                }
            }
            Ok(_) => job.finish(Ok(())),
            Err(error) => job.finish(Err(error)),
        }
    }

    fn finish(self, committed: &Result<(), Error>) {
        for (job, on_commit, signals) in self.done {
            if committed.is_ok() {
                on_commit(&signals);
            }
            job.finish(committed.clone());
        }
    }
}

/// A database in memory on the calling thread.
pub(crate) struct Inline {
    conn: Mutex<rusqlite::Connection>,
    begin: &'static str,
    faults: Option<Arc<dyn Faults>>,
}

impl Inline {
    /// A file of somebody else's, which nothing is written to.
    pub(crate) fn open_foreign(path: &Path) -> Result<Inline, Error> {
        let conn = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
        let conn = conn.map_err(|e| Error::Unavailable(e.to_string()))?;
        Ok(Inline { conn: Mutex::new(conn), begin: "BEGIN", faults: None })
    }

    pub(crate) fn open(faults: Option<Arc<dyn Faults>>) -> Result<Inline, Error> {
        let mut conn =
            rusqlite::Connection::open_in_memory().map_err(|e| Error::Unavailable(e.to_string()))?;
        conn.set_prepared_statement_cache_capacity(256);
        conn.script("PRAGMA case_sensitive_like = ON;")?;
        Ok(Inline { conn: Mutex::new(conn), begin: "BEGIN IMMEDIATE", faults })
    }

    fn run(&self, mode: Mode, job: &mut dyn Job) -> Result<(Outcome, Vec<Signal>), Error> {
        let mut conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.faults.as_ref().is_some_and(|faults| !faults.is_reachable()) {
            return Err(Error::Unavailable("it cannot be reached, as simulated".to_owned()));
        }
        let (outcome, signals) =
            run_job(job, &mut *conn, |c| c.script(self.begin), |c| c.script("ROLLBACK"))?;
        if outcome == Outcome::Commit {
            self.commit(&mut conn, mode)?;
        }
        Ok((outcome, signals))
    }

    /// What was only read has no commit that could go wrong.
    fn commit(&self, conn: &mut rusqlite::Connection, mode: Mode) -> Result<(), Error> {
        let faults = self.faults.as_ref().filter(|_| mode == Mode::Write);
        let fate = faults.map_or(Fate::Kept, |faults| faults.commit());
        conn.script(if fate == Fate::Refused { "ROLLBACK" } else { "COMMIT" })?;
        match fate {
            Fate::Kept => Ok(()),
            Fate::Refused => Err(Error::Unavailable("the commit failed, as simulated".to_owned())),
            Fate::AnswerLost => Err(Error::Unavailable("the answer was lost, as simulated".to_owned())),
        }
    }
}

impl Database for Inline {
    fn submit(&self, mode: Mode, mut job: Box<dyn Job>, on_commit: OnCommit) {
        match self.run(mode, job.as_mut()) {
            Ok((_, signals)) => {
                on_commit(&signals);
                job.finish(Ok(()));
            }
            Err(error) => job.finish(Err(error)),
        }
    }
}

impl Connection for rusqlite::Connection {
    fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error> {
        let run = || -> rusqlite::Result<usize> {
            self.prepare_cached(sql)?.execute(params_from_iter(args.iter().map(Bound)))
        };
        run().map(|n| n as u64).map_err(|e| error(e, sql))
    }

    fn rows(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Vec<Value>>, Error> {
        let run = || -> rusqlite::Result<Vec<Vec<Value>>> {
            let mut statement = self.prepare_cached(sql)?;
            let width = statement.column_count();
            let mut rows = statement.query(params_from_iter(args.iter().map(Bound)))?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push((0..width).map(|n| row.get_ref(n).map(value)).collect::<Result<_, _>>()?);
            }
            Ok(all)
        };
        run().map_err(|e| error(e, sql))
    }

    /// The texts are shown where SQLite has them.
    fn texts(&mut self, sql: &str, args: &[Value], each: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let mut run = || -> rusqlite::Result<()> {
            let mut statement = self.prepare_cached(sql)?;
            let mut rows = statement.query(params_from_iter(args.iter().map(Bound)))?;
            while let Some(row) = rows.next()? {
                each(row.get_ref(0)?.as_str()?);
            }
            Ok(())
        };
        run().map_err(|e| error(e, sql))
    }

    fn script(&mut self, sql: &str) -> Result<(), Error> {
        // `execute_batch` would parse the frequent short ones anew each time.
        if !sql.contains(';') {
            return Connection::execute(self, sql, &[]).map(|_| ());
        }
        statements(sql).iter().try_for_each(|statement| {
            let statement = without_table(statement).replace(" DOCUMENT", " TEXT");
            self.execute_batch(&statement).map_err(|e| error(e, &statement))
        })
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn skip_locked(&self) -> &'static str {
        ""
    }
}

/// A value on its way into a statement.
struct Bound<'v>(&'v Value);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(*n),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn value(raw: ValueRef<'_>) -> Value {
    match raw {
        ValueRef::Integer(n) => Value::Int(n),
        // Whole texts are looked at much faster than by looking for what is wrong in them.
        ValueRef::Text(text) => Value::Text(match str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(text).into_owned(),
        }),
        // Our schemas have no such columns; a sum of integers may come as a real.
        ValueRef::Real(n) => Value::Int(n as i64),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    }
}

fn error(error: rusqlite::Error, sql: &str) -> Error {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => match text.split_once("UNIQUE constraint failed: ") {
            Some((_, columns)) => Error::Duplicate(columns.to_owned()),
            None => Error::Internal(format!("{text} in: {sql}")),
        },
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked,
        ) => Error::Unavailable(text),
        _ => Error::Internal(format!("{text} in: {sql}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, Error, Store, Value};

    /// The counter after this, and whether the commit waits for the disk.
    fn count(tx: &mut crate::Tx<'_>) -> Result<(i64, i64), Error> {
        tx.execute("UPDATE counter SET n = n + 1", &[])?;
        let number = |rows: Vec<Vec<Value>>| rows[0][0].int().unwrap_or(-1);
        Ok((number(tx.rows("SELECT n FROM counter", &[])?), number(tx.rows("PRAGMA synchronous", &[])?)))
    }

    #[test]
    fn a_commit_waits_for_the_disk_unless_it_need_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Config::File(dir.path().join("db"))).unwrap();
        let made = store.write_blocking(|tx| {
            tx.execute("CREATE TABLE counter (n BIGINT NOT NULL)", &[])?;
            tx.execute("INSERT INTO counter VALUES (0)", &[])
        });
        made.unwrap();
        const FULL: i64 = 2;
        const NORMAL: i64 = 1;
        // Whoever comes in between, each has what it asked for.
        for n in 0..50 {
            let first = store.write_soon(count);
            let loose = store.write_unsynced_blocking(count).unwrap();
            let second = store.write_soon(count);
            assert_eq!(first.wait().unwrap(), (3 * n + 1, FULL));
            assert!(loose == (3 * n + 2, NORMAL) || loose == (3 * n + 2, FULL), "{loose:?}");
            assert_eq!(second.wait().unwrap(), (3 * n + 3, FULL));
        }
        assert_eq!(store.write_unsynced_blocking(count).unwrap(), (151, NORMAL));
    }
}
