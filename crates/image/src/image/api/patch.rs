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
        _ => {
            let text = format!("Image PATCH expects Content-Type one of: {OLDER}, {CURRENT}");
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
    let parts = pointer(&path)?;
    let name = parts.first().cloned().unwrap_or_default();
    let known = name.as_str();
    let deep = if known == "locations" && op != Op::Replace { 2 } else { 1 };
    if parts.len() != deep {
        return Err(Error::Invalid(format!(
            "Invalid JSON pointer for this resource: '/{}'",
            parts.join("/")
        )));
    }
    let value = match fields.get("value") {
        None if op != Op::Remove => {
            let text = format!("Operation \"{}\" requires a member named \"value\".", op.word());
            return Err(Error::Invalid(text));
        }
        value => value,
    };
    if body::READ_ONLY.contains(&known) || known == "id" {
        return Err(Error::Forbidden(format!("Attribute '{name}' is read-only.")));
    }
    if body::is_reserved(known) {
        return Err(Error::Forbidden(format!("Attribute '{name}' is reserved.")));
    }
    if known == "locations" {
        // Where bytes are is not shown here, so it is not changed here either.
        let verb = if op == Op::Replace { "update" } else { op.word() };
        let text = format!("It's not allowed to {verb} locations if locations are invisible.");
        return Err(Error::Forbidden(text));
    }
    let Some(value) = value.filter(|_| op != Op::Remove) else {
        return match BASE.contains(&known) {
            true => Err(Error::Forbidden(format!("Property {name} may not be removed."))),
            false => Ok(ImageChange::Remove(name)),
        };
    };
    match (set(op, &name, value).map_err(|e| invalid(&e))?, older) {
        (ImageChange::Add(key, value), true) => Ok(ImageChange::New(key, value)),
        // What every image has is always there already.
        (change, true) if op == Op::Add && !matches!(change, ImageChange::Add(..)) => {
            Err(Error::Conflict(format!("Property {name} already present.")))
        }
        (change, _) => Ok(change),
    }
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

impl Op {
    fn word(self) -> &'static str {
        match self {
            Op::Add => "add",
            Op::Replace => "replace",
            Op::Remove => "remove",
        }
    }
}

const OPS: [Op; 3] = [Op::Add, Op::Replace, Op::Remove];
/// The operations as they are listed to clients.
const OPS_LISTED: &str = "add, remove, replace";

fn operation_of(fields: &Map<String, Json>) -> Result<(Op, String), Error> {
    let Some(word) = fields.get("op").filter(|op| !op.is_null()) else {
        let text = format!(
            "Unable to find `op` in JSON Schema change. It must be one of the following: {OPS_LISTED}."
        );
        return Err(Error::Invalid(text));
    };
    let op = OPS.into_iter().find(|op| word.as_str() == Some(op.word())).ok_or_else(|| {
        let said = word.as_str().map_or_else(|| word.to_string(), str::to_owned);
        Error::Invalid(format!("Invalid operation: `{said}`. It must be one of the following: {OPS_LISTED}."))
    })?;
    let missing = || Error::Invalid("Unable to find 'path' in JSON Schema change".to_owned());
    Ok((op, fields.get("path").and_then(Json::as_str).ok_or_else(missing)?.to_owned()))
}

fn older_operation(fields: &Map<String, Json>) -> Result<(Op, String), Error> {
    let mut found = OPS.into_iter().filter(|op| fields.contains_key(op.word()));
    let (op, more) = (found.next(), found.next());
    if more.is_some() {
        let text =
            "Operation objects must contain only one member named \"add\", \"remove\", or \"replace\".";
        return Err(Error::Invalid(text.to_owned()));
    }
    let path = op.and_then(|op| Some((op, fields.get(op.word())?.as_str()?.to_owned())));
    path.ok_or_else(|| {
        let text =
            "Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".";
        Error::Invalid(text.to_owned())
    })
}

/// The parts of a JSON pointer, in the narrow form that Glance takes.
fn pointer(path: &str) -> Result<Vec<String>, Error> {
    let refused = |why: &str| Err(Error::Invalid(format!("Pointer `{path}` {why}")));
    let Some(rest) = path.strip_prefix('/') else {
        return refused("does not start with \"/\".");
    };
    let parts: Vec<&str> = rest.split('/').collect();
    if parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| part.trim().is_empty()) {
        return refused("contains adjacent \"/\".");
    }
    if path.len() > 1 && path.ends_with('/') {
        return refused("end with \"/\".");
    }
    if path.matches('~').count() != path.matches("~0").count() + path.matches("~1").count() {
        return refused("contains \"~\" not part of a recognized escape sequence.");
    }
    Ok(parts.iter().map(|part| part.replace("~1", "/").replace("~0", "~").trim().to_owned()).collect())
}
