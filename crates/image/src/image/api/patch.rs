//! JSON patches of images, in the two spellings that Glance has had.

use rest::{InvalidBody, Request};
use serde_json::{Map, Value as Json};

use super::{body, invalid};
use crate::error::Error;
use crate::image::ImageChange;

/// The media type of a patch whose operations are `{"op", "path", "value"}`.
const CURRENT: &str = "application/openstack-images-v2.1-json-patch";
/// The older one, `{"replace": path, "value"}`.
const OLDER: &str = "application/openstack-images-v2.0-json-patch";

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

/// Fields that every image has, so that they can be changed but not removed.
const BASE: [&str; 11] = [
    "id",
    "name",
    "container_format",
    "disk_format",
    "min_disk",
    "min_ram",
    "tags",
    "owner",
    "visibility",
    "protected",
    "os_hidden",
];

/// Reads the body of a PATCH.
pub(super) fn changes(request: &Request) -> Result<Vec<ImageChange>, Error> {
    let media = request.header("content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let older = match media {
        CURRENT => false,
        OLDER => true,
        other => {
            let text = format!("Unexpected content type {other}: a patch is of type {CURRENT}.");
            return Err(Error::MediaType(text));
        }
    };
    let json = request.json().map_err(|e| invalid(&e))?;
    let Json::Array(operations) = json else {
        return Err(Error::Invalid("Request body must be a JSON array of operation objects.".to_owned()));
    };
    operations.iter().map(|operation| change(operation, older)).collect()
}

fn change(operation: &Json, older: bool) -> Result<ImageChange, Error> {
    let Json::Object(fields) = operation else {
        return Err(Error::Invalid("Operations must be JSON objects.".to_owned()));
    };
    let (op, path) = if older { older_operation(fields)? } else { operation_of(fields)? };
    let name = field(&path)?;
    let known = name.as_str();
    if body::READ_ONLY.contains(&known) || known == "id" {
        return Err(Error::Forbidden(format!("Attribute '{name}' is read-only.")));
    }
    if body::RESERVED.contains(&known) {
        return Err(Error::Forbidden(format!("Attribute '{name}' is reserved.")));
    }
    if op == Op::Remove {
        return match BASE.contains(&known) {
            true => Err(Error::Forbidden(format!("Property {name} may not be removed."))),
            false => Ok(ImageChange::Remove(name)),
        };
    }
    let value = fields.get("value").ok_or_else(|| {
        Error::Invalid("Operation objects must contain a \"value\" member unless they remove.".to_owned())
    })?;
    set(op, &name, value).map_err(|e| invalid(&e))
}

fn set(op: Op, name: &str, value: &Json) -> Result<ImageChange, InvalidBody> {
    Ok(match name {
        "name" => ImageChange::Name(body::name(value)?),
        "container_format" => ImageChange::ContainerFormat(body::container_format(value)?),
        "disk_format" => ImageChange::DiskFormat(body::disk_format(value)?),
        "min_disk" => ImageChange::MinDisk(body::minimum(name, value)?),
        "min_ram" => ImageChange::MinRam(body::minimum(name, value)?),
        "tags" => ImageChange::Tags(body::tags(value)?),
        "visibility" => ImageChange::Visibility(body::visibility(value)?),
        "protected" => ImageChange::Protected(body::flag(name, value)?),
        "os_hidden" => ImageChange::Hidden(body::flag(name, value)?),
        "owner" => {
            let owner = body::short(name, value)?.filter(|owner| !owner.is_empty());
            let owner = owner.ok_or_else(|| InvalidBody::at(name, "is not a project's id"))?;
            ImageChange::Owner(owner.as_str().into())
        }
        _ if op == Op::Replace => ImageChange::Replace(name.to_owned(), body::property(name, value)?),
        _ => ImageChange::Add(name.to_owned(), body::property(name, value)?),
    })
}

fn operation_of(fields: &Map<String, Json>) -> Result<(Op, String), Error> {
    let text = |name: &str| fields.get(name).and_then(Json::as_str);
    let op = match text("op") {
        Some("add") => Op::Add,
        Some("replace") => Op::Replace,
        Some("remove") => Op::Remove,
        Some(_) | None => {
            let text = "Operations must be one of \"add\", \"replace\", \"remove\".";
            return Err(Error::Invalid(text.to_owned()));
        }
    };
    let path = text("path")
        .ok_or_else(|| Error::Invalid("Operation objects must contain a \"path\" member.".to_owned()))?;
    Ok((op, path.to_owned()))
}

fn older_operation(fields: &Map<String, Json>) -> Result<(Op, String), Error> {
    let ops = [("add", Op::Add), ("replace", Op::Replace), ("remove", Op::Remove)];
    let mut found =
        ops.iter().filter_map(|(name, op)| fields.get(*name).and_then(Json::as_str).map(|path| (*op, path)));
    match (found.next(), found.next()) {
        (Some((op, path)), None) => Ok((op, path.to_owned())),
        _ => {
            let text = "Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".";
            Err(Error::Invalid(text.to_owned()))
        }
    }
}

/// The field that a JSON pointer names. No field of an image has parts that could be changed alone.
fn field(path: &str) -> Result<String, Error> {
    let Some(name) = path.strip_prefix('/') else {
        return Err(Error::Invalid(format!("Pointer `{path}` does not start with \"/\".")));
    };
    if name.is_empty() || name.contains('/') {
        return Err(Error::Invalid(format!("Invalid JSON pointer for this resource: '{path}'")));
    }
    let unescaped = name.replace("~1", "/").replace("~0", "~");
    if name.matches('~').count() != name.matches("~0").count() + name.matches("~1").count() {
        return Err(Error::Invalid(format!(
            "Pointer `{path}` contains \"~\" not part of a recognized escape."
        )));
    }
    Ok(unescaped)
}
