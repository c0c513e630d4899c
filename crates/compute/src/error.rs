//! Everything that can go wrong here, as clients see it.

use policy::Denied;
use rest::{Fault, InvalidBody};
use store::TxError;

/// An error of the compute service.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A rule said no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The request's shape or content.
    #[error("{0}")]
    Invalid(String),
    /// A quota or a limit of the object.
    #[error("{0}")]
    Forbidden(String),
    /// No such object, or none that the caller may see.
    #[error("{0}")]
    NotFound(String),
    /// The object's state does not allow it, or a name is taken.
    #[error("{0}")]
    Conflict(String),
    /// The request's answer is known to nobody here.
    #[error("{0}")]
    NotImplemented(String),
    /// A node or a neighbour does not answer now.
    #[error("{0}")]
    Unavailable(String),
    /// A neighbour failed in a way that no client can mend.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// What a neighbouring service's refusal means to our client, who did not call it: 404 of something that a body
    /// named is a bad request.
    pub(crate) fn of_neighbour<E: Fault + TxError + std::fmt::Display>(error: &E) -> Error {
        if let Some(store) = error.store_error() {
            return Error::Store(store.clone());
        }
        match error.status() {
            400 | 404 => Error::Invalid(error.message()),
            403 | 413 => Error::Forbidden(error.message()),
            409 => Error::Conflict(error.message()),
            503 => Error::Unavailable(error.message()),
            _ => Error::Internal(error.to_string()),
        }
    }
}

impl From<placement::Error> for Error {
    fn from(error: placement::Error) -> Error {
        Error::of_neighbour(&error)
    }
}

impl From<InvalidBody> for Error {
    fn from(error: InvalidBody) -> Error {
        if error.malformed {
            Error::Invalid("Malformed request body".to_owned())
        } else if error.field.is_empty() {
            Error::Invalid(error.problem)
        } else {
            let field = error.field.rsplit('.').next().unwrap_or_default();
            Error::Invalid(format!("Invalid input for field/attribute {field}. {error}."))
        }
    }
}

impl TxError for Error {
    fn store_error(&self) -> Option<&store::Error> {
        match self {
            Error::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn status(&self) -> u16 {
        match self {
            Error::Store(_) | Error::Internal(_) => 500,
            Error::Denied(_) | Error::Forbidden(_) => 403,
            Error::Invalid(_) => 400,
            Error::NotFound(_) => 404,
            Error::Conflict(_) => 409,
            Error::NotImplemented(_) => 501,
            Error::Unavailable(_) => 503,
        }
    }

    fn name(&self) -> &'static str {
        // Nova's faults are keyed by their status alone.
        ""
    }

    fn message(&self) -> String {
        match self {
            Error::Store(_) | Error::Internal(_) => {
                "Unexpected API Error. The request id names it in the log.".to_owned()
            }
            Error::Denied(denied) => format!("Policy doesn't allow {} to be performed.", denied.rule),
            Error::Invalid(text)
            | Error::Forbidden(text)
            | Error::NotFound(text)
            | Error::Conflict(text)
            | Error::NotImplemented(text)
            | Error::Unavailable(text) => text.clone(),
        }
    }

    fn detail(&self) -> Option<String> {
        matches!(self, Error::Store(_) | Error::Internal(_)).then(|| self.to_string())
    }
}

/// A reconciler's step failed on what would have been an answer.
pub(crate) fn step_error(error: Error) -> reconcile::StepError {
    match error {
        Error::Store(error) => reconcile::StepError::Store(error),
        other => reconcile::StepError::Failed(other.to_string()),
    }
}
