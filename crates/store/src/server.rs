//! What PostgreSQL and MariaDB/MySQL have in common: a bounded set of threads, each with a connection of its own.
//!
//! A transaction is plain code, so the thread that runs it waits for each statement. Writers are serializable: the
//! database refuses a transaction that would not have had the same result alone, and then it is run again. Who loses
//! twice waits in the line of losers, a lock that one session holds at a time, so that everybody gets through.

use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::database::{Connection, Database, Job, Mode, OnCommit, Outcome, Tried, run_once};
use crate::migrate::statements;
use crate::{Error, Value};

/// Connections to the server, and so transactions at a time.
const THREADS: usize = 8;
/// Transactions that may wait for a thread; more are refused.
const QUEUE_MAX: usize = 1024;
/// How long one statement may take; the connection is given up then.
const STATEMENT_TIME_MAX: Duration = Duration::from_secs(30);
/// As above for a migration, which may rebuild a big table.
const MIGRATION_TIME_MAX: Duration = Duration::from_secs(3600);
/// How often the lock of migrations is asked for, each time for as long as the session waits for locks.
const MIGRATION_LOCK_TRIES: u32 = 60;
/// A job that lost this many races in a row is answered with its error. Half of them may be lost before the others are
/// all in line.
const RACES_MAX: u32 = 32;
/// The pause after the first lost race; it doubles with each.
const PAUSE: Duration = Duration::from_millis(1);

/// A connection in one server's protocol and dialect.
#[allow(async_fn_in_trait, reason = "its futures stay on the thread that made them")]
pub(crate) trait Wire: Sized + 'static {
    /// Where the server is and who we are.
    type Options: Clone + Send + 'static;
    /// What follows a query that leases rows.
    const SKIP_LOCKED: &'static str;

    /// Connects and sets the session up.
    async fn connect(options: &Self::Options) -> sqlx::Result<Self>;
    /// Runs statements that take and give nothing.
    async fn command(&mut self, sql: &str) -> sqlx::Result<()>;
    /// Runs a statement and tells how many rows it touched.
    async fn execute(&mut self, sql: &str, args: &[Value]) -> sqlx::Result<u64>;
    /// Runs a query.
    async fn rows(&mut self, sql: &str, args: &[Value]) -> sqlx::Result<Vec<Vec<Value>>>;
    /// Says goodbye.
    async fn close(self);

    /// What begins a transaction.
    fn begin(mode: Mode) -> &'static str;
    /// A query that takes a lock of the whole database for the session and answers 1, or does not get it.
    fn lock(lock: Lock) -> &'static str;
    /// A query that gives it back.
    fn unlock(lock: Lock) -> &'static str;
    /// A statement of a migration in this dialect.
    fn schema(&self, statement: &str) -> String;
    /// Whether a statement of a migration failed because an earlier try came to its end.
    fn is_done_already(error: &dyn sqlx::error::DatabaseError) -> bool;
    /// What the server's refusal means.
    fn refusal(error: &dyn sqlx::error::DatabaseError) -> Refusal;
}

/// A lock that belongs to no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Held by who changes the schema.
    Schema,
    /// Held by one of those who lost races.
    Losers,
}

/// What a server's error means to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A unique index, by its name.
    Duplicate(String),
    /// The transaction met another one and should be run again.
    Race,
    /// The server cannot do it now.
    Unavailable,
    /// The server has closed the connection, or will.
    Lost,
    /// The statement is wrong.
    Wrong,
}

type Task = (Mode, Box<dyn Job>, OnCommit);

/// The threads, by the queue that feeds them.
pub(crate) struct Server {
    tasks: SyncSender<Task>,
}

