//! JSON schemas of metadata definitions.

use serde_json::{Map, Value as Json, json};

use super::property::TYPES;

/// The schema of this name.
pub(crate) fn named(name: &str) -> Option<Json> {
    Some(match name {
        "namespace" => item("namespace", namespace(), &["namespace"], Some(definitions(false))),
        "namespaces" => list("namespaces", "namespace"),
        "object" => item("object", object(), &["name"], Some(definitions(false))),
        "objects" => list("objects", "object"),
        "property" => item("property", property(), &["type", "title", "name"], Some(definitions(true))),
        "properties" => properties(),
        "resource_type" => item("resource_type_association", association(), &["name"], None),
        "resource_types" => list("resource_type_associations", "resource_type"),
        "tag" => item("tag", tag(), &["name"], None),
        "tags" => list("tags", "tag"),
        _ => return None,
    })
}

fn item(name: &str, properties: Json, required: &[&str], definitions: Option<Json>) -> Json {
    let mut schema = json!({
        "name": name,
        "properties": properties,
        "additionalProperties": false,
        "required": required,
    });
    if let Some(definitions) = definitions {
        schema["definitions"] = definitions;
    }
    schema
}

/// Definitions stand beside the list, not in each item.
fn list(name: &str, of: &str) -> Json {
    let mut item = named(of).unwrap_or_default();
    let definitions = item.as_object_mut().and_then(|fields| fields.remove("definitions"));
    collection(name, json!({"type": "array", "items": item}), definitions)
}

fn properties() -> Json {
    let item = item("property", property(), &["type", "title"], None);
    let map = json!({"type": "object", "additionalProperties": item});
    collection("properties", map, Some(definitions(true)))
}

fn collection(name: &str, items: Json, definitions: Option<Json>) -> Json {
    let mut properties = Map::new();
    properties.insert(name.to_owned(), items);
    for link in ["first", "next", "schema"] {
        properties.insert(link.to_owned(), json!({"type": "string"}));
    }
    let mut schema = json!({
        "name": name,
        "properties": properties,
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    });
    if let Some(definitions) = definitions {
        schema["definitions"] = definitions;
    }
    schema
}

fn text(max: u32, description: &str) -> Json {
    json!({"type": "string", "maxLength": max, "description": description})
}

fn fixed(description: &str) -> Json {
    json!({"type": "string", "readOnly": true, "description": description})
}

fn time(description: &str) -> Json {
    json!({"type": "string", "readOnly": true, "format": "date-time", "description": description})
}

/// A property's own schema wants something in each list of names, that of a namespace does not.
fn definitions(of_property: bool) -> Json {
    let mut names = json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true});
    if of_property {
        names["minItems"] = 1.into();
    }
    let mut definitions = json!({
        "positiveInteger": {"type": "integer", "minimum": 0},
        "positiveIntegerDefault0": {"allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}]},
        "stringArray": names,
    });
    if !of_property {
        definitions["property"] = json!({
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["title", "type"],
                "properties": property(),
            },
        });
    }
    definitions
}

fn types() -> Json {
    let types: Vec<Json> = TYPES.into_iter().map(Json::from).chain([Json::Null]).collect();
    json!({"type": "string", "enum": types})
}

fn property() -> Json {
    json!({
        "name": {"type": "string", "maxLength": 80},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "operators": {"type": "array", "items": {"type": "string"}},
        "type": types(),
        "required": {"$ref": "#/definitions/stringArray"},
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "maxLength": {"$ref": "#/definitions/positiveInteger"},
        "minLength": {"$ref": "#/definitions/positiveIntegerDefault0"},
        "pattern": {"type": "string", "format": "regex"},
        "enum": {"type": "array"},
        "readonly": {"type": "boolean"},
        "default": {},
        "items": {"type": "object", "properties": {"type": types(), "enum": {"type": "array"}}},
        "maxItems": {"$ref": "#/definitions/positiveInteger"},
        "minItems": {"$ref": "#/definitions/positiveIntegerDefault0"},
        "uniqueItems": {"type": "boolean", "default": false},
        "additionalItems": {"type": "boolean"},
    })
}

fn namespace() -> Json {
    json!({
        "namespace": text(80, "The name, which no other namespace has"),
        "display_name": text(80, "A name for people"),
        "description": text(500, "What the namespace is about"),
        "visibility": {"type": "string", "enum": ["public", "private"], "description": "Who sees the namespace"},
        "protected": {"type": "boolean", "description": "Whether the namespace cannot be deleted"},
        "owner": text(255, "The project that owns the namespace"),
        "created_at": time("When the namespace was made"),
        "updated_at": time("When the namespace last changed"),
        "schema": {"type": "string", "readOnly": true},
        "self": {"type": "string", "readOnly": true},
        "resource_type_associations": {"type": "array", "items": {"type": "object", "properties": {
            "name": {"type": "string"},
            "prefix": {"type": "string"},
            "properties_target": {"type": "string"},
        }}},
        "properties": {"$ref": "#/definitions/property"},
        "objects": {"type": "array", "items": {"type": "object", "properties": {
            "name": {"type": "string"},
            "description": {"type": "string"},
            "required": {"$ref": "#/definitions/stringArray"},
            "properties": {"$ref": "#/definitions/property"},
        }}},
        "tags": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    })
}

fn object() -> Json {
    json!({
        "name": {"type": "string", "maxLength": 80},
        "description": {"type": "string"},
        "required": {"$ref": "#/definitions/stringArray"},
        "properties": {"$ref": "#/definitions/property"},
        "schema": fixed("A link to this schema"),
        "self": fixed("A link to the object"),
        "created_at": time("When the object was made"),
        "updated_at": time("When the object last changed"),
    })
}

fn association() -> Json {
    json!({
        "name": text(80, "The type of resource, named as Heat names it where it does"),
        "prefix": text(80, "What stands before the names of properties, with its separator"),
        "properties_target": text(80, "Which of the resource's sets of properties is meant"),
        "created_at": time("When the association was made"),
        "updated_at": time("When the association last changed"),
    })
}

fn tag() -> Json {
    json!({
        "name": {"type": "string", "maxLength": 80},
        "created_at": time("When the tag was made"),
        "updated_at": time("When the tag last changed"),
    })
}
