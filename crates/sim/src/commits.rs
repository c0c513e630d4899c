//! What goes wrong at the database: commits that fail, answers that get lost, a process that dies between two commits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{Fate, Faults};

/// What is to happen at one of the next commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It fails.
    Refused,
    /// It is kept, and nobody learns so.
    AnswerLost,
    /// It is kept, and the process that made it dies then.
    CrashAfter,
    /// The process dies before it.
    CrashBefore,
}

/// The mishaps of one database.
#[derive(Debug, Default)]
pub struct Commits(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    planned: Option<(usize, Mishap)>,
    happened: Option<Mishap>,
    crashed: bool,
}

impl Commits {
    /// Lets something happen after this many commits.
    pub fn plan(&self, after: usize, mishap: Mishap) {
        self.lock().planned = Some((after, mishap));
    }

    /// What happened since this was asked last.
    pub fn take(&self) -> Option<Mishap> {
        self.lock().happened.take()
    }

    /// Whether the process that uses the database is as good as dead.
    pub fn is_crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Nothing is planned any more, and the next process can use the database.
    pub fn reset(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults for Commits {
    fn is_reachable(&self) -> bool {
        !self.lock().crashed
    }

    fn commit(&self) -> Fate {
        let mut state = self.lock();
        let due = match state.planned.as_mut() {
            None => return Fate::Kept,
            Some((0, mishap)) => *mishap,
            Some((after, _)) => {
                *after -= 1;
                return Fate::Kept;
            }
        };
        state.planned = None;
        state.happened = Some(due);
        match due {
            Mishap::Refused => Fate::Refused,
            Mishap::AnswerLost => Fate::AnswerLost,
            Mishap::CrashAfter => {
                state.crashed = true;
                Fate::AnswerLost
            }
            Mishap::CrashBefore => {
                state.crashed = true;
                Fate::Refused
            }
        }
    }
}
