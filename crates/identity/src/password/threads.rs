//! The threads that hash: few, of low priority, and over when their owner is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::line::{Asker, Line};
use crate::Error;

type Job = Box<dyn FnOnce() + Send>;

/// A line of work and the threads that do it.
pub(super) struct Threads(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    line: Line<Job>,
    closed: bool,
}

impl Threads {
    /// Starts this many; if the system gives fewer, then those.
    pub(super) fn start(count: usize) -> Threads {
        let state = Mutex::new(State { line: Line::new(), closed: false });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let threads = (0..count).map(|n| {
            let shared = shared.clone();
            runtime::spawn_quiet_thread(&format!("password-{n}"), move || shared.work())
        });
        if threads.filter(Result::is_ok).count() == 0 {
            tracing::error!(target: "identity::password", "no thread could be started; nobody can log in by password");
            shared.lock().closed = true;
        }
        Threads(shared)
    }

    /// Has it done in turn. Whoever stops waiting loses the turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        asker: Asker,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !reply.is_closed() {
                // Whoever asked may go away while it is done.
                let _ = reply.send(work());
            }
        });
        if !self.0.join(asker, job) {
            return Err(Error::Busy);
        }
        answer.await.map_err(|_| Error::Internal("hashing a password failed".to_owned()))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside the lock; what it guards is whole whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, asker: Asker, job: Job) -> bool {
        let mut state = self.lock();
        let joined = !state.closed && state.line.join(asker, job);
        drop(state);
        self.changed.notify_one();
        joined
    }

    fn work(&self) {
        while let Some((asker, job)) = self.next() {
            // A panic fails the one login; the thread goes on.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            self.lock().line.leave(&asker);
        }
    }

    fn next(&self) -> Option<(Asker, Job)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.line.next() {
                return Some(next);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
