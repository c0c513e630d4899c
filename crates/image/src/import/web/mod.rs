//! Bytes from the web, and from nowhere that is ours.
//!
//! An address is checked by the operator's lists, its host is resolved here, and the connection goes to an address that
//! was checked: neither a redirect nor a name that changes its mind leads to this machine, to its network or to a
//! metadata service. `curl` speaks HTTP and TLS, as a child process with the system's certificates.

mod address;
mod fetch;
mod filter;
#[cfg(test)]
mod tests;

pub(crate) use fetch::fetch;
pub use filter::ImportFiltering;
