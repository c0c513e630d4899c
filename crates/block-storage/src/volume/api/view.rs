//! A volume as clients see it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use policy::Target;
use rest::{Microversion, Request};
use serde::Serialize;
use store::Tx;
use types::{
    AttachmentId, EncryptionKeyId, ProjectId, ServerId, SnapshotId, UserId, VolumeGroupId, VolumeId,
    VolumeTypeId,
};

use crate::api::{Link, Links, pool_of};
use crate::error::Error;
use crate::policy::RULES;
use crate::volume::{Attachment, Volume};
use crate::volume_type;

/// A volume in a list without details.
#[derive(Serialize)]
pub(super) struct Brief<'v> {
    id: VolumeId,
    name: Option<&'v str>,
    links: [Link; 2],
}

/// A volume with what the caller may know. There may be a thousand in a list, so each is written straight from its row.
/// Of two options, the outer one says whether the view has the field.
#[derive(Serialize)]
pub(super) struct View<'v> {
    id: VolumeId,
    name: Option<&'v str>,
    description: Option<&'v str>,
    status: &'static str,
    size: u32,
    availability_zone: &'v str,
    created_at: String,
    updated_at: Option<String>,
    attachments: Vec<Held<'v>>,
    volume_type: Option<&'v str>,
    snapshot_id: Option<SnapshotId>,
    source_volid: Option<VolumeId>,
    metadata: Cow<'v, BTreeMap<String, String>>,
    links: [Link; 2],
    user_id: &'v UserId,
    bootable: &'static str,
    encrypted: bool,
    replication_status: (),
    consistencygroup_id: (),
    multiattach: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration_status: Option<Option<&'v str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<Option<VolumeGroupId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_uuid: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_targets: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_name: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_type_id: Option<VolumeTypeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_key_id: Option<EncryptionKeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumes_quota: Option<bool>,
    #[serde(rename = "os-vol-tenant-attr:tenant_id", skip_serializing_if = "Option::is_none")]
    project_id: Option<&'v ProjectId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_image_metadata: Option<&'v BTreeMap<String, String>>,
    #[serde(rename = "os-vol-host-attr:host", skip_serializing_if = "Option::is_none")]
    host: Option<Option<String>>,
    #[serde(rename = "os-vol-mig-status-attr:migstat", skip_serializing_if = "Option::is_none")]
    migration: Option<Option<&'v str>>,
    #[serde(rename = "os-vol-mig-status-attr:name_id", skip_serializing_if = "Option::is_none")]
    name_id: Option<()>,
}

/// An attachment in the view of its volume.
#[derive(Serialize)]
struct Held<'v> {
    id: VolumeId,
    attachment_id: AttachmentId,
    volume_id: VolumeId,
    server_id: Option<ServerId>,
    host_name: Option<&'v str>,
    device: Option<&'v str>,
    attached_at: Option<String>,
}

/// What the views of one answer have in common.
pub(super) struct Viewer {
    version: Microversion,
    links: Links,
    type_names: BTreeMap<VolumeTypeId, String>,
    /// Whether the caller is told what operators are, of the volumes of each project.
    operates: BTreeMap<ProjectId, bool>,
}

impl Viewer {
    /// For these volumes.
    pub(super) fn of(request: &Request, tx: &mut Tx<'_>, volumes: &[Volume]) -> Result<Viewer, Error> {
        let mut operates = BTreeMap::new();
        for Volume { project_id, .. } in volumes {
            if !operates.contains_key(project_id) {
                let rule = "volume_extension:volume_host_attribute";
                let answer = RULES.allows(rule, request.caller(), &Target::project(project_id));
                operates.insert(project_id.clone(), answer);
            }
        }
        let mut type_names = BTreeMap::new();
        for id in volumes.iter().map(Volume::shown_type_id) {
            if !type_names.contains_key(&id)
                && let Some(known) = volume_type::store::TYPES.load(tx, id)?
            {
                type_names.insert(id, known.name.clone());
            }
        }
        Ok(Viewer { version: request.version, links: Links::of(request, "volumes"), type_names, operates })
    }

    /// For volumes as the first microversion has them.
    pub(super) fn first(self) -> Viewer {
        Viewer { version: Microversion(3, 0), ..self }
    }

