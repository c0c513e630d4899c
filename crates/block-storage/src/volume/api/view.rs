//! A volume as clients see it.

use std::collections::BTreeMap;

use policy::Target;
use rest::{Microversion, Request};
use serde_json::{Value as Json, json};
use store::Tx;
use types::VolumeTypeId;

use crate::api::{links_of, pool_of};
use crate::error::Error;
use crate::policy::RULES;
use crate::volume::{Attachment, Volume};
use crate::volume_type;

/// Names of volume types, for views that show them.
pub(super) struct TypeNames(BTreeMap<VolumeTypeId, String>);

impl TypeNames {
    pub(super) fn load(tx: &mut Tx<'_>) -> Result<TypeNames, Error> {
        let all = volume_type::store::all(tx)?;
        Ok(TypeNames(all.iter().map(|known| (known.id, known.name.clone())).collect()))
    }
}

/// A volume in a list without details.
pub(super) fn brief(request: &Request, volume: &Volume) -> Json {
    json!({"id": volume.id, "name": volume.name, "links": links(request, volume)})
}

fn links(request: &Request, volume: &Volume) -> Json {
    links_of(request, "volumes", volume.id)
}

/// A volume with everything that the caller may know.
pub(super) fn detail(request: &Request, volume: &Volume, types: &TypeNames) -> Json {
    let mut view = plain(request, volume, types);
    view["os-vol-tenant-attr:tenant_id"] = json!(volume.project_id);
    if !volume.image_metadata.is_empty() {
        view["volume_image_metadata"] = json!(volume.image_metadata);
    }
    if is_operator(request, volume) {
        view["os-vol-host-attr:host"] =
            json!(volume.host.as_ref().map(|host| pool_of(host, volume.backend.as_deref())));
        view["os-vol-mig-status-attr:migstat"] = json!(volume.migration_status);
        view["os-vol-mig-status-attr:name_id"] = Json::Null;
    }
    view
}

fn is_operator(request: &Request, volume: &Volume) -> bool {
    let target = Target::project(&volume.project_id);
    RULES.allows("volume_extension:volume_host_attribute", request.caller(), &target)
}

/// A volume as creations and changes answer it: Cinder's extensions say their part only when it is shown.
pub(super) fn plain(request: &Request, volume: &Volume, types: &TypeNames) -> Json {
    let operator = is_operator(request, volume);
    let attached = volume.attachment.as_ref().filter(|held| held.attached_at.is_some());
    let attachments: Vec<Json> = attached.iter().map(|held| attachment(volume, held, operator)).collect();
    let mut view = json!({
        "id": volume.id,
        "name": volume.name,
        "description": volume.description,
        "status": volume.phase.status(),
        "size": volume.size_gib,
        "availability_zone": volume.availability_zone,
        "created_at": volume.created_at.iso_micros(),
        "updated_at": (volume.updated_at != volume.created_at).then(|| volume.updated_at.iso_micros()),
        "attachments": attachments,
        "volume_type": types.0.get(&volume.volume_type_id),
        "snapshot_id": volume.from.filter(|_| !volume.is_clone).map(|from| from.id),
        "source_volid": volume.from.filter(|_| volume.is_clone).map(|from| from.volume),
        "metadata": words(volume),
        "links": links(request, volume),
        "user_id": volume.user_id,
        "bootable": if volume.bootable { "true" } else { "false" },
        "encrypted": volume.encryption.is_some(),
        "replication_status": null,
        "consistencygroup_id": null,
        "multiattach": false,
    });
    if operator {
        view["migration_status"] = json!(volume.migration_status);
    }
    newer(&mut view, request.version, volume, operator);
    view
}

/// What later microversions added.
fn newer(view: &mut Json, version: Microversion, volume: &Volume, operator: bool) {
    if version >= Microversion(3, 13) {
        view["group_id"] = json!(volume.group_id);
    }
    if version >= Microversion(3, 21) && operator {
        view["provider_id"] = Json::Null;
    }
    if version >= Microversion(3, 48) {
        view["service_uuid"] = Json::Null;
        view["shared_targets"] = false.into();
    }
    if version >= Microversion(3, 61) && operator {
        view["cluster_name"] = Json::Null;
    }
    if version >= Microversion(3, 63) {
        view["volume_type_id"] = json!(volume.volume_type_id);
    }
    if let (true, Some(encryption)) = (version >= Microversion(3, 64), &volume.encryption) {
        view["encryption_key_id"] = json!(encryption.key_id);
    }
    if version >= Microversion(3, 65) {
        view["consumes_quota"] = true.into();
    }
}

/// The owner's metadata, with what Cinder mixes into it.
pub(super) fn words(volume: &Volume) -> BTreeMap<String, String> {
    let mut words = volume.metadata.clone();
    if let Some(read_only) = volume.read_only {
        words.insert("readonly".to_owned(), if read_only { "True" } else { "False" }.to_owned());
    }
    let by_action = volume.attachment.as_ref().filter(|held| held.by_action);
    if let Some(mode) = by_action.and_then(|held| held.mode) {
        words.insert("attached_mode".to_owned(), mode.name().to_owned());
    }
    words
}

fn attachment(volume: &Volume, held: &Attachment, operator: bool) -> Json {
    json!({
        "id": volume.id,
        "attachment_id": held.id,
        "volume_id": volume.id,
        "server_id": held.server_id,
        "host_name": if operator { held.host.as_deref() } else { None },
        "device": held.device,
        "attached_at": held.attached_at.map(|at| at.iso_micros()),
    })
}
