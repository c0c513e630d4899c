//! An image as clients see it.

use serde_json::{Map, Value as Json, json};

use crate::image::Image;

/// An image: its properties beside the fields that every image has.
pub(super) fn image(image: &Image) -> Json {
    let stored = image.content();
    let own = json!({
        "id": image.id,
        "name": image.name,
        "owner": image.owner,
        "status": image.status.as_str(),
        "visibility": image.visibility.as_str(),
        "container_format": image.container_format,
        "disk_format": image.disk_format.map(|format| format.as_str()),
        "size": image.stored.as_ref().map(|stored| stored.size_bytes),
        "virtual_size": image.virtual_size_bytes(),
        "checksum": stored.map(|stored| stored.md5.as_str()),
        "os_hash_algo": stored.map(|_| "sha512"),
        "os_hash_value": stored.map(|stored| stored.sha512.as_str()),
        "min_disk": image.min_disk_gib,
        "min_ram": image.min_ram_mib,
        "protected": image.protected,
        "os_hidden": image.hidden,
        "tags": image.tags,
        "created_at": image.created_at.iso_z(),
        "updated_at": image.updated_at.iso_z(),
        "self": format!("/v2/images/{}", image.id),
        "file": format!("/v2/images/{}/file", image.id),
        "schema": "/v2/schemas/image",
    });
    let properties = image.properties.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
    let mut all: Map<String, Json> = properties.collect();
    if let Json::Object(own) = own {
        all.extend(own);
    }
    let places = image.places();
    if !places.is_empty() {
        all.insert("stores".to_owned(), places.join(",").into());
    }
    Json::Object(all)
}
