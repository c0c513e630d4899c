//! Copies that hosts make for what is here: asked for by a document that others own, each followed by its owner.

use agent_api::Kind;
use agent_api::block::{Copied, Copy, CopySeen};
use nodes::documents::{self, Owner};
use store::{Error, Tx};
use types::{CopyId, HostId};

/// How far a host is with a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Copying {
    /// It goes on; so much is done, in percent.
    Going(u8),
    /// It is done.
    Done(Copied),
    /// It cannot be made.
    Failed(String),
}

/// Has a host make a copy, and reads how far it is.
pub(crate) fn ask(tx: &mut Tx<'_>, host: &HostId, copy: &Copy, owner: Owner<'_>) -> Result<Copying, Error> {
    let id = copy.id.to_string();
    documents::put(tx, host, Kind::Copy, &id, copy, owner)?;
    let found = documents::seen::<CopySeen>(tx, host, Kind::Copy, &id)?.filter(|found| found.current);
    let (seen, error) = found.map(|found| (found.seen, found.error)).unwrap_or_default();
    let seen = seen.unwrap_or_default();
    Ok(match (seen.done, error) {
        (Some(copied), _) => Copying::Done(copied),
        (None, Some(reason)) => Copying::Failed(format!("host {host} cannot do it: {reason}")),
        (None, None) => Copying::Going(seen.percent),
    })
}

/// Ends a copy; whether the host has nothing of it any more.
pub(crate) fn end(tx: &mut Tx<'_>, host: &HostId, id: CopyId) -> Result<bool, Error> {
    let id = id.to_string();
    documents::remove(tx, host, Kind::Copy, &id)?;
    Ok(documents::seen::<CopySeen>(tx, host, Kind::Copy, &id)?.is_none())
}
