//! What an image is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use storage::{DiskFormat, StoredImage};
use types::{ImageId, ProjectId, Timestamp};

/// An upload that was not heard of for this long is over.
pub const SILENCE_MAX: Duration = Duration::from_secs(120);

/// An image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its id, which the client may choose.
    pub id: ImageId,
    /// Its name, which need not be unique.
    pub name: Option<String>,
    /// The project that owns it.
    pub owner: ProjectId,
    /// Where it is in its life.
    pub status: Status,
    /// Who sees it.
    pub visibility: Visibility,
    /// What is around the disk: `bare` almost always.
    pub container_format: Option<String>,
    /// What its bytes are.
    pub disk_format: Option<DiskFormat>,
    /// The smallest root disk that it boots from.
    pub min_disk_gib: u32,
    /// The least memory that it boots with.
    pub min_ram_mib: u32,
    /// Whether it cannot be deleted.
    pub protected: bool,
    /// Whether lists leave it out.
    pub hidden: bool,
    /// Free words to find it by.
    pub tags: BTreeSet<String>,
    /// Free properties; compute understands some (`hw_disk_bus`), Cuttle reads `os_admin_user`.
    pub properties: BTreeMap<String, String>,
    /// Size and hashes of its bytes, once it has any.
    pub stored: Option<StoredImage>,
    /// The stores that have its bytes; empty in rows from when there was only [`crate::stores::FIRST`].
    #[serde(default)]
    pub stores: Vec<String>,
    /// The upload that is under way.
    pub upload: Option<UploadClaim>,
    /// Who is kicked when it is gone.
    #[serde(default)]
    pub watcher: Option<WorkKey>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A row to look at again: a reconciler's kind and a key of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkKey {
    /// `compute::server`.
    pub kind: String,
    /// The key.
    pub id: String,
}

/// An upload that is under way, so that there is one at a time and a broken one is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadClaim {
    /// Chosen by whoever uploads.
    pub token: String,
    /// When it was last heard of.
    pub heard_at: Timestamp,
    /// Whether a node writes the bytes. Then silence says nothing: whoever told the node to ends it.
    #[serde(default)]
    pub by_node: bool,
}

/// Where an image is in its life.
///
/// ```text
/// Queued ──upload begins──▶ Saving ──all bytes stored──▶ Active ◀──▶ Deactivated
///   │▲──upload broke off──────┘                  any ──delete──▶ Deleted ──bytes removed──▶ no row
///   │└──stage broke off, import failed───────────┬──────────┐
///   ├──stage begins──▶ Uploading ──import──▶ Importing ──▶ Active
///   └──web-download────────────────────────▶ Importing
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has no bytes yet.
    Queued,
    /// Its bytes are arriving.
    Saving,
    /// Its bytes are arriving, or are there, but are not part of it before they are imported.
    Uploading,
    /// Its bytes are being imported.
    Importing,
    /// It can be used.
    Active,
    /// An operator keeps it from being used.
    Deactivated,
    /// It is to be removed; nobody sees it any more.
    Deleted,
}

impl Status {
    /// As OpenStack spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Queued => "queued",
            Status::Saving => "saving",
            Status::Uploading => "uploading",
            Status::Importing => "importing",
            Status::Active => "active",
            Status::Deactivated => "deactivated",
            Status::Deleted => "deleted",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who sees an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody, and it is in everybody's list.
    Public,
    /// Everybody who knows its id; lists show it on demand.
    Community,
    /// The owner and the projects that it was shared with.
    Shared,
    /// The owner.
    Private,
}

impl Visibility {
    /// As OpenStack spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Visibility::Public => "public",
            Visibility::Community => "community",
            Visibility::Shared => "shared",
            Visibility::Private => "private",
        }
    }
}

impl FromStr for Visibility {
    type Err = ();
    fn from_str(word: &str) -> Result<Visibility, ()> {
        let all = [Visibility::Public, Visibility::Community, Visibility::Shared, Visibility::Private];
        all.into_iter().find(|known| known.as_str() == word).ok_or(())
    }
}

