//! Sees to it that somebody works on every import, and forgets those that ended long ago.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reconcile::{Next, Reconciler, StepError};
use store::{Store, Tx};

use super::worker::Worker;
use crate::Config;
use crate::stores::Stores;
use crate::task::TaskId;
use crate::task::store::{self as table, TASKS};

/// The reconciler's kind.
pub(crate) const KIND: &str = "image::import";
/// Imports at a time on one control plane; the others wait.
const WORKERS_MAX: usize = 4;
/// How soon to look again whether an import that waits can begin.
const SOON: Duration = Duration::from_secs(1);
/// How often to look after an import that somebody works on. Its end is heard of at once.
const LATER: Duration = Duration::from_secs(30);

/// The reconciler of imports.
pub(crate) struct Imports {
    stores: Stores,
    config: Config,
    running: Arc<Mutex<BTreeSet<TaskId>>>,
}

impl Imports {
    /// Over these stores.
    pub(crate) fn new(stores: Stores, config: Config) -> Imports {
        Imports { stores, config, running: Arc::default() }
    }

    /// Begins to work on an import, in a thread of its own, unless too many are.
    fn begin(&self, store: &Store, id: TaskId) -> Result<(), StepError> {
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.len() >= WORKERS_MAX || !running.insert(id.clone()) {
                return Ok(());
            }
        }
        let entry = Entry { id: id.clone(), running: self.running.clone() };
        let worker = Worker::new(store.clone(), self.stores.clone(), self.config.clone(), id);
        let work = move || {
            worker.run();
            drop(entry);
        };
        let started = runtime::spawn_thread("import", work);
        started.map(drop).map_err(|e| StepError::Failed(format!("cannot start an import: {e}")))
    }
}

/// An import that this process works on, until this is dropped.
struct Entry {
    id: TaskId,
    running: Arc<Mutex<BTreeSet<TaskId>>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Reconciler for Imports {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn acts(&self) -> bool {
        true
    }

    fn act(&self, store: &Store, id: &str) -> Result<(), StepError> {
        let key = id.to_owned();
        let waits = store.read_blocking(move |tx| {
            let task = TASKS.load(tx, key.as_str())?;
            let now = tx.now();
            Ok::<_, StepError>(task.is_some_and(|task| !task.status.is_end() && task.is_free(now)))
        })?;
        if waits { self.begin(store, TaskId(id.to_owned())) } else { Ok(()) }
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Some(task) = TASKS.load(tx, id)? else { return Ok(Next::Done) };
        let now = tx.now();
        match task.expires_at {
            None if task.is_free(now) => Ok(Next::Again(SOON)),
            None => Ok(Next::Again(LATER)),
            Some(expires) if expires <= now => {
                TASKS.remove(tx, &task)?;
                Ok(Next::Done)
            }
            Some(expires) => Ok(Next::Again(expires.since(now))),
        }
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::open(tx)?.iter().map(|task| task.id.0.clone()).collect())
    }
}
