//! What can go wrong in the identity service, as its clients are told.

use rest::{Fault, InvalidBody};
use store::TxError;

use crate::oauth1::signature::Malformed;

/// An error of the identity service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense: 400.
    #[error("{0}")]
    Invalid(String),
    /// Wrong password, wrong token, disabled user, no role in the scope: 401, and never which of them.
    #[error("The request you have made requires authentication.")]
    Unauthorized,
    /// 401, where the client is to learn why.
    #[error("{0}")]
    LoginRefused(String),
    /// A rule says no: 403.
    #[error("You are not authorized to perform the requested action: {0}.")]
    Denied(String),
    /// Nobody may do this, or not now: 403.
    #[error("{0}")]
    Forbidden(String),
    /// 404.
    #[error("Could not find {kind}: {id}.")]
    NotFound {
        /// What was looked for: `project`.
        kind: &'static str,
        /// What the client called it.
        id: String,
    },
    /// 404 in other words.
    #[error("{0}")]
    Absent(String),
    /// Another object is in the way: 409.
    #[error("Conflict occurred attempting to store {kind} - {detail}.")]
    Conflict {
        /// What was to be stored.
        kind: &'static str,
        /// Which clash.
        detail: String,
    },
    /// Too many passwords wait to be hashed, all in all, from this address or for this user: 429.
    #[error("Too many logins are waiting. Try again later.")]
    Busy,
    /// The database.
    #[error(transparent)]
    Store(store::Error),
    /// Something that cannot happen did, such as a hash that is none: 500.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// No object of this kind has this id.
    pub(crate) fn not_found(kind: &'static str, id: impl ToString) -> Error {
        Error::NotFound { kind, id: id.to_string() }
    }

    /// What a body refers to is not there, or it lacks a field: Keystone's oldest message, which names both.
    pub(crate) fn expecting(attribute: &str, target: &str) -> Error {
        Error::Invalid(format!(
            "Expecting to find {attribute} in {target}. The server could not comply with the request since it is \
             either malformed or otherwise incorrect. The client is assumed to be in error."
        ))
    }

    /// Another object of this kind has the name already.
    pub(crate) fn duplicate(kind: &'static str, name: &str, domain_id: Option<&str>) -> Error {
        let detail = match domain_id {
            Some(domain) => format!("Duplicate entry found with name {name} at domain ID {domain}"),
            None => format!("Duplicate entry found with name {name}"),
        };
        Error::Conflict { kind, detail }
    }
}

impl Fault for Error {
    fn status(&self) -> u16 {
        match self {
            Error::Invalid(_) => 400,
            Error::Unauthorized | Error::LoginRefused(_) => 401,
            Error::Denied(_) | Error::Forbidden(_) => 403,
            Error::NotFound { .. } | Error::Absent(_) => 404,
            Error::Conflict { .. } => 409,
            Error::Busy => 429,
            Error::Store(store::Error::Duplicate(_)) => 409,
            Error::Store(_) | Error::Internal(_) => 500,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Error::Invalid(_) => "ValidationError",
            Error::Unauthorized | Error::LoginRefused(_) => "Unauthorized",
            Error::Denied(_) | Error::Forbidden(_) => "Forbidden",
            Error::NotFound { .. } | Error::Absent(_) => "NotFound",
            Error::Conflict { .. } => "Conflict",
            Error::Busy => "TooManyRequests",
            Error::Store(_) | Error::Internal(_) => "UnexpectedError",
        }
    }

    fn message(&self) -> String {
        match self {
            Error::Store(store::Error::Duplicate(_)) => {
                "Conflict occurred attempting to store the object - Duplicate entry.".to_owned()
            }
            Error::Store(_) | Error::Internal(_) => {
                "An unexpected error prevented the server from fulfilling your request.".to_owned()
            }
            told => told.to_string(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::Store(error) => Some(error.to_string()),
            Error::Internal(what) => Some(what.clone()),
            _ => None,
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

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        Error::Store(error)
    }
}

impl From<InvalidBody> for Error {
    fn from(invalid: InvalidBody) -> Error {
        Error::Invalid(invalid.to_string())
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Error {
        Error::Invalid(malformed.to_string())
    }
}

impl From<policy::Denied> for Error {
    fn from(denied: policy::Denied) -> Error {
        Error::Denied(denied.rule)
    }
}
