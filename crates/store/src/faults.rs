//! What a simulation lets happen to a database in memory.

/// Decides what goes wrong. Asked while the database is locked, so it must not use the store.
pub trait Faults: Send + Sync {
    /// Whether the database can be reached; asked before each transaction.
    fn is_reachable(&self) -> bool;
    /// What becomes of the commit that is about to happen.
    fn commit(&self) -> Fate;
}

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is kept, and the answer says so.
    Kept,
    /// Nothing is kept.
    Refused,
    /// It is kept, but whoever waits is told that the database is gone, and nobody hears the signals.
    AnswerLost,
}
