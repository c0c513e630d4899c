//! Actions on groups: a POST whose one key says what is to be done.

use rest::{Fields, InvalidBody, Microversion, Reply, Request};
use serde_json::json;
use store::Tx;
use types::{GroupSnapshotId, VolumeGroupId};

use super::{REPLICATION, group_id, refuse_migrated, summary, trimmed};
use crate::api::{flag_in, sole_fields};
use crate::error::Error;
use crate::group::{GroupSource, Status, ops};
use crate::group_snapshot;

/// The first microversion in which an operator sets a status.
const RESET: Microversion = Microversion(3, 20);

/// Runs the action that the body names.
pub(super) fn run(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = group_id(request)?;
    let (action, mut fields) = crate::api::action_in(request)?;
    let replication =
        |tx: &mut Tx<'_>, words: &str| ops::refuse_replication(request.caller(), tx, id, (&action, words));
    match action.as_str() {
        "delete" => {
            let with_volumes = flag_in(&mut fields, "delete-volumes")?.unwrap_or(false);
            fields.finish()?;
            let group = ops::show(request.caller(), tx, id)?;
            refuse_migrated(tx, &group)?;
            ops::delete(request.caller(), tx, id, with_volumes)?;
        }
        "reset_status" if request.version >= RESET => {
            let status = status_in(fields, "Group")?;
            ops::reset_status(request.caller(), tx, id, status)?;
        }
        "enable_replication" if request.version >= REPLICATION => replication(tx, "enable replication")?,
        "disable_replication" if request.version >= REPLICATION => replication(tx, "disable replication")?,
        "list_replication_targets" if request.version >= REPLICATION => {
            replication(tx, "list replication targets")?;
        }
        "failover_replication" if request.version >= REPLICATION => {
            flag_in(&mut fields, "allow_attached_volume")?;
            fields.nullable_text("secondary_backend_id")?;
            fields.finish()?;
            replication(tx, "failover replication")?;
        }
        "reset_status"
        | "enable_replication"
        | "disable_replication"
        | "list_replication_targets"
        | "failover_replication" => return Err(Error::NoRoute),
        other => return Err(Error::Invalid(format!("There is no such action: {other}"))),
    }
    Ok(Reply::empty(202))
}

/// The status that an operator gives a group, or a snapshot of one.
pub(crate) fn status_in(mut fields: Fields, what: &str) -> Result<Status, Error> {
    let name = fields.required_text("status")?;
    fields.finish()?;
    Status::named(&name).ok_or_else(|| {
        let known: Vec<String> = Status::ALL.iter().map(|status| format!("'{}'", status.name())).collect();
        let known = known.join(", ");
        Error::Invalid(format!(
            "Invalid {what} Status: status: {name} is invalid, valid statuses are: ({known})."
        ))
    })
}

/// Creates a group of a snapshot of a group, or of another group.
pub(super) fn create_from(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "create-from-src")?;
    let words = (trimmed(&mut fields, "name")?, trimmed(&mut fields, "description")?);
    let snapshot: Option<GroupSnapshotId> = fields.parse("group_snapshot_id")?;
    let group: Option<VolumeGroupId> = fields.parse("source_group_id")?;
    fields.finish()?;
    let source = match (snapshot, group) {
        (Some(id), None) => GroupSource::Snapshot(id),
        (None, Some(id)) => GroupSource::Group(id),
        _ => {
            let problem = "must have either group_snapshot_id or source_group_id";
            return Err(InvalidBody::at("create-from-src", problem).into());
        }
    };
    let origin = match source {
        GroupSource::Snapshot(id) => group_snapshot::ops::show(request.caller(), tx, id)?.group_id,
        GroupSource::Group(id) => id,
    };
    let origin = ops::show(request.caller(), tx, origin)?;
    refuse_migrated(tx, &origin)?;
    let made = ops::create_from(request.caller(), tx, source, words)?;
    Ok(Reply::json(202, json!({"group": summary(&made)})))
}
