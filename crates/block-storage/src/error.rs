//! What can go wrong with volumes, and how clients hear of it.

use policy::Denied;
use rest::{Fault, InvalidBody};
use store::TxError;

/// An error of the block-storage service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the caller may not see it.
    #[error("{what} {id} could not be found.")]
    NotFound {
        /// `Volume`, `Volume type`.
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// A route that the microversion does not have.
    #[error("The resource could not be found.")]
    NoRoute,
    /// A volume has no such metadata.
    #[error("{0}")]
    NoSuch(String),
    /// A rule of the policy.
    #[error("Policy doesn't allow {0} to be performed.")]
    Denied(String),
    /// A field or a parameter is not as it should be.
    #[error("{0}")]
    Invalid(String),
    /// The volume's state does not allow it.
    #[error("Invalid volume: {0}")]
    Volume(String),
    /// The snapshot's state does not allow it.
    #[error("Invalid snapshot: {0}")]
    Snapshot(String),
    /// The backup's state does not allow it.
    #[error("Invalid backup: {0}")]
    Backup(String),
    /// Something exists already, or is held by another service.
    #[error("{0}")]
    Conflict(String),
    /// A quota.
    #[error("{0}")]
    OverLimit(String),
    /// Nobody here does this now.
    #[error("{0}")]
    Unavailable(String),
    /// The database.
    #[error("The server has either erred or is incapable of performing the requested operation.")]
    Store(#[from] store::Error),
    /// Anything else that is not the client's fault.
    #[error("The server has either erred or is incapable of performing the requested operation.")]
    Internal(String),
}

impl Error {
    /// A volume that is not there, or not for the caller's eyes.
    pub fn no_volume(id: impl ToString) -> Error {
        Error::NotFound { what: "Volume", id: id.to_string() }
    }

    /// A snapshot that is not there, or not for the caller's eyes.
    pub fn no_snapshot(id: impl ToString) -> Error {
        Error::NotFound { what: "Snapshot", id: id.to_string() }
    }

    /// A backup that is not there, or not for the caller's eyes.
    pub fn no_backup(id: impl ToString) -> Error {
        Error::NotFound { what: "Backup", id: id.to_string() }
    }

    /// For whoever hears of the database alone.
    pub(crate) fn into_store(self) -> store::Error {
        match self {
            Error::Store(error) => error,
            other => store::Error::Internal(other.to_string()),
        }
    }
}

impl Fault for Error {
    fn status(&self) -> u16 {
        match self {
            Error::NotFound { .. } | Error::NoRoute | Error::NoSuch(_) => 404,
            Error::Denied(_) => 403,
            Error::Invalid(_) | Error::Volume(_) | Error::Snapshot(_) | Error::Backup(_) => 400,
            Error::Conflict(_) => 409,
            Error::OverLimit(_) => 413,
            Error::Unavailable(_) => 503,
            Error::Store(_) | Error::Internal(_) => 500,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Error::NotFound { .. } | Error::NoRoute | Error::NoSuch(_) => "NotFound",
            Error::Denied(_) => "PolicyNotAuthorized",
            Error::Invalid(_) => "InvalidInput",
            Error::Volume(_) => "InvalidVolume",
            Error::Snapshot(_) => "InvalidSnapshot",
            Error::Backup(_) => "InvalidBackup",
            Error::Conflict(_) => "Conflict",
            Error::OverLimit(_) => "QuotaError",
            Error::Unavailable(_) => "ServiceUnavailable",
            Error::Store(_) | Error::Internal(_) => "InternalServerError",
        }
    }

    fn message(&self) -> String {
        self.to_string()
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::Store(error) => Some(error.to_string()),
            Error::Internal(text) => Some(text.clone()),
            Error::NotFound { .. }
            | Error::NoRoute
            | Error::NoSuch(_)
            | Error::Denied(_)
            | Error::Invalid(_)
            | Error::Volume(_)
            | Error::Snapshot(_)
            | Error::Backup(_)
            | Error::Conflict(_)
            | Error::OverLimit(_)
            | Error::Unavailable(_) => None,
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

impl From<Denied> for Error {
    fn from(denied: Denied) -> Error {
        Error::Denied(denied.rule)
    }
}

impl From<InvalidBody> for Error {
    fn from(invalid: InvalidBody) -> Error {
        Error::Invalid(match (invalid.malformed, invalid.field.is_empty()) {
            (true, _) => "Malformed request body".to_owned(),
            (false, true) => invalid.problem,
            (false, false) => format!("Invalid input for field/attribute {invalid}"),
        })
    }
}

impl From<image::Error> for Error {
    /// What a client hears when a volume cannot be made of an image.
    fn from(error: image::Error) -> Error {
        match error {
            image::Error::Store(error) => Error::Store(error),
            image::Error::NotActive { id, .. } => {
                Error::Invalid(format!("Invalid image: Image {id} is not active."))
            }
            image::Error::NotFound(_) | image::Error::Denied(_) => {
                Error::Invalid("Invalid image identifier or unable to access requested image.".to_owned())
            }
            other => Error::Internal(other.to_string()),
        }
    }
}
