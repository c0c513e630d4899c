//! Waits for the snapshots that a snapshot of a group consists of.

use reconcile::{Next, Reconciler, StepError};
use store::{Error, Stored, Tx};
use types::GroupSnapshotId;

use super::GroupSnapshot;
use super::store::{self as table, GROUP_SNAPSHOTS};
use crate::group::Status;
use crate::snapshot::Phase;
use crate::snapshot::store::of_group;
use crate::volume::HOST_TIME_MAX;

/// The reconciler's kind.
pub(crate) const KIND: &str = "block_storage::group_snapshot";

/// The reconciler of snapshots of groups.
pub(crate) struct GroupSnapshots;

impl Reconciler for GroupSnapshots {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<GroupSnapshotId>() else { return Ok(Next::Done) };
        let Some(mut found) = GROUP_SNAPSHOTS.load(tx, id)? else { return Ok(Next::Done) };
        Ok(if found.unwanted {
            delete(tx, &mut found)?
        } else if found.taking {
            take(tx, &mut found)?
        } else {
            Next::Done
        })
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::moving(tx)?.iter().map(|found| found.id.to_string()).collect())
    }
}

/// It is available once all its snapshots are made, or in error once one cannot be.
fn take(tx: &mut Tx<'_>, found: &mut Stored<GroupSnapshot>) -> Result<Next, Error> {
    let parts = of_group(tx, found.id)?;
    if parts.iter().any(|part| !part.made && part.phase == Phase::Creating) {
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    found.taking = false;
    // What an operator said meanwhile stays.
    if found.status == Status::Creating {
        found.status = if parts.iter().all(|part| part.made) { Status::Available } else { Status::Error };
    }
    save(tx, found)?;
    Ok(Next::Done)
}

/// The row goes after the last snapshot.
fn delete(tx: &mut Tx<'_>, found: &mut Stored<GroupSnapshot>) -> Result<Next, Error> {
    let parts = of_group(tx, found.id)?;
    if parts.is_empty() {
        GROUP_SNAPSHOTS.remove(tx, found)?;
        return Ok(Next::Done);
    }
    let is_stuck = parts.iter().any(|part| part.phase == Phase::ErrorDeleting);
    if is_stuck && found.status == Status::Deleting {
        found.status = Status::ErrorDeleting;
        save(tx, found)?;
    }
    Ok(Next::Again(HOST_TIME_MAX))
}

fn save(tx: &mut Tx<'_>, found: &mut Stored<GroupSnapshot>) -> Result<(), Error> {
    found.updated_at = tx.now();
    GROUP_SNAPSHOTS.save(tx, found)
}
