//! A backup as a record: what Cinder calls its URL, base64 of JSON with its fields.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use types::{BackupId, ProjectId, SnapshotId, Timestamp, UserId, VolumeId};
use uuid::Uuid;

use super::{Backup, OfVolume, Phase};
use crate::ZONE;
use crate::api::is_word;
use crate::error::Error;
use crate::volume::SIZE_GIB_MAX;

/// What wrote the objects, named as Cinder names its drivers, which clients expect: no other program's backups are read.
pub(crate) const SERVICE: &str = "cinder.backup.drivers.cuttle";
/// The volume of a backup of which it is not known: as in Cinder.
const NO_VOLUME: VolumeId = VolumeId(Uuid::nil());
/// What a record must have beside its id and its size.
const REQUIRED: [&str; 5] =
    ["container", "display_description", "display_name", "object_count", "service_metadata"];

/// The fields of a record, all of them: what has others is of another program. Those that are `()` are null in every
/// record, for only a backup that is idle has one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    id: BackupId,
    user_id: Option<String>,
    project_id: Option<String>,
    volume_id: VolumeId,
    #[serde(default)]
    host: (),
    availability_zone: Option<String>,
    container: Option<String>,
    parent_id: Option<BackupId>,
    status: Option<String>,
    fail_reason: Option<String>,
    size: u32,
    display_name: Option<String>,
    display_description: Option<String>,
    service_metadata: Option<BackupId>,
    service: Option<String>,
    object_count: u64,
    #[serde(default)]
    temp_volume_id: (),
    #[serde(default)]
    temp_snapshot_id: (),
    snapshot_id: Option<SnapshotId>,
    data_timestamp: Option<String>,
    #[serde(default)]
    restore_volume_id: (),
    #[serde(default)]
    encryption_key_id: (),
    num_dependent_backups: Option<u64>,
    metadata: Option<BTreeMap<String, String>>,
    created_at: Option<String>,
    updated_at: Option<String>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    deleted_at: (),
    driver_info: Option<Driven>,
}

/// What is only of this service.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Driven {
    of_volume: Option<Said>,
}

/// See [`OfVolume`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    metadata: BTreeMap<String, String>,
    image_metadata: BTreeMap<String, String>,
}

/// The record of a backup.
pub(super) fn encode(backup: &Backup, dependents: bool) -> String {
    let said = |said: OfVolume| Said { metadata: said.metadata, image_metadata: said.image_metadata };
    let fields = Fields {
        id: backup.id,
        user_id: Some(backup.user_id.to_string()),
        project_id: Some(backup.project_id.to_string()),
        volume_id: backup.volume_id,
        host: (),
        availability_zone: Some(ZONE.to_owned()),
        container: backup.container.clone(),
        parent_id: backup.parent_id,
        status: Some(backup.phase.status().to_owned()),
        fail_reason: backup.fail_reason.clone(),
        size: backup.size_gib,
        display_name: backup.name.clone(),
        display_description: backup.description.clone(),
        service_metadata: Some(backup.objects_id()),
        service: Some(SERVICE.to_owned()),
        object_count: backup.objects,
        temp_volume_id: (),
        temp_snapshot_id: (),
        snapshot_id: backup.snapshot_id,
        data_timestamp: Some(backup.data_timestamp.iso_micros()),
        restore_volume_id: (),
        encryption_key_id: (),
        num_dependent_backups: Some(dependents.into()),
        metadata: Some(backup.metadata.clone()),
        created_at: Some(backup.created_at.iso_micros()),
        updated_at: Some(backup.updated_at.iso_micros()),
        deleted: false,
        deleted_at: (),
        driver_info: Some(Driven { of_volume: backup.of_volume.clone().map(said) }),
    };
    BASE64_STANDARD.encode(json!(fields).to_string())
}

/// Whether a text may be a record.
pub(super) fn is_base64(text: &str) -> bool {
    !text.is_empty() && BASE64_STANDARD.decode(text).is_ok()
}

fn invalid(why: &str) -> Error {
    Error::Invalid(format!("Invalid input received: {why}"))
}

fn unreadable() -> Error {
    invalid("Can't parse backup record.")
}

/// A record, of which no more is read yet than what those of all programs have.
pub(super) struct Record {
    id: BackupId,
    size_gib: u32,
    fields: Map<String, Json>,
}

