//! What can go wrong with VMs.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use types::ServerId;

use crate::Power;

/// What can go wrong with VMs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not there.
    #[error("{} is not installed; install it with: apt-get install qemu-system-x86", binary.display())]
    NoQemu {
        /// What was looked for.
        binary: PathBuf,
    },

    /// The program is too old.
    #[error("QEMU {found} is too old: at least 7.2 is needed; Debian 12 and Ubuntu 23.04 have it")]
    OldQemu {
        /// Its version.
        found: String,
    },

    /// The program cannot be asked.
    #[error("QEMU does not answer questions about itself: {0}")]
    Probe(String),

    /// KVM was demanded and is not there.
    #[error("KVM cannot be used: {0}; set the accelerator to tcg or auto")]
    NoKvm(String),

    /// A VM cannot be as described.
    #[error("the VM cannot be made: {0}")]
    Spec(String),

    /// The process ended before the VM ran.
    #[error("QEMU did not start: {0}")]
    Start(String),

    /// The VM is not in a state for this.
    #[error("cannot {doing}: the VM is {found:?}")]
    State {
        /// What was being done.
        doing: &'static str,
        /// How the VM is.
        found: Power,
    },

    /// The VM does not have this disk.
    #[error("cannot {doing}: the VM does not have the disk")]
    NoDisk {
        /// What was being done.
        doing: &'static str,
    },

    /// The disk is on its way out.
    #[error("cannot {doing}: it is still being detached; try again")]
    Busy {
        /// What was being done.
        doing: &'static str,
    },

    /// A disk was being exchanged when whoever did it was interrupted.
    #[error("the VM stands still until it is recorded which disk it has; try again")]
    Exchanging,

    /// Layers of disks are being merged.
    #[error("layers of the VM's disks are being merged; try again")]
    Merging,

    /// All slots for disks are taken.
    #[error("the VM has no free slot for another disk; it gets more when it is stopped and started again")]
    NoSlot,

    /// QEMU refused a command.
    #[error("QEMU refused {command}: {description}")]
    Refused {
        /// The QMP command.
        command: String,
        /// What QEMU said.
        description: String,
    },

    /// QEMU took too long.
    #[error("QEMU of server {server} did not answer {command} within {after:?}")]
    Unresponsive {
        /// The VM.
        server: ServerId,
        /// The QMP command.
        command: String,
        /// How long was waited.
        after: Duration,
    },

    /// The operating system refused.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// The usual result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was being done when an operation of the system fails.
pub(crate) trait Doing<T> {
    /// Completes "cannot …".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { doing: what(), source: source.into() })
    }
}
