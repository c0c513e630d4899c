//! What a volume is, and which of its states may follow which.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use types::{
    AttachmentId, BackupId, HostId, ImageId, ProjectId, ServerId, SnapshotId, Timestamp, UserId,
    VolumeGroupId, VolumeId, VolumeTypeId,
};

use super::WorkKey;
use crate::encryption::{KEY_DELETION_POLICY, KEY_ID, VolumeEncryption};

/// How long a host may take to make, grow or remove a volume.
pub const HOST_TIME_MAX: Duration = Duration::from_secs(600);
/// How long it may copy a whole volume.
pub const COPY_TIME_MAX: Duration = Duration::from_secs(48 * 3600);
/// How long a volume waits for a host that is up.
pub const PLACEMENT_TIME_MAX: Duration = Duration::from_secs(60);
/// The largest volume, which is also the largest disk that qcow2 can hold here.
pub const SIZE_GIB_MAX: u32 = 64 << 10;

/// What a volume knows of its image that is the image service's own, and so nothing that another image has from it.
const OWN: [&str; 14] = [
    "checksum",
    KEY_ID,
    KEY_DELETION_POLICY,
    "container_format",
    "disk_format",
    "image_id",
    "image_name",
    "min_disk",
    "min_ram",
    "name",
    "owner",
    "protected",
    "size",
    "visibility",
];
/// What begins so is about the bytes of one image.
const ABOUT_BYTES: [&str; 3] = ["os_glance", "img_signature", "signature_verified"];

/// A volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Its name, which need not be unique.
    pub name: Option<String>,
    /// Words about it.
    pub description: Option<String>,
    /// The project that owns it.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// Its size. It only grows.
    pub size_gib: u32,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it came into this phase.
    pub phase_since: Timestamp,
    /// Whether a host has made it, so that there is something to remove.
    pub made: bool,
    /// What went wrong, in words for the owner.
    pub fault: Option<String>,
    /// Its type.
    pub volume_type_id: VolumeTypeId,
    /// Whether a server can boot from it.
    pub bootable: bool,
    /// Whether servers must not write to it, once somebody said so.
    pub read_only: Option<bool>,
    /// The zone asked for.
    pub availability_zone: String,
    /// The image that it is a clone of.
    pub image: Option<SourceImage>,
    /// What the image said about itself.
    pub image_metadata: BTreeMap<String, String>,
    /// The owner's own words.
    pub metadata: BTreeMap<String, String>,
    /// The host whose backend has it, once one is chosen.
    pub host: Option<HostId>,
    /// The host's backend; without, the host's own default.
    #[serde(default)]
    pub backend: Option<String>,
    /// The snapshot whose content it had at first.
    #[serde(default)]
    pub from: Option<SourceSnapshot>,
    /// Whether that snapshot is held only until the volume is made, which is a clone of another volume then.
    #[serde(default)]
    pub is_clone: bool,
    /// What it was on its backend before it was managed: the name there.
    #[serde(default)]
    pub managed_from: Option<String>,
    /// Whether its bytes stay on their backend when it goes: while it is being managed, and once it is unmanaged.
    #[serde(default)]
    pub bytes_stay: bool,
    /// With what it is encrypted, if it is.
    #[serde(default)]
    pub encryption: Option<VolumeEncryption>,
    /// The backup that is put into it before it can be used.
    #[serde(default)]
    pub backup_id: Option<BackupId>,
    /// The way back to a snapshot that it is on.
    #[serde(default)]
    pub revert: Option<Revert>,
    /// The change of its type that its host has to do something for.
    #[serde(default)]
    pub retype: Option<Retype>,
    /// Its size before it was to become larger, until it is.
    #[serde(default)]
    pub size_before_gib: Option<u32>,
    /// Its group.
    #[serde(default)]
    pub group_id: Option<VolumeGroupId>,
    /// How its migration is, or how the last one ended, in Cinder's word, or in an operator's.
    #[serde(default)]
    pub migration_status: Option<String>,
    /// Whether it shares nothing any more with what it was made of, for it went to another backend.
    #[serde(default)]
    pub is_whole: bool,
    /// Whether somebody wants it gone. A phase alone does not say so, for operators set phases by hand.
    #[serde(default)]
    pub unwanted: bool,
    /// Who has it or is about to: one at a time, for both would write, unless it is for several servers.
    #[serde(default, alias = "attachment", deserialize_with = "one_or_several")]
    pub attachments: Vec<Attachment>,
    /// Whether several servers may have it at a time.
    #[serde(default)]
    pub multiattach: bool,
    /// Who is kicked when the volume becomes available or fails.
    pub watcher: Option<WorkKey>,
    /// The request that it was last changed by in a way that can fail later; messages name it.
    #[serde(default)]
    pub request_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The image that a volume is a copy-on-write clone of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceImage {
    /// The image.
    pub id: ImageId,
    /// Its disk format.
    pub format: String,
}

