//! JSON schemas of what the service answers, by which clients check and lay out what they show.

use rest::{Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;

use crate::error::Error;
use crate::image::CONTAINER_FORMATS;
use crate::metadef;

const UUID: &str = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$";

/// The routes of schemas.
pub(crate) fn routes() -> Routes {
    Routes::new().get("/v2/schemas/{name}", show).get("/v2/schemas/metadefs/{name}", show_metadef)
}

fn show(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let schema = match request.param("name") {
        "image" => image(),
        "images" => list("images", &image()),
        "member" => member(),
        "members" => list("members", &member()),
        "task" => json!({"name": "task", "properties": task(false)}),
        "tasks" => list("tasks", &json!({"name": "task", "properties": task(true)})),
        _ => return Err(unknown()),
    };
    Ok(Reply::ok(schema))
}

fn show_metadef(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    metadef::schema::named(request.param("name")).map(Reply::ok).ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::NoSuch("The resource could not be found.".to_owned())
}

fn text(max: u32, description: &str) -> Json {
    json!({"type": ["null", "string"], "maxLength": max, "description": description})
}

fn fixed(kind: &str, description: &str) -> Json {
    let kinds = if kind == "string" { json!("string") } else { json!(["null", kind]) };
    json!({"type": kinds, "readOnly": true, "description": description})
}

fn minimum(description: &str) -> Json {
    json!({"type": "integer", "description": description})
}

fn flag(description: &str) -> Json {
    json!({"type": "boolean", "description": description})
}

fn one_of(values: &[&str], nullable: bool, description: &str) -> Json {
    let words = values.iter().map(|value| Json::from(*value));
    if nullable {
        let values: Vec<Json> = [Json::Null].into_iter().chain(words).collect();
        json!({"type": ["null", "string"], "enum": values, "description": description})
    } else {
        json!({"type": "string", "enum": words.collect::<Vec<_>>(), "description": description})
    }
}

fn image() -> Json {
    let disk_formats: Vec<&str> =
        storage::inspect::DISK_FORMATS.iter().map(|format| format.as_str()).collect();
    let properties = json!({
        "id": {"type": "string", "pattern": UUID, "description": "The image's id"},
        "name": text(255, "A name for people"),
        "status": {
            "type": "string", "readOnly": true, "description": "Where the image is in its life",
            "enum": ["queued", "saving", "active", "killed", "deleted", "uploading", "importing",
                     "pending_delete", "deactivated"],
        },
        "visibility": one_of(&["community", "public", "private", "shared"], false, "Who sees the image"),
        "protected": flag("Whether the image cannot be deleted"),
        "os_hidden": flag("Whether lists leave the image out"),
        "checksum": {"type": ["null", "string"], "readOnly": true, "maxLength": 32,
                     "description": "MD5 of the bytes"},
        "os_hash_algo": {"type": ["null", "string"], "readOnly": true, "maxLength": 64,
                         "description": "How os_hash_value was computed"},
        "os_hash_value": {"type": ["null", "string"], "readOnly": true, "maxLength": 128,
                          "description": "A hash of the bytes"},
        "owner": text(255, "The project that owns the image"),
        "size": fixed("integer", "How many bytes the image has"),
        "virtual_size": fixed("integer", "How many bytes the disk in the image has"),
        "container_format": one_of(&CONTAINER_FORMATS, true, "What is around the disk"),
        "disk_format": one_of(&disk_formats, true, "What the bytes are"),
        "created_at": fixed("string", "When the image was created"),
        "updated_at": fixed("string", "When the image last changed"),
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 255},
                 "description": "Words to find the image by"},
        "direct_url": fixed("string", "Where the bytes are kept"),
        "min_ram": minimum("The least memory in MB that the image boots with"),
        "min_disk": minimum("The smallest disk in GB that the image boots from"),
        "self": fixed("string", "A link to the image"),
        "file": fixed("string", "A link to the image's bytes"),
        "stores": fixed("string", "The stores that have the bytes, separated by commas"),
        "schema": fixed("string", "A link to this schema"),
        "locations": {"type": "array", "items": location(), "description": "Where the bytes are kept"},
    });
    json!({
        "name": "image",
        "properties": properties,
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    })
}

fn location() -> Json {
    json!({
        "type": "object",
        "properties": {
            "url": {"type": "string", "maxLength": 255},
            "metadata": {"type": "object"},
            "validation_data": {
                "type": "object",
                "writeOnly": true,
                "additionalProperties": false,
                "description": "What is known of the bytes there",
                "properties": {
                    "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
                    "os_hash_algo": {"type": "string", "maxLength": 64},
                    "os_hash_value": {"type": "string", "maxLength": 128},
                },
                "required": ["os_hash_algo", "os_hash_value"],
            },
        },
        "required": ["url", "metadata"],
    })
}

fn member() -> Json {
    json!({
        "name": "member",
        "properties": {
            "created_at": {"type": "string", "description": "When the image was shared"},
            "image_id": {"type": "string", "pattern": UUID, "description": "The image"},
            "member_id": {"type": "string", "description": "The project it is shared with"},
            "schema": {"type": "string", "readOnly": true},
            "status": one_of(&["pending", "accepted", "rejected"], false, "What the project thinks of it"),
            "updated_at": {"type": "string", "description": "When the status last changed"},
        },
    })
}

/// A task; in a list some of it is left out.
fn task(listed: bool) -> Json {
    let mut properties = json!({
        "id": {"type": "string", "pattern": UUID, "description": "The task's id"},
        "type": {"type": "string", "enum": ["import", "api_image_import", "location_import"],
                 "description": "What the task does"},
        "status": {"type": "string", "enum": ["pending", "processing", "success", "failure"],
                   "description": "Where the task is"},
        "owner": {"type": "string", "description": "The project that asked for the task"},
        "image_id": {"type": "string", "description": "The image that the task is about"},
        "request_id": {"type": "string", "description": "The request that asked for the task"},
        "user_id": {"type": "string", "description": "The user who asked for the task"},
        "expires_at": {"type": ["null", "string"], "description": "When the task is forgotten"},
        "created_at": {"type": "string", "description": "When the task was asked for"},
        "updated_at": {"type": "string", "description": "When the task last changed"},
        "self": {"type": "string", "readOnly": true},
        "schema": {"type": "string", "readOnly": true},
    });
    if !listed {
        properties["input"] = json!({"type": ["null", "object"], "description": "What the task was given"});
        properties["result"] = json!({"type": ["null", "object"], "description": "What the task made"});
        properties["message"] = json!({"type": "string", "description": "Why the task failed"});
    }
    properties
}

fn list(name: &str, item: &Json) -> Json {
    let mut properties = Map::new();
    properties.insert(name.to_owned(), json!({"type": "array", "items": item}));
    let mut links = vec![json!({"rel": "describedby", "href": "{schema}"})];
    if name == "images" {
        properties.insert("first".to_owned(), json!({"type": "string"}));
        properties.insert("next".to_owned(), json!({"type": "string"}));
        links.push(json!({"rel": "first", "href": "{first}"}));
        links.push(json!({"rel": "next", "href": "{next}"}));
    }
    properties.insert("schema".to_owned(), json!({"type": "string"}));
    json!({"name": name, "properties": properties, "links": links})
}
