//! The runner of reconcilers: it leases due keys, steps them, and backs off when a step fails. Leases are in the database
//! if other processes may look for work there, and else in memory.
//!
//! A reconciler looks at a key's state and moves it one step towards what is wanted, in one transaction; it never
//! learns why it was woken. A step would still be right if it ran twice, an hour late or on another replica. Kicks
//! make a key due at once; a sweep passes over every row now and then and should find nothing to do.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use store::work::{Finish, Lease};
use store::{Error, Store, Tx, Writing, work};
use types::Timestamp;

/// How many keys one pass leases.
const BATCH: u32 = 16;
/// The longest sleep between two looks at the work table, for due times set by other replicas.
const NAP_MAX: Duration = Duration::from_secs(5);
/// The first and the longest pause after failed steps; it doubles in between.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));

/// What a step leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing to do until the next kick.
    Done,
    /// Look again after this long, or at the next kick.
    Again(Duration),
}

/// Why a step failed, in words for the log. The store's own errors are kept apart, for lost races are run again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StepError {
    /// The database.
    #[error(transparent)]
    Store(#[from] Error),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl store::TxError for StepError {
    fn store_error(&self) -> Option<&Error> {
        match self {
            StepError::Store(error) => Some(error),
            StepError::Failed(_) => None,
        }
    }
}

/// Moves keys of one kind towards what is wanted.
pub trait Reconciler: Send + Sync {
    /// The kind of key, by its path: `network::port`.
    fn kind(&self) -> &'static str;
    /// Whether something must happen outside any transaction before each step. Usually nothing does, for nodes do the work.
    fn acts(&self) -> bool {
        false
    }
    /// What must, for a reconciler that [`Reconciler::acts`]: bytes of an image removed. It may be repeated, and the step must
    /// look whether it happened.
    fn act(&self, _store: &Store, _id: &str) -> Result<(), StepError> {
        Ok(())
    }
    /// One step for one key.
    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError>;
    /// Keys that are not as wanted although nobody kicked them.
    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError>;
}

/// All reconcilers over one store.
#[derive(Clone)]
pub struct Runner {
    store: Store,
    reconcilers: Arc<BTreeMap<&'static str, Arc<dyn Reconciler>>>,
    bell: Arc<Bell>,
    /// What threads of this process step now, where there is no other process that could.
    held: Arc<Mutex<BTreeSet<Key>>>,
}

/// A reconciler's kind and a key of it.
type Key = (String, String);

/// What is to be stepped now, or when there is something next.
struct Found {
    leases: Vec<(Lease, Option<Held>)>,
    next_due: Option<Timestamp>,
}

/// A key that a thread of this process steps, until this is dropped.
struct Held {
    key: Key,
    all: Arc<Mutex<BTreeSet<Key>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Wakes the runner's threads.
#[derive(Default)]
struct Bell {
    state: Mutex<Ring>,
    rung: Condvar,
}

#[derive(Default)]
struct Ring {
    pending: bool,
    closed: bool,
}

impl Runner {
    /// A runner of these reconcilers, woken by the store's commits.
    pub fn new(store: Store, reconcilers: Vec<Arc<dyn Reconciler>>) -> Runner {
        let bell = Arc::new(Bell::default());
        let ringing = bell.clone();
        store.listen(move |signals| {
            if signals.iter().any(|signal| signal == work::SIGNAL) {
                ringing.state.lock().unwrap_or_else(PoisonError::into_inner).pending = true;
                ringing.rung.notify_one();
            }
        });
        let reconcilers = reconcilers.into_iter().map(|r| (r.kind(), r)).collect();
        Runner { store, reconcilers: Arc::new(reconcilers), bell, held: Arc::default() }
    }

    /// Steps due keys on this thread until [`Runner::close`].
    pub fn run(&self) {
        loop {
            let nap = match self.take().and_then(|found| self.step(found)) {
                Ok(nap) => nap,
                Err(error) => {
                    tracing::error!("cannot look for work: {error}");
                    NAP_MAX
                }
            };
            if !self.wait(nap) {
                return;
            }
        }
    }

    /// Makes [`Runner::run`] return after the step it is in.
    pub fn close(&self) {
        self.bell.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.bell.rung.notify_all();
    }

    /// Leases what is due and steps it; tells how many keys that were. A simulation calls this by itself.
    pub fn pass(&self) -> Result<usize, Error> {
        let found = self.take()?;
        let count = found.leases.len();
        self.step(found).map(|_| count)
    }

    /// Leases what is due. Leases are noted in the database only if others may look for work in it.
    fn take(&self) -> Result<Found, Error> {
        if !self.store.is_shared() {
            return self.take_alone();
        }
        let (next_due, now) =
            self.store.read_blocking(|tx| Ok::<_, Error>((work::next_due(tx)?, tx.now())))?;
        let leases = match next_due.is_none_or(|due| due > now) {
            true => Vec::new(),
            false => self.store.write_unsynced_blocking(|tx| work::lease(tx, BATCH))?,
        };
        Ok(Found { leases: leases.into_iter().map(|lease| (lease, None)).collect(), next_due })
    }