/// The snapshot that a volume is a copy-on-write clone of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSnapshot {
    /// The volume that it is of.
    pub volume: VolumeId,
    /// The snapshot.
    pub id: SnapshotId,
}

/// A volume's way back to a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revert {
    /// What tells this way from others.
    pub token: String,
    /// The snapshot.
    pub snapshot: SnapshotId,
}

/// A volume's way to another type on its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retype {
    /// The type that it has again if its host cannot do it.
    pub from: VolumeTypeId,
    /// Whether it comes to be for several servers.
    pub multiattach: bool,
}

/// The claim of a server on a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// The server; nothing if a client of the API reserved the volume for purposes of its own.
    pub server_id: Option<ServerId>,
    /// `/dev/vdb`.
    pub device: Option<String>,
    /// The server's host, by name.
    pub host: Option<String>,
    /// Whether compute made it, so that only compute can end it: the VM has the disk.
    pub by_compute: bool,
    /// Since when the server has it; nothing while it is only reserved.
    pub attached_at: Option<Timestamp>,
    /// When a client said from where it would use the volume.
    #[serde(default)]
    pub connected_at: Option<Timestamp>,
    /// How it is to be used, once that is said.
    #[serde(default)]
    pub mode: Option<AttachMode>,
    /// Whether the client wants to come to it on several paths.
    #[serde(default)]
    pub multipath: bool,
    /// Whether a client made it by the action of old, which shows its mode in the volume's metadata.
    #[serde(default)]
    pub by_action: bool,
    /// Who is kicked when something becomes of the volume.
    #[serde(default)]
    pub watcher: Option<WorkKey>,
}

/// What may be done with an attached volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachMode {
    /// Read and write.
    ReadWrite,
    /// Only read.
    ReadOnly,
}

impl AttachMode {
    /// As clients write it.
    pub fn name(self) -> &'static str {
        match self {
            AttachMode::ReadWrite => "rw",
            AttachMode::ReadOnly => "ro",
        }
    }

    /// The mode of this name.
    pub fn named(name: &str) -> Option<AttachMode> {
        [AttachMode::ReadWrite, AttachMode::ReadOnly].into_iter().find(|mode| mode.name() == name)
    }
}

impl Attachment {
    /// How far it is, in Cinder's words.
    pub fn status(&self) -> &'static str {
        match (self.attached_at, self.connected_at) {
            (Some(_), _) => "attached",
            (None, Some(_)) => "attaching",
            (None, None) => "reserved",
        }
    }
}

/// Where a volume is in its life.
///
/// ```text
/// Creating ──host made it──▶ Available ◀──▶ Reserved, Attaching ──▶ InUse ──▶ Detaching ──▶ Available
///    │                        │    ▲              ▲─ for one more ──┘ ▲── others have it ─┘
///    │                        │    ▲ └─extend─▶ Extending ──host grew it──▶ Available
///    │                        ├─revert─▶ Reverting ──host did it──▶ Available
///    │                        ├─retype─▶ Retyping ──host did it, or cannot──▶ Available
///    │                        ├─reimage, also from Reserved and Error─▶ Downloading ──host did it──▶ Available, Reserved
///    └──host refused──▶ Error │    └─── any refusal or overdue step: Error, ErrorExtending
///                             ├──delete──▶ Deleting ──host removed it──▶ no row; overdue: ErrorDeleting
///                             └─unmanage─▶ Unmanaging ──host left its bytes to others──▶ no row
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A host is chosen and makes it.
    Creating,
    /// It can be attached.
    Available,
    /// An attachment holds it, which nobody acts on yet.
    Reserved,
    /// It is on its way into a server.
    Attaching,
    /// A server has it.
    InUse,
    /// It is on its way out of a server.
    Detaching,
    /// Its host makes it larger.
    Extending,
    /// Its host puts it back to a snapshot.
    Reverting,
    /// It becomes one of another type.
    Retyping,
    /// An image is put into it in place of what it holds.
    Downloading,
    /// It is offered to another project.
    AwaitingTransfer,
    /// An image is made of it.
    Uploading,
    /// A backup is made of it.
    BackingUp,
    /// A backup is put back into it.
    RestoringBackup,
    /// An operator works on it.
    Maintenance,
    /// Its host removes it.
    Deleting,
    /// Its host makes what no volume is of it.
    Unmanaging,
    /// It could not be made, or an operator says so.
    Error,
    /// It could not be made larger.
    ErrorExtending,
    /// A backup could not be put back into it.
    ErrorRestoring,
    /// It could not be removed in time; it goes as soon as its host has done so.
    ErrorDeleting,
}

