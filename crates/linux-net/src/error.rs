//! What can go wrong between us and the kernel.

use std::io;

/// A failed act on the host's network. `Display` says what was being done and where; the source says why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused, or the file system did.
    #[error("cannot {act}")]
    Kernel {
        /// What was being done, as in "create bridge br0 in ab12cd-n3e9".
        act: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// `nft` refused a ruleset. Its own words are kept, for they name the line.
    #[error("cannot {act}: nft says: {said}")]
    Nft {
        /// What was being done.
        act: String,
        /// The first lines of its standard error.
        said: String,
    },
    /// What was asked for cannot be: a name too long, a network that was never ensured.
    #[error("cannot {act}: {reason}")]
    Unfit {
        /// What was being done.
        act: String,
        /// Why it cannot be done.
        reason: String,
    },
}

/// The result of an act on the host's network.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds to an I/O error what was being done.
pub(crate) trait Doing<T> {
    /// Names the act; the text is made only when it failed.
    fn doing<A: Into<String>>(self, act: impl FnOnce() -> A) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing<A: Into<String>>(self, act: impl FnOnce() -> A) -> Result<T> {
        self.map_err(|error| Error::Kernel { act: act().into(), source: error.into() })
    }
}

impl Error {
    /// A wish that cannot be fulfilled.
    pub(crate) fn unfit(act: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Unfit { act: act.into(), reason: reason.into() }
    }
}
