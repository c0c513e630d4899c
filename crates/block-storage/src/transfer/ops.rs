//! What callers do with transfers.

use policy::{Caller, Target};
use store::{Condition, Stored, Tx};
use types::{TransferId, VolumeId};

use super::Transfer;
use super::model::digest;
use super::store::{self as table, TRANSFERS};
use crate::error::Error;
use crate::list::{Paging, in_sight};
use crate::policy::{RULES, own};
use crate::quota::{self, Resource};
use crate::snapshot::{self, Phase as SnapshotPhase};
use crate::volume::store::VOLUMES;
use crate::volume::{self, Phase};
use crate::volume_type;

/// How many hexadecimal digits a key has, as in Cinder.
const KEY_CHARS: usize = 16;

/// What an owner says of an offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TransferDraft {
    pub(crate) name: Option<String>,
    pub(crate) no_snapshots: bool,
    pub(crate) allow_encrypted: bool,
}

/// Offers a volume; gives the key, which nobody learns again.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: VolumeId,
    draft: TransferDraft,
) -> Result<(Stored<Transfer>, String), Error> {
    let mut offered = volume::ops::show_for(caller, tx, id, "volume:create_transfer")?;
    if offered.phase != Phase::Available {
        return Err(Error::Volume("status must be available".to_owned()));
    }
    if let Some(group) = offered.group_id {
        return Err(Error::Volume(format!("Volume {id} must not be part of a group, and is in {group}.")));
    }
    if offered.encryption.is_some() && !draft.allow_encrypted {
        return Err(Error::Volume("transferring encrypted volume is not supported".to_owned()));
    }
    if offered.encryption.is_some() && draft.no_snapshots {
        let text = "transferring an encrypted volume without its snapshots is not supported";
        return Err(Error::Volume(text.to_owned()));
    }
    if !draft.no_snapshots {
        let all = snapshot::store::kept_of_volume(tx, id)?;
        if let Some(busy) = all.iter().find(|one| one.phase != SnapshotPhase::Available) {
            return Err(Error::Snapshot(format!("snapshot: {} status must be available", busy.id)));
        }
    }
    let (now, salt, key) = (tx.now(), random(), random());
    offered.enter(Phase::AwaitingTransfer, now);
    VOLUMES.save(tx, &mut offered)?;
    // One that was left behind when an operator set the volume's status by hand.
    forget(tx, id)?;
    let transfer = Transfer {
        id: runtime::new_uuid().into(),
        volume_id: id,
        name: draft.name,
        project_id: offered.project_id.clone(),
        no_snapshots: draft.no_snapshots,
        digest: digest(&salt, &key),
        salt,
        created_at: now,
    };
    Ok((TRANSFERS.insert(tx, transfer)?, key))
}

fn random() -> String {
    let mut bytes = [0; KEY_CHARS / 2];
    runtime::fill_random(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn absent(id: &str) -> Error {
    Error::NotFound { what: "Transfer", id: id.to_owned() }
}

fn load(tx: &mut Tx<'_>, id: &str) -> Result<Stored<Transfer>, Error> {
    let parsed: TransferId = id.parse().map_err(|_| absent(id))?;
    TRANSFERS.load(tx, parsed)?.ok_or_else(|| absent(id))
}

/// An offer of the caller's project.
fn show_for(caller: &Caller, tx: &mut Tx<'_>, id: &str, rule: &str) -> Result<Stored<Transfer>, Error> {
    let found = load(tx, id)?;
    if !caller.is_admin() && caller.project_id() != Some(&found.project_id) {
        return Err(absent(id));
    }
    RULES.check(rule, caller, &Target::project(&found.project_id))?;
    Ok(found)
}

/// An offer.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<Transfer>, Error> {
    show_for(caller, tx, id, "volume:get_transfer")
}

/// The offers of the caller's project, or for an administrator of all.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (all_projects, conditions): (bool, Vec<Condition>),
    paging: &Paging,
) -> Result<Vec<Transfer>, Error> {
    let mut select = in_sight(caller, "volume:get_all_transfers", all_projects)?;
    for condition in conditions {
        select = select.with(condition);
    }
    let marker = paging.marker.as_deref().map(|id| show(caller, tx, id)).transpose()?;
    Ok(paging.page(tx, &TRANSFERS, select, marker.as_deref())?.rows)
}

/// Withdraws an offer.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let found = show_for(caller, tx, id, "volume:delete_transfer")?;
    if let Some(mut offered) =
        VOLUMES.load(tx, found.volume_id)?.filter(|one| one.phase == Phase::AwaitingTransfer)
    {
        let now = tx.now();
        offered.enter(Phase::Available, now);
        VOLUMES.save(tx, &mut offered)?;
    }
    Ok(TRANSFERS.remove(tx, &found)?)
}

/// The volume goes, and so does the offer of it.
pub(crate) fn forget(tx: &mut Tx<'_>, id: VolumeId) -> Result<(), store::Error> {
    match table::of_volume(tx, id)? {
        Some(found) => TRANSFERS.remove(tx, &found),
        None => Ok(()),
    }
}

/// Gives an offered volume to the caller's project, which must have room for it.
pub(crate) fn accept(caller: &Caller, tx: &mut Tx<'_>, id: &str, key: &str) -> Result<Transfer, Error> {
    RULES.check("volume:accept_transfer", caller, &own(caller))?;
    let project =
        caller.project_id().cloned().ok_or_else(|| Error::Denied("volume:accept_transfer".to_owned()))?;
    let found = load(tx, id)?;
    if !found.opens_with(key) {
        let text = format!("Invalid auth key: Attempt to transfer {id} with invalid auth key.");
        return Err(Error::Invalid(text));
    }
    let mut offered = VOLUMES.load(tx, found.volume_id)?.ok_or_else(|| Error::no_volume(found.volume_id))?;
    if offered.phase != Phase::AwaitingTransfer {
        let (volume, phase) = (offered.id, offered.phase);
        let text =
            format!("Volume {volume} status must be awaiting-transfer, but current status is {phase}.");
        return Err(Error::Volume(text));
    }
    let mut snapshots = snapshot::store::kept_of_volume(tx, offered.id)?;
    snapshots.retain(|_| !found.no_snapshots);
    let volume_type = volume_type::ops::load(tx, offered.volume_type_id)?;
    if project != offered.project_id {
        quota::ops::check_volumes(tx, &project, &volume_type, offered.size_gib)?;
        let count = i64::try_from(snapshots.len()).unwrap_or(i64::MAX);
        let size: i64 = snapshots.iter().map(|one| i64::from(one.size_gib)).sum();
        let all = size + i64::from(offered.size_gib);
        let wanted = [
            (Resource::Gigabytes, all),
            (Resource::GigabytesOf(volume_type.id), all),
            (Resource::Snapshots, count),
            (Resource::SnapshotsOf(volume_type.id), count),
        ];
        quota::ops::check(tx, &project, Some(&volume_type), &wanted)?;
    }
    let now = tx.now();
    for mut one in snapshots {
        one.project_id = project.clone();
        one.user_id = caller.user_id.clone();
        one.updated_at = now;
        snapshot::store::SNAPSHOTS.save(tx, &mut one)?;
    }
    offered.project_id = project;
    offered.user_id = caller.user_id.clone();
    offered.enter(Phase::Available, now);
    VOLUMES.save(tx, &mut offered)?;
    TRANSFERS.remove(tx, &found)?;
    Ok(found.into_inner())
}