impl Phase {
    /// All phases.
    pub const ALL: [Phase; 21] = [
        Phase::Creating,
        Phase::Available,
        Phase::Reserved,
        Phase::Attaching,
        Phase::InUse,
        Phase::Detaching,
        Phase::Extending,
        Phase::Reverting,
        Phase::Retyping,
        Phase::Downloading,
        Phase::AwaitingTransfer,
        Phase::Uploading,
        Phase::BackingUp,
        Phase::RestoringBackup,
        Phase::Maintenance,
        Phase::Deleting,
        Phase::Unmanaging,
        Phase::Error,
        Phase::ErrorExtending,
        Phase::ErrorRestoring,
        Phase::ErrorDeleting,
    ];

    /// The status that clients see.
    pub fn status(self) -> &'static str {
        match self {
            Phase::Creating => "creating",
            Phase::Available => "available",
            Phase::Reserved => "reserved",
            Phase::Attaching => "attaching",
            Phase::InUse => "in-use",
            Phase::Detaching => "detaching",
            Phase::Extending => "extending",
            Phase::Reverting => "reverting",
            Phase::Retyping => "retyping",
            Phase::Downloading => "downloading",
            Phase::AwaitingTransfer => "awaiting-transfer",
            Phase::Uploading => "uploading",
            Phase::BackingUp => "backing-up",
            Phase::RestoringBackup => "restoring-backup",
            Phase::Maintenance => "maintenance",
            Phase::Deleting => "deleting",
            Phase::Unmanaging => "unmanaging",
            Phase::Error => "error",
            Phase::ErrorExtending => "error_extending",
            Phase::ErrorRestoring => "error_restoring",
            Phase::ErrorDeleting => "error_deleting",
        }
    }

    /// The phase of this status.
    pub fn of_status(status: &str) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| phase.status() == status)
    }

    /// Whether somebody must still do something.
    pub fn is_moving(self) -> bool {
        matches!(
            self,
            Phase::Creating
                | Phase::Extending
                | Phase::Reverting
                | Phase::Retyping
                | Phase::Deleting
                | Phase::Unmanaging
                | Phase::ErrorDeleting
        )
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.status())
    }
}

/// The attachments of a volume. Rows from before there could be several have one or none.
fn one_or_several<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<Attachment>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Held {
        Several(Vec<Attachment>),
        One(Option<Attachment>),
    }
    Ok(match Held::deserialize(from)? {
        Held::Several(all) => all,
        Held::One(one) => one.into_iter().collect(),
    })
}

impl Volume {
    /// The type that users see: on its way to another one, the one that it still is of.
    pub(crate) fn shown_type_id(&self) -> VolumeTypeId {
        self.retype.map_or(self.volume_type_id, |retype| retype.from)
    }

