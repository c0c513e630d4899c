//! The body of a creation, and the rules for single values that creations and patches share.

use std::collections::{BTreeMap, BTreeSet};

use rest::{Fields, InvalidBody, Request};
use serde_json::Value as Json;
use storage::DiskFormat;

use super::invalid;
use crate::error::Error;
use crate::image::{CONTAINER_FORMATS, ImageDraft, Visibility};

/// What the service alone sets.
pub(super) const READ_ONLY: [&str; 13] = [
    "created_at",
    "updated_at",
    "status",
    "checksum",
    "size",
    "virtual_size",
    "direct_url",
    "self",
    "file",
    "schema",
    "os_hash_algo",
    "os_hash_value",
    "stores",
];
/// Words that are no properties.
const RESERVED: [&str; 3] = ["location", "deleted", "deleted_at"];
/// What begins so is the service's own.
const RESERVED_PREFIX: &str = "os_glance";
/// The longest name, tag and key of a property.
const NAME_CHARS_MAX: usize = 255;
/// The longest value of a property.
const VALUE_BYTES_MAX: usize = 65_535;
/// The largest `min_disk` and `min_ram`.
const MIN_MAX: i64 = 2_147_483_647;

/// Reads the body of a creation.
pub(super) fn draft(request: &Request) -> Result<ImageDraft, Error> {
    draft_of(request.json().map_err(|e| invalid(&e))?)
}

/// Reads what is said of an image that is to be created.
pub(crate) fn draft_of(json: Json) -> Result<ImageDraft, Error> {
    let mut fields =
        Fields::new("", json).map_err(|_| invalid(&InvalidBody::at("", "it is not an object")))?;
    if let Some(name) = READ_ONLY.iter().find(|name| fields.has(name)) {
        return Err(Error::Forbidden(format!("Attribute '{name}' is read-only.")));
    }
    if fields.has("locations") {
        return Err(Error::Forbidden("Attribute 'locations' is reserved.".to_owned()));
    }
    if let Some(name) = fields.left().iter().find(|name| is_reserved(name)) {
        return Err(Error::Forbidden(format!("Attribute '{name}' is reserved.")));
    }
    let mut draft = known(&mut fields).map_err(|e| invalid(&e))?;
    draft.properties = properties(fields).map_err(|e| invalid(&e))?;
    Ok(draft)
}

/// Whether a name is none that a client may give to a property.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX)
}

fn known(fields: &mut Fields) -> Result<ImageDraft, InvalidBody> {
    let mut take = |name: &str| fields.take(name);
    let mut draft = ImageDraft::default();
    if let Some(value) = take("id") {
        let id = value.as_str().and_then(|text| text.parse().ok());
        draft.id = Some(id.ok_or_else(|| InvalidBody::at("id", "is not a UUID"))?);
    }
    if let Some(value) = take("name") {
        draft.name = name(&value)?;
    }
    if let Some(value) = take("owner") {
        draft.owner = short("owner", &value)?.map(|owner| owner.as_str().into());
    }
    if let Some(value) = take("visibility") {
        draft.visibility = Some(visibility(&value)?);
    }
    if let Some(value) = take("container_format") {
        draft.container_format = container_format(&value)?;
    }
    if let Some(value) = take("disk_format") {
        draft.disk_format = disk_format(&value)?;
    }
    if let Some(value) = take("min_disk") {
        draft.min_disk_gib = minimum("min_disk", &value)?;
    }
    if let Some(value) = take("min_ram") {
        draft.min_ram_mib = minimum("min_ram", &value)?;
    }
    if let Some(value) = take("protected") {
        draft.protected = flag("protected", &value)?;
    }
    if let Some(value) = take("os_hidden") {
        draft.hidden = flag("os_hidden", &value)?;
    }
    if let Some(value) = take("tags") {
        draft.tags = tags(&value)?;
    }
    Ok(draft)
}

