//! Everything that can go wrong here, as clients see it.

use policy::Denied;
use rest::{Fault, InvalidBody};
use store::TxError;

/// An error of the placement service.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A rule said no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The request's shape.
    #[error("{0}")]
    Invalid(String),
    /// No such provider, consumer, class or trait.
    #[error("{0}")]
    NotFound(String),
    /// A name is taken, something is in use, or there is not enough.
    #[error("{0}")]
    Conflict(String),
    /// Somebody else wrote meanwhile.
    #[error("{0}")]
    ConcurrentUpdate(String),
}

impl From<InvalidBody> for Error {
    fn from(error: InvalidBody) -> Error {
        if error.malformed {
            Error::Invalid("Malformed JSON".to_owned())
        } else {
            Error::Invalid(format!("JSON does not validate: {error}"))
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
            Error::Store(_) => 500,
            Error::Denied(_) => 403,
            Error::Invalid(_) => 400,
            Error::NotFound(_) => 404,
            Error::Conflict(_) | Error::ConcurrentUpdate(_) => 409,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Error::ConcurrentUpdate(_) => "placement.concurrent_update",
            Error::Store(_)
            | Error::Denied(_)
            | Error::Invalid(_)
            | Error::NotFound(_)
            | Error::Conflict(_) => "placement.undefined_code",
        }
    }

    fn message(&self) -> String {
        match self {
            Error::Store(_) => {
                "The server has either erred or is incapable of performing the requested operation."
                    .to_owned()
            }
            Error::Denied(denied) => {
                format!(
                    "Access was denied to this resource: policy does not allow {} to be performed.",
                    denied.rule
                )
            }
            Error::Invalid(text)
            | Error::NotFound(text)
            | Error::Conflict(text)
            | Error::ConcurrentUpdate(text) => text.clone(),
        }
    }

    fn detail(&self) -> Option<String> {
        matches!(self, Error::Store(_)).then(|| self.to_string())
    }
}
