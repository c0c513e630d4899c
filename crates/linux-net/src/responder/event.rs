//! What the responder saw, for the time line of a server.

use std::net::{IpAddr, Ipv4Addr};

use types::{PortId, Timestamp};

/// Something a VM did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Through which port.
    pub port: PortId,
    /// What it did.
    pub what: Seen,
    /// When.
    pub at: Timestamp,
}

/// What a VM can be seen doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It took or renewed its lease.
    DhcpLease {
        /// The leased address.
        address: IpAddr,
    },
    /// It asked for an address that is not its own and was refused.
    DhcpRefused {
        /// What it asked for.
        address: Ipv4Addr,
    },
    /// It found its address in use by another.
    DhcpDeclined {
        /// The address.
        address: IpAddr,
    },
    /// It read a page of metadata.
    MetadataRead {
        /// The page.
        path: String,
    },
    /// It posted its encrypted administrator's password.
    PasswordPosted {
        /// The password, encrypted with the server's public key.
        password: String,
    },
}
