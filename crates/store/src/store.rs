//! The handle that services and the wiring hold: run this function in a transaction and give me its answer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use tokio::sync::oneshot;

use crate::database::{Database, Job, Mode, OnCommit, Outcome};
use crate::faults::Faults;
use crate::mysql::Maria;
use crate::postgres::Pg;
use crate::server::Server;
use crate::sqlite::{Inline, Pool};
use crate::{Error, Signal, Tx, TxError, mysql, postgres};

/// Where the data is.
#[derive(Debug, Clone)]
pub enum Config {
    /// SQLite in this file, made if it is not there.
    File(PathBuf),
    /// PostgreSQL at `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, MariaDB or MySQL at `mysql://…`. The connection is
    /// not encrypted.
    Url(String),
    /// SQLite in memory, run inline on the calling thread: for simulations and tests.
    Memory,
}

type Listener = Box<dyn Fn(&[Signal]) + Send + Sync>;

/// A database with the tables of all services. Clones share it.
#[derive(Clone)]
pub struct Store {
    database: Arc<dyn Database>,
    listeners: Arc<RwLock<Vec<Listener>>>,
    on_commit: OnCommit,
    shared: bool,
}

impl Store {
    /// Opens the database; the schema is brought up to date by [`Store::migrate`].
    pub fn open(config: &Config) -> Result<Store, Error> {
        Ok(match config {
            Config::File(path) => Store::over(Arc::new(Pool::open(path)?), false),
            Config::Url(url) => Store::over(Arc::new(open_url(url)?), true),
            Config::Memory => Store::over(Arc::new(Inline::open(None)?), false),
        })
    }

    /// As [`Config::Memory`], with what goes wrong decided by `faults`.
    pub fn open_faulty(faults: Arc<dyn Faults>) -> Result<Store, Error> {
        Ok(Store::over(Arc::new(Inline::open(Some(faults))?), false))
    }

    /// A SQLite file of another program's, to be read and not to be migrated.
    pub fn open_foreign(path: &Path) -> Result<Store, Error> {
        Ok(Store::over(Arc::new(Inline::open_foreign(path)?), false))
    }

    /// The same database for another process: nobody listens yet, and listeners of this handle hear nothing of what
    /// the other commits. For simulations of crashes.
    #[must_use]
    pub fn of_next_process(&self) -> Store {
        Store::over(self.database.clone(), true)
    }

    /// Whether other processes may commit to the database too, of which no listener here hears.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    fn over(database: Arc<dyn Database>, shared: bool) -> Store {
        let listeners: Arc<RwLock<Vec<Listener>>> = Arc::default();
        let heard = listeners.clone();
        let on_commit: OnCommit = Arc::new(move |signals: &[Signal]| {
            if let (false, Ok(listeners)) = (signals.is_empty(), heard.read()) {
                listeners.iter().for_each(|listener| listener(signals));
            }
        });
        Store { database, listeners, on_commit, shared }
    }

    /// Calls `listener` with the signals of each committed transaction, on the database's thread: it must not wait.
    pub fn listen(&self, listener: impl Fn(&[Signal]) + Send + Sync + 'static) {
        if let Ok(mut listeners) = self.listeners.write() {
            listeners.push(Box::new(listener));
        }
    }

    /// Runs `f` in a transaction that is committed if it returns `Ok`. It is run again when it loses a race, so it
    /// must change nothing but the transaction. The answer comes when the commit is durable.
    pub async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: TxError,
    {
        self.submit(Mode::Write, f).await.unwrap_or_else(|_| Err(gone().into()))
    }

    /// As [`Store::write`], for threads that are no async workers.
    pub fn write_blocking<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: TxError,
    {
        self.write_soon(f).wait()
    }

    /// As [`Store::write_blocking`], for what need not be there any more after a loss of power: who holds a lease.
    pub fn write_unsynced_blocking<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: TxError,
    {
        Writing(self.submit(Mode::Unsynced, f)).wait()
    }

    /// As [`Store::write_blocking`], without waiting: what is handed in together can share a commit.
    pub fn write_soon<T, E, F>(&self, f: F) -> Writing<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: TxError,
    {
        Writing(self.submit(Mode::Write, f))
    }

    /// Runs `f` on a snapshot of the database.
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: TxError,
    {
        self.submit(Mode::Read, f).await.unwrap_or_else(|_| Err(gone().into()))
    }

    /// As [`Store::read`], for threads that are no async workers.
    pub fn read_blocking<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: TxError,
    {
        self.submit(Mode::Read, f).blocking_recv().unwrap_or_else(|_| Err(gone().into()))
    }

    /// Runs `f` in a transaction that changes the schema: one replica at a time.
    pub(crate) fn change_schema<F>(&self, f: F) -> Result<(), Error>
    where
        F: FnMut(&mut Tx<'_>) -> Result<(), Error> + Send + 'static,
    {
        self.submit(Mode::Schema, f).blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    fn submit<T, E, F>(&self, mode: Mode, f: F) -> oneshot::Receiver<Result<T, E>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: TxError,
    {
        let (reply, answer) = oneshot::channel();
        self.database.submit(mode, Box::new(Call { f, result: None, reply }), self.on_commit.clone());
        answer
    }
}

/// A transaction that was handed in. It runs whether or not somebody waits for its answer.
pub struct Writing<T, E>(oneshot::Receiver<Result<T, E>>);

impl<T, E: TxError> Writing<T, E> {
    /// Waits until it is durable or refused.
    pub fn wait(self) -> Result<T, E> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(gone().into()))
    }
}

/// Tells the servers apart by the URL's scheme. Errors do not show the URL: it holds a password.
fn open_url(url: &str) -> Result<Server, Error> {
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Server::open::<Pg>(&postgres::options(url)?),
        Some("mysql" | "mariadb") => Server::open::<Maria>(&mysql::options(url)?),
        _ => Err(Error::Internal("the database's URL must begin with postgres:// or mysql://".to_owned())),
    }
}

fn gone() -> Error {
    Error::Unavailable("it is being closed".to_owned())
}

/// A function, its last result, and where the answer goes.
struct Call<F, T, E> {
    f: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Call<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: TxError,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.f)(tx)));
        let result =
            caught.unwrap_or_else(|_| Err(Error::Internal("a transaction panicked".to_owned()).into()));
        let outcome = match &result {
            Ok(_) => Outcome::Commit,
            Err(error) if matches!(error.store_error(), Some(Error::Stale(_))) => Outcome::Again,
            Err(_) => Outcome::Rollback,
        };
        self.result = Some(result);
        outcome
    }

    fn finish(self: Box<Self>, committed: Result<(), Error>) {
        let result = match (committed, self.result) {
            (Err(error), _) => Err(error.into()),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(gone().into()),
        };
        // Whoever asked may have gone away; the commit stands.
        let _ = self.reply.send(result);
    }
}