impl Server {
    /// Starts the threads; fails if the server cannot be reached.
    pub(crate) fn open<W: Wire>(options: &W::Options) -> Result<Server, Error> {
        let (tasks, queue) = sync_channel(QUEUE_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let (opened, answer) = channel();
        for n in 0..THREADS {
            let (options, queue) = (options.clone(), queue.clone());
            let opened = (n == 0).then(|| opened.clone());
            runtime::spawn_thread("db-connection", move || serve::<W>(options, &queue, opened))
                .map_err(|e| Error::Unavailable(e.to_string()))?;
        }
        let gone = |_| Error::Internal("the database's thread has ended".to_owned());
        answer.recv().map_err(gone)??;
        Ok(Server { tasks })
    }
}

impl Database for Server {
    fn submit(&self, mode: Mode, job: Box<dyn Job>, on_commit: OnCommit) {
        // Whether a commit waits for its disk is the server's own affair.
        let mode = if mode == Mode::Unsynced { Mode::Write } else { mode };
        let refused = match self.tasks.try_send((mode, job, on_commit)) {
            Ok(()) => return,
            Err(TrySendError::Full(task)) => (task, "too many transactions wait for it"),
            Err(TrySendError::Disconnected(task)) => (task, "its threads have ended"),
        };
        let ((_, job, _), why) = refused;
        job.finish(Err(Error::Unavailable(why.to_owned())));
    }
}

/// The life of a thread. Only the first connects before there is something to do, to tell whether it can.
fn serve<W: Wire>(
    options: W::Options,
    queue: &Mutex<Receiver<Task>>,
    opened: Option<Sender<Result<(), Error>>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start a thread of the database: {error}");
            return;
        }
    };
    let mut session = Session::<W> { runtime, options, wire: None, patience: STATEMENT_TIME_MAX };
    if let Some(opened) = opened {
        // Who waits for the answer may have given up.
        let _ = opened.send(session.connect());
    }
    loop {
        let task = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((mode, job, on_commit)) = task else { break };
        session.run(mode, job, &on_commit);
    }
    if let Some(wire) = session.wire.take() {
        session.runtime.block_on(wire.close());
    }
}

/// A thread's connection, if it has one now.
struct Session<W: Wire> {
    runtime: Runtime,
    options: W::Options,
    wire: Option<W>,
    patience: Duration,
}

impl<W: Wire> Session<W> {
    /// Runs a job until it is committed, gives up, or has lost too many races; with the lock that it needs, if any.
    fn run(&mut self, mode: Mode, mut job: Box<dyn Job>, on_commit: &OnCommit) {
        let mut held = None;
        self.patience = if mode == Mode::Schema { MIGRATION_TIME_MAX } else { STATEMENT_TIME_MAX };
        let tried = self.try_often(mode, job.as_mut(), &mut held);
        self.patience = STATEMENT_TIME_MAX;
        // A session that was lost gave its locks back.
        if let (Some(lock), true) = (held, self.wire.is_some())
            && let Err(error) = self.rows(W::unlock(lock), &[])
        {
            tracing::warn!("cannot give a lock of the database back: {error}");
            self.wire = None;
        }
        if let Ok((_, signals)) = &tried {
            on_commit(signals);
        }
        job.finish(tried.map(|_| ()));
    }

    fn try_often(&mut self, mode: Mode, job: &mut dyn Job, held: &mut Option<Lock>) -> Tried {
        let mut races = 0;
        loop {
            if mode == Mode::Schema && held.is_none() {
                if !self.lock(Lock::Schema)? {
                    return Err(Error::Unavailable("another replica is changing the schema".to_owned()));
                }
                *held = Some(Lock::Schema);
            }
            // Who has its turn keeps it until it wins: everybody else who loses waits behind it. Without its turn it
            // may lose again, and that is all.
            if mode == Mode::Write && races > 1 && held.is_none() && self.lock(Lock::Losers)? {
                *held = Some(Lock::Losers);
            }
            let tried = self.try_once(mode, job);
            races += 1;
            let raced = matches!(tried, Ok((Outcome::Again, _)) | Err(Error::Stale(_)));
            if !raced || races >= RACES_MAX {
                return tried;
            }
            if held.is_none() {
                runtime::sleep_blocking(pause(races));
            }
        }
    }

