//! Actions on snapshots: a POST whose one key says what is to be done.

use rest::{Fields, InvalidBody, Reply, Request};
use store::Tx;
use types::SnapshotId;

use super::snapshot_id;
use crate::api::action_in;
use crate::error::Error;
use crate::snapshot::{Phase, ops};

/// Runs the action that the body names.
pub(super) fn run(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = snapshot_id(request)?;
    let (action, fields) = action_in(request)?;
    match action.as_str() {
        "os-reset_status" => reset_status(request, tx, id, fields)?,
        "os-update_snapshot_status" => update_status(request, tx, id, fields)?,
        "os-force_delete" => ops::delete(request.caller(), tx, id, true)?,
        "os-unmanage" => ops::unmanage(request.caller(), tx, id)?,
        other => return Err(Error::Invalid(format!("There is no such action: {other}"))),
    }
    Ok(Reply::empty(202))
}

/// Statuses that an operator may say.
const RESET: [&str; 6] = ["available", "error", "creating", "deleting", "error_deleting", "backing-up"];

fn reset_status(request: &Request, tx: &mut Tx<'_>, id: SnapshotId, mut fields: Fields) -> Result<(), Error> {
    let status = fields.required_text("status")?;
    fields.finish()?;
    let known = RESET.contains(&status.to_lowercase().as_str());
    let phase = Phase::of_status(&status.to_lowercase()).filter(|_| known);
    let phase = phase.ok_or_else(|| unknown(&status))?;
    let rule = (id, "volume_extension:snapshot_admin_actions:reset_status");
    ops::reset_phase(request.caller(), tx, rule, phase)
}

fn unknown(status: &str) -> InvalidBody {
    InvalidBody::at("status", format!("is not a status of snapshots: '{status}'"))
}

/// What whoever makes a snapshot says of it.
fn update_status(
    request: &Request,
    tx: &mut Tx<'_>,
    id: SnapshotId,
    mut fields: Fields,
) -> Result<(), Error> {
    let status = fields.required_text("status")?;
    let progress = fields.nullable_text("progress")?.flatten();
    fields.finish()?;
    if progress.as_deref().is_some_and(|progress| !is_progress(progress)) {
        return Err(InvalidBody::at("progress", "is not a percentage of 0 to 100").into());
    }
    let rule = "snapshot_extension:snapshot_actions:update_snapshot_status";
    let now = ops::show_for(request.caller(), tx, id, rule)?.phase;
    let may_follow = match now {
        Phase::Creating => &[Phase::Creating, Phase::Available, Phase::Error][..],
        Phase::Deleting => &[Phase::Deleting, Phase::ErrorDeleting],
        _ => {
            let text = format!("Snapshot status {} not allowed for update_snapshot_status", now.status());
            return Err(Error::Invalid(text));
        }
    };
    let wanted = Phase::of_status(&status).filter(|phase| may_follow.contains(phase));
    let wanted = wanted.ok_or_else(|| {
        let now = now.status();
        Error::Invalid(format!(
            "Provided snapshot status {status} not allowed for snapshot with status {now}."
        ))
    })?;
    ops::change_metadata(request.caller(), tx, (id, rule), |found| {
        found.progress = progress.or(found.progress.take());
        Ok(())
    })?;
    ops::reset_phase(request.caller(), tx, (id, rule), wanted)
}

fn is_progress(text: &str) -> bool {
    text.strip_suffix('%').and_then(|digits| digits.parse::<u8>().ok()).is_some_and(|n| n <= 100)
}