    /// The properties of an image that is made of it: those of the image that it was made of itself.
    pub fn image_properties(&self) -> BTreeMap<String, String> {
        let own = |key: &str| OWN.contains(&key) || ABOUT_BYTES.iter().any(|prefix| key.starts_with(prefix));
        let kept = self.image_metadata.iter().filter(|(key, _)| !own(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The attachment of this id.
    pub fn attachment(&self, id: AttachmentId) -> Option<&Attachment> {
        self.attachments.iter().find(|held| held.id == id)
    }

    /// The attachment by which compute holds it for a server.
    pub fn attachment_of(&self, server: ServerId) -> Option<&Attachment> {
        self.attachments.iter().find(|held| held.by_compute && held.server_id == Some(server))
    }

    /// How far the furthest of its attachments is, in Cinder's words.
    pub(crate) fn attach_status(&self) -> Option<&'static str> {
        let has = |status: &&str| self.attachments.iter().any(|held| held.status() == *status);
        ["attached", "attaching", "reserved"].into_iter().find(has)
    }

    /// Whether it can be deleted: nobody has it, and nothing is done to it.
    pub fn can_delete(&self) -> bool {
        let settled = matches!(
            self.phase,
            Phase::Available
                | Phase::Error
                | Phase::ErrorExtending
                | Phase::ErrorRestoring
                | Phase::ErrorDeleting
        );
        settled && self.attachments.is_empty() && self.group_id.is_none() && !self.is_migrating()
    }

    /// Whether it is on its way to another backend, or an operator says so.
    pub fn is_migrating(&self) -> bool {
        let over = |status: &str| ["deleting", "error", "success"].contains(&status);
        self.migration_status.as_deref().is_some_and(|status| !over(status))
    }

    /// Whether its host should leave its bytes to others: it is unmanaged, or could not be managed.
    pub fn is_left(&self) -> bool {
        self.bytes_stay && (self.unwanted || self.phase != Phase::Creating)
    }

    /// Whether its host should have it, which has made it.
    pub fn is_wanted(&self) -> bool {
        self.made && !self.unwanted && self.phase != Phase::Deleting
    }

    /// The phase of a volume with which nothing is done: that of the furthest of its attachments.
    pub fn idle_phase(&self) -> Phase {
        match self.attach_status() {
            None => Phase::Available,
            Some("attached") => Phase::InUse,
            Some("attaching") => Phase::Attaching,
            Some(_) => Phase::Reserved,
        }
    }

    /// Moves to another phase. Its migration ends with that, for it is only whoever migrates it that leaves it alone.
    pub(crate) fn enter(&mut self, phase: Phase, now: Timestamp) {
        if self.is_migrating() {
            self.migration_status = Some("error".to_owned());
        }
        self.phase = phase;
        self.phase_since = now;
        self.updated_at = now;
    }

    /// Records why it cannot be used.
    pub(crate) fn fail(&mut self, phase: Phase, fault: String, now: Timestamp) {
        self.fault = Some(fault);
        self.enter(phase, now);
    }

    /// Whether this phase has lasted longer than it may.
    /// How long its host may take for what is asked of it. What has no layers is copied.
    pub(crate) fn host_time_max(&self) -> Duration {
        if self.multiattach || self.retype.is_some() { COPY_TIME_MAX } else { HOST_TIME_MAX }
    }

    pub(crate) fn is_overdue(&self, now: Timestamp, limit: Duration) -> bool {
        now.since(self.phase_since) >= limit
    }
}

/// A volume that is to be created.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VolumeDraft {
    /// See [`Volume`].
    pub name: Option<String>,
    /// See [`Volume`].
    pub description: Option<String>,
    /// Its size; without, its source's.
    pub size_gib: Option<u32>,
    /// The image to clone, if any.
    pub image_id: Option<ImageId>,
    /// The snapshot to clone, if any.
    pub snapshot_id: Option<SnapshotId>,
    /// The volume to clone, if any.
    pub source_volume_id: Option<VolumeId>,
    /// The type's name or id; without, the default.
    pub volume_type: Option<String>,
    /// The zone; without, the only one.
    pub availability_zone: Option<String>,
    /// See [`Volume`].
    pub metadata: BTreeMap<String, String>,
    /// The host that must have it; without, one is chosen.
    pub host: Option<HostId>,
    /// Who is kicked when the volume becomes available or fails.
    pub watcher: Option<WorkKey>,
    /// Its group.
    pub group_id: Option<VolumeGroupId>,
    /// The backup that it is to be filled with; whoever names one has it put in.
    pub backup_id: Option<BackupId>,
}

/// What changes of a volume.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VolumeChange {
    /// Another name, or none.
    pub name: Option<Option<String>>,
    /// Other words, or none.
    pub description: Option<Option<String>>,
    /// All metadata anew.
    pub metadata: Option<BTreeMap<String, String>>,
}