    fn lock(&mut self, lock: Lock) -> Result<bool, Error> {
        let tries = if lock == Lock::Schema { MIGRATION_LOCK_TRIES } else { 1 };
        for _ in 0..tries {
            self.connect()?;
            match self.rows(W::lock(lock), &[]) {
                Ok(rows) if rows == [[Value::Int(1)]] => return Ok(true),
                Ok(_) | Err(Error::Stale(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn try_once(&mut self, mode: Mode, job: &mut dyn Job) -> Tried {
        self.begin(mode)?;
        let (outcome, signals) = match run_once(job, self) {
            Ok((Outcome::Commit, signals)) => (Outcome::Commit, signals),
            other => {
                self.undo();
                return other.map(|(outcome, _)| (outcome, Vec::new()));
            }
        };
        if mode == Mode::Read {
            self.undo();
            return Ok((outcome, Vec::new()));
        }
        match self.command("COMMIT") {
            Ok(()) => Ok((outcome, signals)),
            Err(Error::Unavailable(why)) => {
                self.wire = None;
                let why = format!("the connection was lost during the commit: {why}");
                Err(Error::OutcomeUnknown(why))
            }
            Err(error) => {
                self.undo();
                Err(error)
            }
        }
    }

    /// A server that was started anew, or a proxy, closes idle connections; that is noticed here and harmless,
    /// but for who holds the lock of the schema: it went with the connection.
    fn begin(&mut self, mode: Mode) -> Result<(), Error> {
        let had_one = self.wire.is_some();
        self.connect()?;
        match self.command(W::begin(mode)) {
            Err(Error::Unavailable(_)) if had_one && mode != Mode::Schema => {
                self.wire = None;
                self.connect()?;
                self.command(W::begin(mode))
            }
            other => other,
        }
    }

    /// What a lost connection did not commit is undone by the server.
    fn undo(&mut self) {
        if self.wire.is_some()
            && let Err(error) = self.command("ROLLBACK")
        {
            tracing::debug!("cannot roll back, so the connection is closed: {error}");
            self.wire = None;
        }
    }

    fn connect(&mut self) -> Result<(), Error> {
        if self.wire.is_none() {
            let connected = self.runtime.block_on(async {
                tokio::time::timeout(STATEMENT_TIME_MAX, W::connect(&self.options)).await
            });
            let wire = match connected {
                Ok(wire) => wire.map_err(|e| Error::Unavailable(format!("cannot connect: {e}")))?,
                Err(_) => return Err(Error::Unavailable("cannot connect: no answer".to_owned())),
            };
            self.wire = Some(wire);
        }
        Ok(())
    }

    fn command(&mut self, sql: &str) -> Result<(), Error> {
        self.ask(sql, async |wire| wire.command(sql).await)
    }

    /// Waits for one statement. A connection that failed or did not answer in time is not used again.
    fn ask<T>(
        &mut self,
        sql: &str,
        statement: impl AsyncFnOnce(&mut W) -> sqlx::Result<T>,
    ) -> Result<T, Error> {
        let Some(wire) = &mut self.wire else {
            return Err(Error::Unavailable("the connection was lost".to_owned()));
        };
        let patience = self.patience;
        let answer =
            self.runtime.block_on(async move { tokio::time::timeout(patience, statement(wire)).await });
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => {
                self.wire = None;
                return Err(Error::Unavailable(format!("no answer to: {sql}")));
            }
        };
        let refusal = match &error {
            sqlx::Error::Database(refused) => W::refusal(refused.as_ref()),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Refusal::Lost,
            _ => Refusal::Wrong,
        };
        if refusal == Refusal::Lost {
            self.wire = None;
        }
        Err(match refusal {
            Refusal::Duplicate(index) => Error::Duplicate(index),
            Refusal::Race => Error::Stale("another transaction".to_owned()),
            Refusal::Unavailable | Refusal::Lost => Error::Unavailable(error.to_string()),
            Refusal::Wrong => Error::Internal(format!("{error} in: {sql}")),
        })
    }
}

impl<W: Wire> Connection for Session<W> {
    fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error> {
        self.ask(sql, async |wire| wire.execute(sql, args).await)
    }

    fn rows(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Vec<Value>>, Error> {
        self.ask(sql, async |wire| wire.rows(sql, args).await)
    }

    fn script(&mut self, sql: &str) -> Result<(), Error> {
        for statement in statements(sql) {
            let statement = self.wire.as_ref().map_or_else(String::new, |wire| wire.schema(&statement));
            self.ask(&statement, async |wire| match wire.command(&statement).await {
                Err(sqlx::Error::Database(e)) if W::is_done_already(e.as_ref()) => Ok(()),
                other => other,
            })?;
        }
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn skip_locked(&self) -> &'static str {
        W::SKIP_LOCKED
    }
}

/// A random part of a time that doubles with each lost race.
fn pause(races: u32) -> Duration {
    let most = PAUSE.saturating_mul(1 << races.min(6));
    most.mul_f64((runtime::random_u64() % 1024) as f64 / 1024.0)
}
