//! What can go wrong between a transaction and its database.

/// An error of the store. Services treat [`Error::Duplicate`]; [`Error::Stale`] is run again by whoever owns the
/// transaction; the rest is the operator's concern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A unique index refused the row. It carries the index's name. The transaction must be given up.
    #[error("a row with the same {0} exists")]
    Duplicate(String),
    /// Somebody else saved or removed the row since it was loaded, or the database asks for the transaction again.
    #[error("the row of {0} changed meanwhile")]
    Stale(String),
    /// The database cannot be used now: full disk, lost connection. Nothing was committed.
    #[error("the database cannot be used: {0}")]
    Unavailable(String),
    /// The connection was lost during the commit: it may have happened or not.
    #[error("it is not known whether the change was made: {0}")]
    OutcomeUnknown(String),
    /// Something no retry mends: a wrong statement, a document that does not parse, a panic.
    #[error("database: {0}")]
    Internal(String),
}

/// The error type of a function that runs in a transaction.
pub trait TxError: From<Error> + Send + 'static {
    /// The store's own error inside, if that is what it is; so that the owner of the transaction sees `Stale`.
    fn store_error(&self) -> Option<&Error>;
}

impl TxError for Error {
    fn store_error(&self) -> Option<&Error> {
        Some(self)
    }
}