    /// A volume with everything.
    pub(super) fn detail<'v>(&'v self, volume: &'v Volume) -> View<'v> {
        let operator = self.is_operator(volume);
        let image = &volume.image_metadata;
        let host = || volume.host.as_ref().map(|host| pool_of(host, volume.backend.as_deref()));
        View {
            project_id: Some(&volume.project_id),
            volume_image_metadata: (!image.is_empty()).then_some(image),
            host: operator.then(host),
            migration: operator.then_some(volume.migration_status.as_deref()),
            name_id: operator.then_some(()),
            ..self.plain(volume)
        }
    }

    fn is_operator(&self, volume: &Volume) -> bool {
        self.operates.get(&volume.project_id).is_some_and(|answer| *answer)
    }

    /// A volume as creations and changes answer it: Cinder's extensions say their part only when it is shown.
    pub(super) fn plain<'v>(&'v self, volume: &'v Volume) -> View<'v> {
        let operator = self.is_operator(volume);
        let attached = volume.attachments.iter().filter(|held| held.attached_at.is_some());
        let since = |minor: u16| self.version >= Microversion(3, minor);
        View {
            id: volume.id,
            name: volume.name.as_deref(),
            description: volume.description.as_deref(),
            status: volume.phase.status(),
            size: volume.size_gib,
            availability_zone: &volume.availability_zone,
            created_at: volume.created_at.iso_micros(),
            updated_at: (volume.updated_at != volume.created_at).then(|| volume.updated_at.iso_micros()),
            attachments: attached.map(|held| attachment(volume, held, operator)).collect(),
            volume_type: self.type_names.get(&volume.shown_type_id()).map(String::as_str),
            snapshot_id: volume.from.filter(|_| !volume.is_clone).map(|from| from.id),
            source_volid: volume.from.filter(|_| volume.is_clone).map(|from| from.volume),
            metadata: words(volume),
            links: self.links.to(volume.id),
            user_id: &volume.user_id,
            bootable: if volume.bootable { "true" } else { "false" },
            encrypted: volume.encryption.is_some(),
            replication_status: (),
            consistencygroup_id: (),
            multiattach: volume.multiattach,
            migration_status: operator.then_some(volume.migration_status.as_deref()),
            // What later microversions added.
            group_id: since(13).then_some(volume.group_id),
            provider_id: (since(21) && operator).then_some(()),
            service_uuid: since(48).then_some(()),
            shared_targets: since(48).then_some(false),
            cluster_name: (since(61) && operator).then_some(()),
            volume_type_id: since(63).then_some(volume.shown_type_id()),
            encryption_key_id: volume.encryption.as_ref().filter(|_| since(64)).map(|known| known.key_id),
            consumes_quota: since(65).then_some(true),
            project_id: None,
            volume_image_metadata: None,
            host: None,
            migration: None,
            name_id: None,
        }
    }

    /// A volume in a list without details.
    pub(super) fn brief<'v>(&self, volume: &'v Volume) -> Brief<'v> {
        Brief { id: volume.id, name: volume.name.as_deref(), links: self.links.to(volume.id) }
    }
}

/// The owner's metadata, with what Cinder mixes into it.
pub(super) fn words(volume: &Volume) -> Cow<'_, BTreeMap<String, String>> {
    let mut words = Cow::Borrowed(&volume.metadata);
    if let Some(read_only) = volume.read_only {
        let word = if read_only { "True" } else { "False" };
        words.to_mut().insert("readonly".to_owned(), word.to_owned());
    }
    let by_action = volume.attachments.iter().rfind(|held| held.by_action);
    if let Some(mode) = by_action.and_then(|held| held.mode) {
        words.to_mut().insert("attached_mode".to_owned(), mode.name().to_owned());
    }
    words
}

fn attachment<'v>(volume: &Volume, held: &'v Attachment, operator: bool) -> Held<'v> {
    Held {
        id: volume.id,
        attachment_id: held.id,
        volume_id: volume.id,
        server_id: held.server_id,
        host_name: held.host.as_deref().filter(|_| operator),
        device: held.device.as_deref(),
        attached_at: held.attached_at.map(|at| at.iso_micros()),
    }
}