impl Record {
    /// The record that a text is.
    pub(super) fn parse(text: &str) -> Result<Record, Error> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| invalid("Can't decode backup record."))?;
        let fields: Map<String, Json> = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
        let missing = |what: &str| invalid(&format!("Provided backup record is missing {what}"));
        let id = fields.get("id").ok_or_else(|| missing("an id"))?;
        let size = fields.get("size").ok_or_else(|| missing("size attribute"))?;
        let id = id.as_str().and_then(|text| text.parse().ok()).ok_or_else(unreadable)?;
        let size_gib = size.as_u64().and_then(|size| u32::try_from(size).ok());
        let size_gib = size_gib.filter(|size| (1..=SIZE_GIB_MAX).contains(size)).ok_or_else(unreadable)?;
        Ok(Record { id, size_gib, fields })
    }

    /// The backup of another program, which nobody here can read.
    pub(super) fn of_another(self, owner: (&ProjectId, &UserId), now: Timestamp, service: &str) -> Backup {
        let reason = format!("No host here has the backup service '{service}'.");
        Backup { phase: Phase::Error, fail_reason: Some(reason), ..self.bare(owner, now) }
    }

    /// The backup that it is of, which no host has seen yet, for its new owner.
    pub(super) fn decode(self, owner: (&ProjectId, &UserId), now: Timestamp) -> Result<Backup, Error> {
        let missing: Vec<&str> =
            REQUIRED.into_iter().filter(|name| !self.fields.contains_key(*name)).collect();
        if !missing.is_empty() {
            let text = format!(
                "Driver successfully decoded imported backup data, but there are missing fields ({}).",
                missing.join(", ")
            );
            return Err(Error::Backup(text));
        }
        if self.fields.get("encryption_key_id").is_some_and(|key_id| !key_id.is_null()) {
            return Err(Error::Backup("It is of an encrypted volume, whose key is not here.".to_owned()));
        }
        let fields = Json::Object(self.fields.clone());
        let fields: Fields = serde_json::from_value(fields).map_err(|_| unreadable())?;
        if !fields.is_genuine() {
            return Err(unreadable());
        }
        let time = |text: Option<String>| {
            text.map_or(Ok(now), |text| Timestamp::parse(&text).map_err(|_| unreadable()))
        };
        let said = fields.driver_info.and_then(|info| info.of_volume);
        Ok(Backup {
            name: fields.display_name,
            description: fields.display_description,
            volume_id: fields.volume_id,
            snapshot_id: fields.snapshot_id,
            parent_id: fields.parent_id,
            container: fields.container,
            metadata: fields.metadata.unwrap_or_default(),
            written_as: fields.service_metadata,
            of_volume: said
                .map(|said| OfVolume { metadata: said.metadata, image_metadata: said.image_metadata }),
            data_timestamp: time(fields.data_timestamp)?,
            created_at: time(fields.created_at)?,
            ..self.bare(owner, now)
        })
    }

    /// A backup of which hardly anything is known.
    fn bare(&self, (project_id, user_id): (&ProjectId, &UserId), now: Timestamp) -> Backup {
        Backup {
            id: self.id,
            project_id: project_id.clone(),
            user_id: user_id.clone(),
            name: None,
            description: None,
            volume_id: NO_VOLUME,
            snapshot_id: None,
            held: None,
            parent_id: None,
            size_gib: self.size_gib,
            container: None,
            metadata: BTreeMap::new(),
            phase: Phase::Creating,
            phase_since: now,
            job: None,
            restoring: None,
            is_import: true,
            written_as: None,
            objects: 0,
            fail_reason: None,
            encryption: None,
            volume_type_id: None,
            of_volume: None,
            data_timestamp: now,
            request_id: None,
            created_at: now,
            updated_at: now,
        }
    }
}

impl Fields {
    /// Whether a backup can have a record that says so: one that could be exported, with words that could be said of it.
    fn is_genuine(&self) -> bool {
        let is_short = |text: &Option<String>| text.as_deref().is_none_or(is_word);
        let are_words = |words: &BTreeMap<String, String>| {
            words.iter().all(|(key, value)| !key.is_empty() && is_word(key) && is_word(value))
        };
        let is = |text: &Option<String>, only: &str| text.as_deref().is_none_or(|text| text == only);
        let said = self.driver_info.as_ref().and_then(|info| info.of_volume.as_ref());
        !self.deleted
            && is(&self.status, Phase::Available.status())
            && is(&self.service, SERVICE)
            && [&self.container, &self.display_name, &self.display_description].into_iter().all(is_short)
            && self.metadata.as_ref().is_none_or(are_words)
            // What images say of themselves may be longer.
            && said.is_none_or(|said| are_words(&said.metadata) && said.image_metadata.keys().all(|key| is_word(key)))
    }
}