/// The container formats that are known.
pub const CONTAINER_FORMATS: [&str; 8] = ["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"];

/// An image that is to be created.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageDraft {
    /// The id, if the client chose one.
    pub id: Option<ImageId>,
    /// The owner, if it is not the caller's project.
    pub owner: Option<ProjectId>,
    /// Who sees it, if not only those it is shared with.
    pub visibility: Option<Visibility>,
    /// See [`Image`].
    pub name: Option<String>,
    /// See [`Image`].
    pub container_format: Option<String>,
    /// See [`Image`].
    pub disk_format: Option<DiskFormat>,
    /// See [`Image`].
    pub min_disk_gib: u32,
    /// See [`Image`].
    pub min_ram_mib: u32,
    /// See [`Image`].
    pub protected: bool,
    /// See [`Image`].
    pub hidden: bool,
    /// See [`Image`].
    pub tags: BTreeSet<String>,
    /// See [`Image`].
    pub properties: BTreeMap<String, String>,
}

/// One change of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum ImageChange {
    /// The name, or none.
    Name(Option<String>),
    /// Who sees it.
    Visibility(Visibility),
    /// What is around the disk; only before the upload.
    ContainerFormat(Option<String>),
    /// What the bytes are; only before the upload.
    DiskFormat(Option<DiskFormat>),
    /// The smallest root disk.
    MinDisk(u32),
    /// The least memory.
    MinRam(u32),
    /// Whether it cannot be deleted.
    Protected(bool),
    /// Whether lists leave it out.
    Hidden(bool),
    /// All tags anew.
    Tags(BTreeSet<String>),
    /// Another owner.
    Owner(ProjectId),
    /// Sets a property.
    Add(String, String),
    /// Sets a property that is not there.
    New(String, String),
    /// Sets a property that is there.
    Replace(String, String),
    /// Removes a property that is there.
    Remove(String),
}

impl Image {
    /// Whether the image can be used and its bytes be read.
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    /// Whether nothing was heard of the upload for too long.
    pub fn is_upload_lost(&self, now: Timestamp) -> bool {
        self.upload.as_ref().is_none_or(|claim| !claim.by_node && now.since(claim.heard_at) > SILENCE_MAX)
    }

    /// Whether this upload is the one under way.
    pub fn is_claimed_by(&self, token: &str) -> bool {
        self.upload.as_ref().is_some_and(|claim| claim.token == token)
    }

    /// Whether a node writes its bytes, or is about to.
    pub fn is_written_by_node(&self) -> bool {
        self.upload.as_ref().is_some_and(|claim| claim.by_node)
    }

    /// Which formats are not known yet, for an upload needs both.
    pub fn missing_formats(&self) -> Vec<&'static str> {
        let disk = self.disk_format.is_none().then_some("disk_format");
        let container = self.container_format.is_none().then_some("container_format");
        disk.into_iter().chain(container).collect()
    }

    /// Size and hashes, once its bytes are part of it: not while they are staged.
    pub fn content(&self) -> Option<&StoredImage> {
        match self.status {
            Status::Active | Status::Deactivated => self.stored.as_ref(),
            Status::Queued | Status::Saving | Status::Uploading | Status::Importing | Status::Deleted => None,
        }
    }

    /// The stores that have its content, the one to read from first.
    pub fn places(&self) -> Vec<String> {
        match self.content() {
            None => Vec::new(),
            Some(_) if self.stores.is_empty() => vec![crate::stores::FIRST.to_owned()],
            Some(_) => self.stores.clone(),
        }
    }

    /// Whether its bytes are on their way, or are there before it takes them.
    pub fn is_filling(&self) -> bool {
        match self.status {
            Status::Saving | Status::Uploading | Status::Importing => true,
            Status::Queued | Status::Active | Status::Deactivated | Status::Deleted => false,
        }
    }

    /// How large a disk made of it is.
    pub fn virtual_size_bytes(&self) -> Option<u64> {
        self.content().map(|stored| stored.virtual_size_bytes)
    }
}
