//! A backup as a record: what Cinder calls its URL, base64 of JSON with its fields.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value as Json, json};
use types::{ProjectId, Timestamp, UserId};

use super::{Backup, Phase};
use crate::ZONE;
use crate::error::Error;
use crate::volume::SIZE_GIB_MAX;

/// What wrote the objects, named as Cinder names its drivers, which clients expect: no other program's backups are read.
pub(crate) const SERVICE: &str = "cinder.backup.drivers.cuttle";
/// Under which key it has what was said of the volume.
const OF_VOLUME: &str = "of_volume";
/// What a record must have beside its id and its size.
const REQUIRED: [&str; 5] =
    ["container", "display_description", "display_name", "object_count", "service_metadata"];

/// The record of a backup.
pub(super) fn encode(backup: &Backup, dependents: bool) -> String {
    let record = json!({
        "id": backup.id,
        "user_id": backup.user_id,
        "project_id": backup.project_id,
        "volume_id": backup.volume_id,
        "host": null,
        "availability_zone": ZONE,
        "container": backup.container,
        "parent_id": backup.parent_id,
        "status": backup.phase.status(),
        "fail_reason": backup.fail_reason,
        "size": backup.size_gib,
        "display_name": backup.name,
        "display_description": backup.description,
        "service_metadata": backup.objects_id(),
        "service": SERVICE,
        "object_count": backup.objects,
        "temp_volume_id": null,
        "temp_snapshot_id": null,
        "snapshot_id": backup.snapshot_id,
        "data_timestamp": backup.data_timestamp.iso_micros(),
        "restore_volume_id": null,
        "encryption_key_id": null,
        "num_dependent_backups": u8::from(dependents),
        "metadata": backup.metadata,
        "created_at": backup.created_at.iso_micros(),
        "updated_at": backup.updated_at.iso_micros(),
        "deleted": false,
        "deleted_at": null,
        "driver_info": {OF_VOLUME: backup.of_volume},
    });
    BASE64_STANDARD.encode(record.to_string())
}

/// Whether a text may be a record.
pub(super) fn is_base64(text: &str) -> bool {
    !text.is_empty() && BASE64_STANDARD.decode(text).is_ok()
}

/// The backup that a record is of, which no host has seen yet, for its new owner.
pub(super) fn decode(
    text: &str,
    (project_id, user_id): (&ProjectId, &UserId),
    now: Timestamp,
) -> Result<Backup, Error> {
    let invalid = |why: &str| Error::Invalid(format!("Invalid input received: {why}"));
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| invalid("Can't decode backup record."))?;
    let unreadable = || invalid("Can't parse backup record.");
    let fields: Map<String, Json> = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
    let (Some(id), size) = (fields.get("id"), fields.get("size")) else {
        return Err(invalid("Provided backup record is missing an id"));
    };
    let size = size.ok_or_else(|| invalid("Provided backup record is missing size attribute"))?;
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !fields.contains_key(*name)).collect();
    if !missing.is_empty() {
        let text = format!(
            "Driver successfully decoded imported backup data, but there are missing fields ({}).",
            missing.join(", ")
        );
        return Err(Error::Backup(text));
    }
    if fields.get("encryption_key_id").is_some_and(|key_id| !key_id.is_null()) {
        return Err(Error::Backup("It is of an encrypted volume, whose key is not here.".to_owned()));
    }
    let words = |name: &str| match fields.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) if text.chars().count() <= 255 => Ok(Some(text.clone())),
        Some(_) => Err(unreadable()),
    };
    let time =
        |name: &str| words(name)?.map_or(Ok(now), |text| Timestamp::parse(&text).map_err(|_| unreadable()));
    let size_gib = size.as_u64().and_then(|size| u32::try_from(size).ok());
    let metadata = fields.get("metadata").filter(|metadata| !metadata.is_null()).cloned();
    let of_volume = fields.get("driver_info").map(|info| info[OF_VOLUME].clone()).unwrap_or_default();
    Ok(Backup {
        id: id.as_str().and_then(|text| text.parse().ok()).ok_or_else(unreadable)?,
        project_id: project_id.clone(),
        user_id: user_id.clone(),
        name: words("display_name")?,
        description: words("display_description")?,
        volume_id: words("volume_id")?.and_then(|text| text.parse().ok()).ok_or_else(unreadable)?,
        snapshot_id: words("snapshot_id")?.map(|text| text.parse()).transpose().map_err(|_| unreadable())?,
        held: None,
        parent_id: words("parent_id")?.map(|text| text.parse()).transpose().map_err(|_| unreadable())?,
        size_gib: size_gib.filter(|size| (1..=SIZE_GIB_MAX).contains(size)).ok_or_else(unreadable)?,
        container: words("container")?,
        metadata: metadata
            .map_or(Ok(Default::default()), serde_json::from_value)
            .map_err(|_| unreadable())?,
        phase: Phase::Creating,
        phase_since: now,
        job: None,
        restoring: None,
        is_import: true,
        written_as: words("service_metadata")?
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| unreadable())?,
        objects: 0,
        fail_reason: None,
        encryption: None,
        volume_type_id: None,
        of_volume: serde_json::from_value(of_volume).map_err(|_| unreadable())?,
        data_timestamp: time("data_timestamp")?,
        request_id: None,
        created_at: time("created_at")?,
        updated_at: now,
    })
}
