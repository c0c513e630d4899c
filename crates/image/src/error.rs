//! What can go wrong with images, and how clients hear of it.

use policy::Denied;
use rest::{Fault, InvalidBody};
use store::TxError;
use types::ImageId;

use crate::image::Status;

/// An error of the image service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such image, or the caller may not see it.
    #[error("No image found with ID {0}")]
    NotFound(String),
    /// There is no such member, tag or property to remove or show.
    #[error("{0}")]
    NoSuch(String),
    /// The image vanished while its bytes were arriving.
    #[error(
        "Image {0} could not be found after upload. The image may have been deleted during the upload, cleaning up \
         the bytes uploaded."
    )]
    Gone(ImageId),
    /// A rule of the policy.
    #[error("You are not authorized to complete {0} action.")]
    Denied(String),
    /// Something nobody may do, or not to this image.
    #[error("{0}")]
    Forbidden(String),
    /// The request does not fit what is there.
    #[error("{0}")]
    Conflict(String),
    /// The image cannot go from one state to another.
    #[error("Image status transition from {from} to {to} is not allowed")]
    Transition {
        /// Where it is.
        from: Status,
        /// Where it was to go.
        to: Status,
    },
    /// An image that is to be used has no bytes, or was deactivated.
    #[error("Image {id} is not active: its status is {status}.")]
    NotActive {
        /// The image.
        id: ImageId,
        /// Its status.
        status: Status,
    },
    /// A field, a parameter or the bytes are not as they should be.
    #[error("{0}")]
    Invalid(String),
    /// Too many properties, tags, members or bytes.
    #[error("{0}")]
    OverLimit(String),
    /// A body of another kind than the route takes, or bytes of another than the image says.
    #[error("{0}")]
    MediaType(String),
    /// A method that the path has upstream, only to refuse it.
    #[error("{0}")]
    Method(String),
    /// A range outside of the image.
    #[error("{0}")]
    Range(String),
    /// The place where bytes are kept.
    #[error("An unexpected error prevented the server from fulfilling your request.")]
    Storage(#[source] storage::Error),
    /// The database.
    #[error("An unexpected error prevented the server from fulfilling your request.")]
    Store(#[from] store::Error),
    /// Anything else that is not the client's fault.
    #[error("An unexpected error prevented the server from fulfilling your request.")]
    Internal(String),
}

impl Fault for Error {
    fn status(&self) -> u16 {
        match self {
            Error::NotFound(_) | Error::NoSuch(_) => 404,
            Error::Gone(_) => 410,
            Error::Denied(_) | Error::Forbidden(_) => 403,
            Error::Conflict(_) | Error::Transition { .. } | Error::NotActive { .. } => 409,
            Error::Invalid(_) => 400,
            Error::Method(_) => 405,
            Error::OverLimit(_) => 413,
            Error::MediaType(_) => 415,
            Error::Range(_) => 416,
            Error::Storage(_) | Error::Store(_) | Error::Internal(_) => 500,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Error::NotFound(_) => "ImageNotFound",
            Error::NoSuch(_) => "NotFound",
            Error::Gone(_) => "Gone",
            Error::Denied(_) | Error::Forbidden(_) => "Forbidden",
            Error::Conflict(_) => "Duplicate",
            Error::Transition { .. } => "InvalidImageStatusTransition",
            Error::NotActive { .. } => "ImageNotActive",
            Error::Invalid(_) => "Invalid",
            Error::OverLimit(_) => "LimitExceeded",
            Error::MediaType(_) => "UnsupportedMediaType",
            Error::Method(_) => "MethodNotAllowed",
            Error::Range(_) => "RangeNotSatisfiable",
            Error::Storage(_) | Error::Store(_) | Error::Internal(_) => "InternalServerError",
        }
    }

    fn message(&self) -> String {
        self.to_string()
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::Storage(error) => Some(with_causes(error)),
            Error::Store(error) => Some(error.to_string()),
            Error::Internal(text) => Some(text.clone()),
            Error::NotFound(_)
            | Error::NoSuch(_)
            | Error::Gone(_)
            | Error::Denied(_)
            | Error::Forbidden(_)
            | Error::Conflict(_)
            | Error::Transition { .. }
            | Error::NotActive { .. }
            | Error::Invalid(_)
            | Error::OverLimit(_)
            | Error::MediaType(_)
            | Error::Method(_)
            | Error::Range(_) => None,
        }
    }
}

/// An error and what caused it, in one line for the log.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
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
        Error::Invalid(invalid.to_string())
    }
}

impl From<storage::Error> for Error {
    /// What the uploader did wrong is said to the uploader; the rest is the operator's concern.
    fn from(error: storage::Error) -> Error {
        match &error {
            storage::Error::Refused(refusal) => Error::MediaType(format!(
                "Image content does not match disk_format or is not safe: {refusal}"
            )),
            storage::Error::TooLarge { size_bytes_max } => Error::OverLimit(format!(
                "Denying attempt to upload image larger than {size_bytes_max} bytes."
            )),
            storage::Error::Full { .. } => Error::OverLimit(
                "Image storage media is full: there is not enough disk space on the image storage media."
                    .to_owned(),
            ),
            _ => Error::Storage(error),
        }
    }
}
