//! Makes an image of a volume step by step: waits for the moment that is held, has the host copy it, tells the image what
//! came of it, and lets go of everything.

use std::time::Duration;

use agent_api::Kind;
use agent_api::block::{Copied, Copy, CopyFrom, CopySeen, CopyTo, ImageSource};
use image::image::{StoredImage, by_node};
use nodes::documents::{self, Owner};
use reconcile::{Next, Reconciler, StepError};
use store::{Stored, Tx};
use types::CopyId;

use super::store::{self as table, UPLOADS};
use super::{Phase, Upload};
use crate::message::{Action, Detail, Subject, ops as messages};
use crate::snapshot;
use crate::volume::reconcile::KIND as VOLUME_KIND;
use crate::volume::store::VOLUMES;
use crate::volume::{HOST_TIME_MAX, Phase as VolumePhase, Volume};

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
            Phase::Ending => Outcome::Settled,
        };
        match outcome {
            Outcome::Waits => return Ok(Next::Again(LOOK_EVERY)),
            Outcome::Settled => {}
            Outcome::Unwanted => abandon(tx, &mut upload)?,
            Outcome::Failed(fault) => fail(tx, &mut upload, &fault)?,
        }
        end(tx, &mut upload)
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(table::all(tx)?.iter().map(|upload| upload.id.to_string()).collect())
    }
}

/// What a step came to.
enum Outcome {
    /// The host has not answered yet.
    Waits,
    /// Nothing is left but to let go.
    Settled,
    /// Somebody deleted the image or the volume.
    Unwanted,
    /// It cannot be made.
    Failed(String),
}

fn volume_of(tx: &mut Tx<'_>, upload: &Upload) -> Result<Option<Stored<Volume>>, store::Error> {
    Ok(VOLUMES.load(tx, upload.volume_id)?.filter(|volume| volume.is_wanted()))
}

/// The volume's host makes the snapshot, within the time that snapshots have for that.
fn hold(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<Outcome, StepError> {
    if volume_of(tx, upload)?.is_none() {
        return Ok(Outcome::Unwanted);
    }
    match snapshot::store::SNAPSHOTS.load(tx, upload.snapshot_id)? {
        Some(held) if held.made => {
            upload.phase = Phase::Copying;
            upload.heard_at = tx.now();
            UPLOADS.save(tx, upload)?;
            copy(tx, upload)
        }
        Some(held) if held.phase == snapshot::Phase::Creating => Ok(Outcome::Waits),
        Some(held) => {
            Ok(Outcome::Failed(held.fault.clone().unwrap_or_else(|| "it was never held".to_owned())))
        }
        None => Ok(Outcome::Failed("what was held of it is gone".to_owned())),
    }
}

/// The host copies it; the image is its own then.
fn copy(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<Outcome, StepError> {
    let token = upload.token();
    let wanted = by_node::begin(tx, upload.image_id, &token).map_err(failed)?;
    if !wanted || volume_of(tx, upload)?.is_none() {
        return Ok(Outcome::Unwanted);
    }
    want(tx, upload)?;
    let found = documents::seen::<CopySeen>(tx, &upload.host, Kind::Copy, &token)?;
    let found = found.filter(|found| found.current);
    let (seen, error) = found.map(|found| (found.seen, found.error)).unwrap_or_default();
    let seen = seen.unwrap_or_default();
    match (error, seen.done) {
        (Some(reason), _) => Ok(Outcome::Failed(format!("host {} cannot copy it: {reason}", upload.host))),
        (None, Some(copied)) => finish(tx, upload, copied),
        (None, None) => advance(tx, upload, seen.percent),
    }
}

fn want(tx: &mut Tx<'_>, upload: &Upload) -> Result<(), store::Error> {
    let image = ImageSource { id: upload.image_id, format: upload.format.as_str().to_owned() };
    let document = Copy {
        id: upload.id,
        from: CopyFrom::Snapshot { volume: upload.volume_id, id: upload.snapshot_id },
        to: CopyTo::Image(image),
        sealed: false,
    };
    let id = upload.id.to_string();
    documents::put(tx, &upload.host, Kind::Copy, &id, &document, Owner { kind: KIND, id: &id })
}

fn advance(tx: &mut Tx<'_>, upload: &mut Stored<Upload>, percent: u8) -> Result<Outcome, StepError> {
    let now = tx.now();
    if percent != upload.percent {
        upload.percent = percent;
        upload.heard_at = now;
        UPLOADS.save(tx, upload)?;
    }
    if upload.is_overdue(now) {
        return Ok(Outcome::Failed(format!("host {} does not get on with its copy", upload.host)));
    }
    Ok(Outcome::Waits)
}

fn finish(tx: &mut Tx<'_>, upload: &mut Stored<Upload>, copied: Copied) -> Result<Outcome, StepError> {
    let (Some(md5), Some(sha512)) = (copied.md5, copied.sha512) else {
        return Ok(Outcome::Failed(format!("host {} does not say what it copied", upload.host)));
    };
    let Copied { size_bytes, virtual_size_bytes, .. } = copied;
    let stored = StoredImage { size_bytes, virtual_size_bytes, md5, sha512 };
    by_node::finish(tx, upload.image_id, &upload.token(), stored).map_err(failed)?;
    settle(tx, upload)?;
    Ok(Outcome::Settled)
}

fn fail(tx: &mut Tx<'_>, upload: &mut Stored<Upload>, fault: &str) -> Result<(), StepError> {
    tracing::warn!(target: "block_storage::upload", volume = %upload.volume_id, image = %upload.image_id, "{fault}");
    if let Some(volume) = volume_of(tx, upload)? {
        let about = (Action::CopyVolumeToImage, Detail::FailedToUploadVolume);
        let subject = (Subject::Volume, volume.id.to_string());
        messages::leave_failure(tx, &volume.project_id, about, subject)?;
    }
    abandon(tx, upload)
}

fn abandon(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<(), StepError> {
    by_node::abandon(tx, upload.image_id, &upload.token()).map_err(failed)?;
    settle(tx, upload)
}

/// The volume is its users' again.
fn settle(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<(), StepError> {
    let now = tx.now();
    let volume = volume_of(tx, upload)?.filter(|volume| volume.phase == VolumePhase::Uploading);
    if let Some(mut volume) = volume {
        let idle = volume.idle_phase();
        volume.enter(idle, now);
        VOLUMES.save(tx, &mut volume)?;
    }
    upload.phase = Phase::Ending;
    upload.heard_at = now;
    UPLOADS.save(tx, upload)?;
    Ok(())
}

/// What was held goes once the host does nothing with it any more.
fn end(tx: &mut Tx<'_>, upload: &mut Stored<Upload>) -> Result<Next, StepError> {
    let token = upload.token();
    documents::remove(tx, &upload.host, Kind::Copy, &token)?;
    if documents::seen::<CopySeen>(tx, &upload.host, Kind::Copy, &token)?.is_some() {
        return Ok(Next::Again(HOST_TIME_MAX));
    }
    snapshot::ops::release(tx, upload.snapshot_id)?;
    by_node::let_go(tx, upload.image_id, &token).map_err(failed)?;
    UPLOADS.remove(tx, upload)?;
    tx.kick(VOLUME_KIND, upload.volume_id)?;
    Ok(Next::Done)
}

fn failed(error: image::Error) -> StepError {
    match error {
        image::Error::Store(error) => error.into(),
        other => StepError::Failed(other.to_string()),
    }
}
