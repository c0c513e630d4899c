//! An image as clients see it.

use std::collections::{BTreeMap, BTreeSet};

use policy::Caller;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use types::{ImageId, ProjectId};

use crate::image::{Image, ops};

/// An image: its properties beside the fields that every image has. There may be a thousand in a list, so each is
/// written straight from its row.
#[derive(Serialize)]
pub(super) struct View<'i> {
    id: ImageId,
    name: Option<&'i str>,
    owner: &'i ProjectId,
    status: &'static str,
    visibility: &'static str,
    container_format: Option<&'i str>,
    disk_format: Option<&'static str>,
    size: Option<u64>,
    virtual_size: Option<u64>,
    checksum: Option<&'i str>,
    os_hash_algo: Option<&'static str>,
    os_hash_value: Option<&'i str>,
    min_disk: u32,
    min_ram: u32,
    protected: bool,
    os_hidden: bool,
    tags: &'i BTreeSet<String>,
    created_at: String,
    updated_at: String,
    #[serde(rename = "self")]
    own: String,
    file: String,
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stores: Option<String>,
    #[serde(flatten)]
    properties: Properties<'i>,
}

/// The fields of [`View`], which no property can stand in for.
const OWN: [&str; 23] = [
    "id",
    "name",
    "owner",
    "status",
    "visibility",
    "container_format",
    "disk_format",
    "size",
    "virtual_size",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "min_disk",
    "min_ram",
    "protected",
    "os_hidden",
    "tags",
    "created_at",
    "updated_at",
    "self",
    "file",
    "schema",
    "stores",
];

struct Properties<'i>(&'i BTreeMap<String, String>);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0 {
            if !OWN.contains(&key.as_str()) {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

/// An image as a caller sees it.
pub(super) fn image<'i>(caller: &Caller, image: &'i Image) -> View<'i> {
    let stored = image.content();
    let places = ops::places(caller, image);
    let own = format!("/v2/images/{}", image.id);
    View {
        id: image.id,
        name: image.name.as_deref(),
        owner: &image.owner,
        status: image.status.as_str(),
        visibility: image.visibility.as_str(),
        container_format: image.container_format.as_deref(),
        disk_format: image.disk_format.map(|format| format.as_str()),
        size: image.stored.as_ref().map(|stored| stored.size_bytes),
        virtual_size: image.virtual_size_bytes(),
        checksum: stored.map(|stored| stored.md5.as_str()),
        os_hash_algo: stored.map(|_| "sha512"),
        os_hash_value: stored.map(|stored| stored.sha512.as_str()),
        min_disk: image.min_disk_gib,
        min_ram: image.min_ram_mib,
        protected: image.protected,
        os_hidden: image.hidden,
        tags: &image.tags,
        created_at: image.created_at.iso_z(),
        updated_at: image.updated_at.iso_z(),
        file: format!("{own}/file"),
        own,
        schema: "/v2/schemas/image",
        stores: (!places.is_empty()).then(|| places.join(",")),
        properties: Properties(&image.properties),
    }
}

/// A list of images, and where its first and its next page are.
#[derive(Serialize)]
pub(super) struct List<'i> {
    pub(super) images: Vec<View<'i>>,
    pub(super) schema: &'static str,
    pub(super) first: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}
