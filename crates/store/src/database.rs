//! The seam between transactions and the three databases.

use crate::{Error, Signal, Tx, Value};

/// One connection inside a transaction, in one database's dialect. Placeholders are `?` for all of them.
pub(crate) trait Connection {
    /// Runs a statement and tells how many rows it changed.
    fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error>;
    /// Runs a query.
    fn rows(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Vec<Value>>, Error>;
    /// Runs a query for one column of text, and shows each row's to `each`.
    fn texts(&mut self, sql: &str, args: &[Value], each: &mut dyn FnMut(&str)) -> Result<(), Error> {
        for row in self.rows(sql, args)? {
            row.first().and_then(Value::text).into_iter().for_each(&mut *each);
        }
        Ok(())
    }
    /// Runs several statements without arguments, as migrations need; `DOCUMENT` is the type of a `doc` column.
    fn script(&mut self, sql: &str) -> Result<(), Error>;
    /// Whether other processes may work on the database at the same time.
    fn is_shared(&self) -> bool;
    /// What follows `SELECT` when rows are to be leased without waiting for other replicas.
    fn skip_locked(&self) -> &'static str;
}

/// A transaction on its way to the database and its answer on the way back.
pub(crate) trait Job: Send {
    /// Runs the function once. The database begins and ends the transaction around it.
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome;
    /// Gives the answer out, after the commit or instead of it.
    fn finish(self: Box<Self>, committed: Result<(), Error>);
}

/// What the function wants done with its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Keep what was written.
    Commit,
    /// Throw it away and answer.
    Rollback,
    /// Throw it away and run the function again: it lost a race.
    Again,
}

/// Whether a job may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Reads one snapshot.
    Read,
    /// Reads and writes.
    Write,
    /// The same, of what whoever wrote it does without when the machine's power goes: SQLite does not wait for the disk.
    Unsynced,
    /// Changes the schema, while no other replica does.
    Schema,
}

/// A job that lost this many races in a row is answered with its error.
pub(crate) const RACES_MAX: u32 = 8;

/// A database: takes jobs and finishes each of them exactly once.
pub(crate) trait Database: Send + Sync {
    /// Runs the job here or elsewhere; `on_commit` is called with its signals before it is finished.
    fn submit(&self, mode: Mode, job: Box<dyn Job>, on_commit: OnCommit);
}

/// Called with what a committed transaction signalled.
pub(crate) type OnCommit = std::sync::Arc<dyn Fn(&[Signal]) + Send + Sync>;

/// What became of one try: what is to be done with the transaction, and what it signalled.
pub(crate) type Tried = Result<(Outcome, Vec<Signal>), Error>;

/// Runs a job once. A function that goes on after the database failed, or makes another error of a lost race, is not
/// believed: what the database says counts.
pub(crate) fn run_once(job: &mut dyn Job, conn: &mut dyn Connection) -> Tried {
    let mut tx = Tx::new(conn);
    let outcome = job.run(&mut tx);
    let (signals, failure) = tx.into_end();
    match (outcome, failure) {
        (Outcome::Commit | Outcome::Rollback, Some(Error::Stale(table))) => Err(Error::Stale(table)),
        (Outcome::Commit, Some(Error::Unavailable(why))) => Err(Error::Unavailable(why)),
        (Outcome::Commit, Some(error)) => {
            Err(Error::Internal(format!("a transaction went on after an error: {error}")))
        }
        (Outcome::Commit, None) => Ok((outcome, signals)),
        (Outcome::Rollback | Outcome::Again, _) => Ok((outcome, Vec::new())),
    }
}

/// Runs a job on an open transaction, again after each lost race; `begin` and `undo` frame each try.
pub(crate) fn run_job(
    job: &mut dyn Job,
    conn: &mut dyn Connection,
    mut begin: impl FnMut(&mut dyn Connection) -> Result<(), Error>,
    mut undo: impl FnMut(&mut dyn Connection) -> Result<(), Error>,
) -> Tried {
    let mut races = 0;
    loop {
        begin(conn)?;
        let tried = run_once(job, conn);
        if matches!(tried, Ok((Outcome::Commit, _))) {
            return tried;
        }
        undo(conn)?;
        races += 1;
        if !matches!(tried, Ok((Outcome::Again, _))) || races == RACES_MAX {
            return tried;
        }
    }
}
