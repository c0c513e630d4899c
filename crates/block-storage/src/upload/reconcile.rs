//! Makes an image of a volume step by step: waits for the moment that is held, has the host copy it, and lets go of
//! everything.

use std::time::Duration;

use agent_api::block::CopyFrom;
use image::image::by_node;
use image::image::node_copy::Progress;
use nodes::documents::Owner;
use reconcile::{Next, Reconciler, StepError};
use store::{Stored, Tx};
use types::CopyId;

use super::store::{self as table, UPLOADS};
use super::{Phase, Upload};
use crate::message::{Action, Detail, ops as messages};
use crate::snapshot;
use crate::volume::reconcile::KIND as VOLUME_KIND;
use crate::volume::store::VOLUMES;
use crate::volume::{HOST_TIME_MAX, Phase as VolumePhase, Volume, WorkKey};

/// The reconciler's kind.
pub(crate) const KIND: &str = "block_storage::upload";
/// How often to look whether the image is still wanted.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The reconciler of uploads.
pub(crate) struct Uploads;

impl Reconciler for Uploads {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<CopyId>() else { return Ok(Next::Done) };
        let Some(mut upload) = UPLOADS.load(tx, id)? else { return Ok(Next::Done) };
        let outcome = match upload.phase {
            Phase::Holding => hold(tx, &mut upload)?,
            Phase::Copying => copy(tx, &mut upload)?,
            Phase::Ending => Progress::Done,
            Phase::Kept => return keep(tx, &mut upload),
        };
        match outcome {
            Progress::Told | Progress::Copies => return Ok(Next::Again(LOOK_EVERY)),
            Progress::Done => settle(tx, &mut upload)?,
            Progress::Unwanted => abandon(tx, &mut upload)?,
            Progress::Failed(fault) => fail(tx, &mut upload, &fault)?,
        }
        end(tx, &mut upload)
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let mut missed = Vec::new();
        for upload in table::all(tx)? {
            if upload.phase != Phase::Kept || !by_node::is_there(tx, upload.copy.image_id).map_err(failed)? {
                missed.push(upload.copy.id.to_string());
            }
        }
        Ok(missed)
    }
}

fn volume_of(tx: &mut Tx<'_>, upload: &Upload) -> Result<Option<Stored<Volume>>, store::Error> {
    Ok(VOLUMES.load(tx, upload.volume_id)?.filter(|volume| volume.is_wanted()))
}

/// The volume's host makes the snapshot, within the time that snapshots have for that.
fn hold(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<Progress, StepError> {
    if volume_of(tx, upload)?.is_none() {
        return Ok(Progress::Unwanted);
    }
    match snapshot::store::SNAPSHOTS.load(tx, upload.snapshot_id)? {
        Some(held) if held.made => {
            upload.phase = Phase::Copying;
            upload.copy.heard_at = tx.now();
            UPLOADS.save(tx, upload)?;
            copy(tx, upload)
        }
        Some(held) if held.phase == snapshot::Phase::Creating => Ok(Progress::Told),
        Some(held) => {
            Ok(Progress::Failed(held.fault.clone().unwrap_or_else(|| "it was never held".to_owned())))
        }
        None => Ok(Progress::Failed("what was held of it is gone".to_owned())),
    }
}

/// The host copies it; the image is its own then.
fn copy(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<Progress, StepError> {
    if volume_of(tx, upload)?.is_none() {
        return Ok(Progress::Unwanted);
    }
    let id = upload.copy.id.to_string();
    let from = CopyFrom::Snapshot { volume: upload.volume_id, id: upload.snapshot_id };
    let before = upload.clone().into_inner();
    let progress = upload.copy.step(tx, from, Owner { kind: KIND, id: &id }).map_err(failed)?;
    if **upload != before {
        UPLOADS.save(tx, upload)?;
    }
    Ok(progress)
}

fn fail(tx: &mut Tx<'_>, upload: &mut Stored<Upload>, fault: &str) -> Result<(), StepError> {
    tracing::warn!(target: "block_storage::upload", volume = %upload.volume_id, image = %upload.copy.image_id, "{fault}");
    if let Some(volume) = volume_of(tx, upload)? {
        let about = (Action::CopyVolumeToImage, Detail::FailedToUploadVolume);
        messages::leave_failure(tx, about, &*volume)?;
    }
    abandon(tx, upload)
}

fn abandon(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<(), StepError> {
    upload.encryption = None;
    upload.copy.abandon(tx).map_err(failed)?;
    settle(tx, upload)
}

/// The volume is its users' again. Done twice it changes nothing.
fn settle(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<(), StepError> {
    if upload.phase == Phase::Ending {
        return Ok(());
    }
    let now = tx.now();
    let volume = volume_of(tx, upload)?.filter(|volume| volume.phase == VolumePhase::Uploading);
    if let Some(mut volume) = volume {
        let idle = volume.idle_phase();
        volume.enter(idle, now);
        VOLUMES.save(tx, &mut volume)?;
    }
    upload.phase = Phase::Ending;
    upload.copy.heard_at = now;
    UPLOADS.save(tx, upload)?;
    Ok(())
}

/// What was held goes once the host does nothing with it any more.
fn end(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<Next, StepError> {
    if !upload.copy.end(tx).map_err(failed)? {
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    snapshot::ops::release(tx, upload.snapshot_id)?;
    tx.kick(VOLUME_KIND, upload.volume_id)?;
    if upload.encryption.is_some() {
        upload.phase = Phase::Kept;
        UPLOADS.save(tx, upload)?;
        return keep(tx, upload);
    }
    UPLOADS.remove(tx, upload)?;
    Ok(Next::Done)
}

/// The key is kept as long as the image is there that it opens.
fn keep(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<Next, StepError> {
    let image = upload.copy.image_id;
    if by_node::is_there(tx, image).map_err(failed)? {
        let watcher = WorkKey { kind: KIND.to_owned(), id: upload.copy.id.to_string() };
        by_node::watch(tx, image, watcher).map_err(failed)?;
    } else {
        UPLOADS.remove(tx, upload)?;
    }
    Ok(Next::Done)
}

fn failed(error: image::Error) -> StepError {
    match error {
        image::Error::Store(error) => error.into(),
        other => StepError::Failed(other.to_string()),
    }
}
