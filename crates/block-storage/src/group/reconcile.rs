//! Sees groups through that are made of others, and those that are deleted. Hosts know nothing of groups.

use reconcile::{Next, Reconciler, StepError};
use store::{Error, Stored, Tx};
use types::VolumeGroupId;

use super::store::{self as table, GROUPS};
use super::{Group, Status};
use crate::volume::store::of_group;
use crate::volume::{HOST_TIME_MAX, Phase};

/// The reconciler's kind.
pub(crate) const KIND: &str = "block_storage::group";

/// The reconciler of groups.
pub(crate) struct Groups;

impl Reconciler for Groups {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<VolumeGroupId>() else { return Ok(Next::Done) };
        let Some(mut group) = GROUPS.load(tx, id)? else { return Ok(Next::Done) };
        Ok(if group.unwanted {
            delete(tx, &mut group)?
        } else if group.filling {
            fill(tx, &mut group)?
        } else {
            Next::Done
        })
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::moving(tx)?.iter().map(|group| group.id.to_string()).collect())
    }
}

/// It is available once all its volumes are made, or in error once one cannot be.
fn fill(tx: &mut Tx<'_>, group: &mut Stored<Group>) -> Result<Next, Error> {
    let volumes = of_group(tx, group.id)?;
    if volumes.iter().any(|volume| !volume.made && volume.phase == Phase::Creating) {
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    group.filling = false;
    // What an operator said meanwhile stays.
    if group.status == Status::Creating {
        group.status =
            if volumes.iter().all(|volume| volume.made) { Status::Available } else { Status::Error };
    }
    save(tx, group)?;
    Ok(Next::Done)
}

/// The row goes after the last volume.
fn delete(tx: &mut Tx<'_>, group: &mut Stored<Group>) -> Result<Next, Error> {
    let volumes = of_group(tx, group.id)?;
    if volumes.is_empty() {
        GROUPS.remove(tx, group)?;
        return Ok(Next::Done);
    }
    let is_stuck = volumes.iter().any(|volume| volume.phase == Phase::ErrorDeleting);
    if is_stuck && group.status == Status::Deleting {
        group.status = Status::ErrorDeleting;
        save(tx, group)?;
    }
    Ok(Next::Again(HOST_TIME_MAX))
}

fn save(tx: &mut Tx<'_>, group: &mut Stored<Group>) -> Result<(), Error> {
    group.updated_at = tx.now();
    GROUPS.save(tx, group)
}
