//! What a message is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{MessageId, ProjectId, Timestamp};

/// How long a message stays.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Something that users are told, with Cinder's number for it.
macro_rules! told {
    ($(#[$doc:meta])* $name:ident { $($(#[$one:meta])* $variant:ident = $id:literal, $words:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$one])* $variant,)* }

        impl $name {
            /// Cinder's number for it.
            pub fn id(self) -> &'static str {
                match self { $($name::$variant => $id,)* }
            }

            /// It in words.
            pub fn words(self) -> &'static str {
                match self { $($name::$variant => $words,)* }
            }
        }
    };
}

told! {
    /// What was being done.
    Action {
        /// A backend is chosen for a volume.
        ScheduleAllocateVolume = "001", "schedule allocate volume";
        /// A server gets a volume.
        AttachVolume = "002", "attach volume";
        /// An image is made of a volume.
        CopyVolumeToImage = "003", "copy volume to image";
        /// An attachment gets a host.
        UpdateAttachment = "004", "update attachment";
        /// A volume is made of an image.
        CopyImageToVolume = "005", "copy image to volume";
        /// A volume is left to others.
        UnmanageVolume = "006", "unmanage volume";
        /// A volume is made larger.
        ExtendVolume = "007", "extend volume";
        /// A backend makes a volume.
        CreateVolumeFromBackend = "008", "create volume from backend storage";
        /// A snapshot is made.
        SnapshotCreate = "009", "create snapshot";
        /// A snapshot is removed.
        SnapshotDelete = "010", "delete snapshot";
        /// A snapshot changes.
        SnapshotUpdate = "011", "update snapshot";
        /// What is said of a snapshot changes.
        SnapshotMetadataUpdate = "012", "update snapshot metadata";
        /// A backup is made.
        BackupCreate = "013", "create backup";
        /// A backup is removed.
        BackupDelete = "014", "delete backup";
        /// A backup is put back.
        BackupRestore = "015", "restore backup";
        /// A volume gets the bytes of another image.
        ReimageVolume = "016", "reimage volume";
    }
}

told! {
    /// What became of it.
    Detail {
        /// Nobody knows.
        UnknownError = "001", "An unknown error occurred.";
        /// The backend is not there yet.
        DriverNotInitialized = "002", "Driver is not initialized at present.";
        /// No backend can have it.
        NoBackendAvailable = "003", "Could not find any available weighted backend.";
        /// The image was not made.
        FailedToUploadVolume = "004", "Failed to upload volume to image at backend.";
        /// It can only be read.
        VolumeAttachModeInvalid = "005", "Volume's attach mode is invalid.";
        /// It is more than is allowed.
        QuotaExceed = "006", "Not enough quota resource for operation.";
        /// The image is too large.
        NotEnoughSpaceForImage = "007", "Image used for creating volume exceeds available space.";
        /// It is encrypted and cannot be left to others.
        UnmanageEncNotSupported = "008", "Unmanaging encrypted volumes is not supported.";
        /// The server did not notice that it grew.
        NotifyComputeServiceFailed = "009", "Compute service failed to extend volume.";
        /// It did not grow.
        DriverFailedExtend = "010", "Volume Driver failed to extend volume.";
        /// The image is not signed as it says.
        SignatureVerificationFailed = "011", "Image signature verification failed.";
        /// It was not made.
        DriverFailedCreate = "012", "Driver failed to create the volume.";
        /// The snapshot was not made.
        SnapshotCreateError = "013", "Snapshot failed to create.";
        /// What is said of the snapshot did not change.
        SnapshotUpdateMetadataFailed = "014", "Volume snapshot update metadata failed.";
        /// The snapshot is in use.
        SnapshotIsBusy = "015", "Snapshot is busy.";
        /// The snapshot was not removed.
        SnapshotDeleteError = "016", "Snapshot failed to delete.";
        /// The backup is not in a state for it.
        BackupInvalidState = "017", "Backup status is invalid.";
        /// Nobody makes backups.
        BackupServiceDown = "018", "Backup service is down.";
        /// The volume could not be read.
        BackupCreateDeviceError = "019", "Failed to get backup device from the volume service.";
        /// The backup was not made.
        BackupCreateDriverError = "020", "Backup driver failed to create backup.";
        /// The server did not get it.
        AttachError = "021", "Failed to attach volume.";
        /// The server did not give it back.
        DetachError = "022", "Failed to detach volume.";
        /// What the backup was made by is still there.
        BackupCreateCleanupError = "023", "Cleanup of temporary volume/snapshot failed.";
        /// Nobody could be found to make the backup.
        BackupScheduleError = "024", "Backup failed to schedule. Service not found for creating backup.";
        /// The backup was not removed.
        BackupDeleteDriverError = "025", "Backup driver failed to delete backup.";
        /// The backup was not put back.
        BackupRestoreError = "026", "Backup driver failed to restore backup.";
        /// The volume is not in a state for it.
        VolumeInvalidState = "027", "Volume status is invalid.";
        /// The volume did not get the bytes of the other image.
        ReimageVolumeFailed = "028", "Compute service failed to reimage volume.";
        /// The image is not in the format that the type wants.
        ImageFormatUnacceptable = "029", "The image disk format must be the same as the volume format for the volume type you are requesting.";
        /// There was nothing to add to, so that the backup is a whole one.
        IncrementalBackupForcesFullBackup = "030", "Incremental backup not possible, forcing full backup.";
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// Good to know.
    Info,
    /// It went on, otherwise than asked for.
    Warning,
    /// It failed.
    Error,
}

impl Level {
    /// As clients read it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        }
    }
}

/// What kind of thing a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Subject {
    /// A volume.
    Volume,
    /// A snapshot of one.
    VolumeSnapshot,
    /// A backup of one.
    VolumeBackup,
}

impl Subject {
    /// As clients read it.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Volume => "VOLUME",
            Subject::VolumeSnapshot => "VOLUME_SNAPSHOT",
            Subject::VolumeBackup => "VOLUME_BACKUP",
        }
    }
}

/// A message that is to be left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Whose users read it.
    pub project_id: ProjectId,
    /// The request that it follows from, if that is known.
    pub request_id: Option<String>,
    /// What was being done.
    pub action: Action,
    /// What became of it.
    pub detail: Detail,
    /// What kind of thing it was done to.
    pub subject: Subject,
    /// And to which.
    pub subject_id: Option<String>,
    /// How bad it is.
    pub level: Level,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// What it says.
    #[serde(flatten)]
    pub said: NewMessage,
    /// When it was left.
    pub created_at: Timestamp,
    /// When it goes.
    pub expires_at: Timestamp,
}

impl Message {
    /// The kind of event, in one word for programs.
    pub fn event_id(&self) -> String {
        let said = &self.said;
        format!("VOLUME_{}_{}_{}", said.subject.name(), said.action.id(), said.detail.id())
    }

    /// The same in words for people.
    pub fn text(&self) -> String {
        format!("{}:{}", self.said.action.words(), self.said.detail.words())
    }
}