fn properties(left: Fields) -> Result<BTreeMap<String, String>, InvalidBody> {
    left.into_left()
        .into_iter()
        .map(|(key, value)| property(&key, &value).map(|value| (key, value)))
        .collect()
}

/// The value of a property, whose key is checked too.
pub(super) fn property(key: &str, value: &Json) -> Result<String, InvalidBody> {
    if key.is_empty() || key.chars().count() > NAME_CHARS_MAX {
        return Err(InvalidBody::at(key, "is not a property's name of 1 to 255 characters"));
    }
    match value {
        Json::String(text) if text.len() <= VALUE_BYTES_MAX => Ok(text.clone()),
        Json::String(_) => Err(InvalidBody::at(key, "is longer than 65535 bytes")),
        other => Err(InvalidBody::at(key, format!("is not of type 'string': {other}"))),
    }
}

/// A name, or none.
pub(super) fn name(value: &Json) -> Result<Option<String>, InvalidBody> {
    short("name", value)
}

/// Text of at most 255 characters, or null.
pub(super) fn short(field: &str, value: &Json) -> Result<Option<String>, InvalidBody> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) if text.chars().count() <= NAME_CHARS_MAX => Ok(Some(text.clone())),
        Json::String(_) => Err(InvalidBody::at(field, "is longer than 255 characters")),
        _ => Err(InvalidBody::at(field, "is not a string")),
    }
}

/// Who sees it.
pub(super) fn visibility(value: &Json) -> Result<Visibility, InvalidBody> {
    let known = value.as_str().and_then(|word| word.parse().ok());
    known.ok_or_else(|| {
        InvalidBody::at("visibility", format!("is not one of public, community, shared, private: {value}"))
    })
}

/// A container format, or null.
pub(super) fn container_format(value: &Json) -> Result<Option<String>, InvalidBody> {
    match value {
        Json::Null => Ok(None),
        Json::String(word) if CONTAINER_FORMATS.contains(&word.as_str()) => Ok(Some(word.clone())),
        _ => Err(InvalidBody::at(
            "container_format",
            format!("is not one of {}: {value}", CONTAINER_FORMATS.join(", ")),
        )),
    }
}

/// A disk format, or null.
pub(super) fn disk_format(value: &Json) -> Result<Option<DiskFormat>, InvalidBody> {
    if value.is_null() {
        return Ok(None);
    }
    let known = value.as_str().and_then(|word| word.parse().ok());
    let names: Vec<&str> = storage::inspect::DISK_FORMATS.iter().map(|format| format.as_str()).collect();
    let unknown = || InvalidBody::at("disk_format", format!("is not one of {}: {value}", names.join(", ")));
    known.map(Some).ok_or_else(unknown)
}

/// A number of at least 0.
pub(super) fn minimum(field: &str, value: &Json) -> Result<u32, InvalidBody> {
    let number = value.as_i64().filter(|n| (0..=MIN_MAX).contains(n)).and_then(|n| u32::try_from(n).ok());
    number
        .ok_or_else(|| InvalidBody::at(field, format!("is not a whole number from 0 to {MIN_MAX}: {value}")))
}

/// True or false, and nothing like it.
pub(super) fn flag(field: &str, value: &Json) -> Result<bool, InvalidBody> {
    value.as_bool().ok_or_else(|| InvalidBody::at(field, format!("is not of type 'boolean': {value}")))
}

/// A list of tags; what is there twice counts once.
pub(super) fn tags(value: &Json) -> Result<BTreeSet<String>, InvalidBody> {
    let list = value.as_array().ok_or_else(|| InvalidBody::at("tags", "is not a list"))?;
    let text = |item: &Json| short("tags", item)?.ok_or_else(|| InvalidBody::at("tags", "has a null in it"));
    list.iter().map(text).collect()
}

/// A tag in a path.
pub(super) fn tag(text: &str) -> Result<String, Error> {
    if text.chars().count() > NAME_CHARS_MAX {
        return Err(Error::Invalid("A tag has at most 255 characters.".to_owned()));
    }
    Ok(text.to_owned())
}