    /// Takes what is due and not held by another thread. What acts may take long: one of it is enough at a time.
    fn take_alone(&self) -> Result<Found, Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let most = held.len() + BATCH as usize + 1;
        let (soonest, now) =
            self.store.read_blocking(move |tx| Ok::<_, Error>((work::soonest(tx, most)?, tx.now())))?;
        let mut found = Found { leases: Vec::new(), next_due: None };
        for (lease, due) in soonest {
            let key = (lease.kind.clone(), lease.id.clone());
            let is_enough = || self.acts(&lease) && found.leases.iter().any(|(other, _)| self.acts(other));
            if held.contains(&key) || is_enough() {
                continue;
            }
            if due > now || found.leases.len() == BATCH as usize {
                found.next_due = Some(due);
                break;
            }
            held.insert(key.clone());
            found.leases.push((lease, Some(Held { key, all: self.held.clone() })));
        }
        Ok(found)
    }

    fn acts(&self, lease: &Lease) -> bool {
        self.reconcilers.get(lease.kind.as_str()).is_some_and(|reconciler| reconciler.acts())
    }

    /// Steps what was leased; tells when to look again.
    fn step(&self, Found { leases, next_due }: Found) -> Result<Duration, Error> {
        let is_idle = leases.is_empty();
        let (slow, quick): (Vec<_>, Vec<_>) = leases.into_iter().partition(|(lease, _)| self.acts(lease));
        // All are handed in before the first is waited for, so that they share commits.
        let stepping: Vec<_> = quick.iter().map(|(lease, _)| self.begin_step(lease)).collect();
        let mut ended = Ok(());
        for ((lease, held), stepping) in quick.into_iter().zip(stepping) {
            ended = ended.and(self.end_step(&lease, stepping));
            drop(held);
        }
        for (lease, held) in slow {
            ended = ended.and(self.end_step(&lease, self.begin_step(&lease)));
            drop(held);
        }
        ended?;
        // A key that was kicked while it was held fell due without being looked at.
        let until = |due: Timestamp| due.since(runtime::now()).min(NAP_MAX);
        Ok(if is_idle { next_due.map_or(NAP_MAX, until) } else { Duration::ZERO })
    }

    /// When the next key falls due, for a simulation's clock.
    pub fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.store.read_blocking(work::next_due)
    }

    /// Kicks every key that some reconciler finds not as wanted; tells which. After a start, that is what an earlier
    /// version or a lost database could not finish; later on it should find nothing.
    pub fn sweep(&self) -> Result<Vec<(String, String)>, Error> {
        let mut found = Vec::new();
        for (kind, reconciler) in self.reconcilers.iter() {
            let (kind, reconciler) = (*kind, reconciler.clone());
            let swept = self.store.write_blocking(move |tx| {
                let pending: Vec<(String, String)> =
                    work::pending(tx)?.into_iter().map(|(k, id, _)| (k, id)).collect();
                let mut missed = reconciler.sweep(tx)?;
                missed.retain(|id| !pending.contains(&(kind.to_owned(), id.clone())));
                missed.iter().try_for_each(|id| tx.kick(kind, id))?;
                Ok::<_, StepError>(missed)
            });
            match swept {
                Ok(missed) => found.extend(missed.into_iter().map(|id| (kind.to_owned(), id))),
                Err(error) => tracing::error!("cannot sweep {kind}: {error}"),
            }
        }
        Ok(found)
    }

    /// Acts for one leased key and hands its step in. Step and end of the lease are one transaction, so a crash repeats
    /// both or neither.
    fn begin_step(&self, lease: &Lease) -> Result<Writing<(), StepError>, StepError> {
        let missing = || StepError::Failed("there is no reconciler of this kind".to_owned());
        let reconciler = self.reconcilers.get(lease.kind.as_str()).cloned().ok_or_else(missing)?;
        if reconciler.acts() {
            let act = || reconciler.act(&self.store, &lease.id);
            let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
            acted.unwrap_or_else(|_| Err(StepError::Failed("what it does panicked".to_owned())))?;
        }
        let held = lease.clone();
        Ok(self.store.write_soon(move |tx| {
            let finish = match reconciler.step(tx, &held.id)? {
                Next::Done => Finish::Done,
                Next::Again(after) => Finish::Again(after),
            };
            Ok::<_, StepError>(work::finish(tx, &held, finish)?)
        }))
    }

    fn end_step(
        &self,
        lease: &Lease,
        stepping: Result<Writing<(), StepError>, StepError>,
    ) -> Result<(), Error> {
        match stepping.and_then(Writing::wait) {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(attempts = lease.attempts + 1, "{} {}: {error}", lease.kind, lease.id);
                self.put_off(lease)
            }
        }
    }

    fn put_off(&self, lease: &Lease) -> Result<(), Error> {
        let pause = backoff(lease.attempts);
        let lease = lease.clone();
        self.store.write_blocking(move |tx| work::finish(tx, &lease, Finish::Failed(pause)))
    }

    /// Waits for a kick or for `nap`; false once the runner is closed.
    fn wait(&self, nap: Duration) -> bool {
        let state = self.bell.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |ring: &mut Ring| !ring.pending && !ring.closed;
        let woken =
            self.bell.rung.wait_timeout_while(state, nap, idle).unwrap_or_else(PoisonError::into_inner);
        let mut state = woken.0;
        state.pending = false;
        !state.closed
    }
}

fn backoff(attempts: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(1 << attempts.min(16)).min(longest)
}
