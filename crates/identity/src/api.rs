//! What the bodies of all resources have in common: links, lists, and fields that nobody knows but keeps.

use rest::{Fields, InvalidBody, Request};
use serde_json::{Map, Value as Json, json};
use types::Timestamp;

use crate::Error;
use crate::list::truth;
pub(crate) use crate::list::{Filters, Kind, Listed, asked, filtered, listed, refuse_values};

/// Fields that the service does not know; Keystone keeps them and gives them back.
pub type Extra = Map<String, Json>;

/// The link of an object to itself.
pub(crate) fn links(request: &Request, path: &str) -> Json {
    json!({"self": format!("{}/v3/{path}", request.base_url)})
}

/// An object as clients see it: its known fields over what else the client once sent.
pub(crate) fn with_extra(extra: &Extra, mut known: Json) -> Json {
    if let Json::Object(all) = &mut known {
        for (name, value) in extra {
            all.entry(name.as_str()).or_insert_with(|| value.clone());
        }
    }
    known
}

/// The scheme, host and port that the client used.
pub(crate) fn public_url(request: &Request) -> &str {
    request.base_url.strip_suffix(crate::PREFIX).unwrap_or(&request.base_url)
}

/// Reads a time, or says as Keystone does that it is none.
pub(crate) fn time(text: &str) -> Result<Timestamp, Error> {
    Timestamp::parse(text).map_err(|_| {
        Error::Invalid(
            "Timestamp not in expected format. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
                .to_owned(),
        )
    })
}

/// Takes true or false and nothing that merely looks like it, as Keystone's schemas do.
pub(crate) fn flag(fields: &mut Fields, name: &str) -> Result<Option<bool>, InvalidBody> {
    match fields.take(name) {
        None => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(flag)),
        Some(_) => Err(fields.error(name, "is not a boolean")),
    }
}

/// Takes a text that is not null.
pub(crate) fn text(fields: &mut Fields, field: &str) -> Result<Option<String>, InvalidBody> {
    fields.nullable_text(field)?.map(|text| text.ok_or_else(|| fields.error(field, "is null"))).transpose()
}

/// Takes a name, which is neither empty nor longer than `max` characters.
pub(crate) fn name(fields: &mut Fields, field: &str, max: usize) -> Result<Option<String>, InvalidBody> {
    if !fields.has(field) {
        return Ok(None);
    }
    let name = fields.required_text(field)?;
    match name.chars().count() {
        0 => Err(fields.error(field, "is too short: at least 1 character")),
        n if n > max => Err(fields.error(field, format!("is too long: at most {max} characters"))),
        _ if name.trim().is_empty() => Err(fields.error(field, "is blank")),
        _ => Ok(Some(name)),
    }
}

/// As [`name`], where it must be there.
pub(crate) fn required_name(fields: &mut Fields, field: &str, max: usize) -> Result<String, InvalidBody> {
    name(fields, field, max)?.ok_or_else(|| fields.error(field, "is required"))
}

/// The longest description.
const DESCRIPTION_MAX: usize = 255;

/// Takes a description, which may be null and is not too long.
pub(crate) fn description(fields: &mut Fields) -> Result<Option<Option<String>>, InvalidBody> {
    let description = fields.nullable_text("description")?;
    match description.iter().flatten().any(|text| text.chars().count() > DESCRIPTION_MAX) {
        true => {
            Err(fields.error("description", format!("is too long: at most {DESCRIPTION_MAX} characters")))
        }
        false => Ok(description),
    }
}

/// The same fields, if an update may bring them: at least one, and no other id than the URL's.
pub(crate) fn changing(mut fields: Fields, id: &str) -> Result<Fields, InvalidBody> {
    if fields.left().is_empty() {
        return Err(InvalidBody::at("", "The body names nothing to change"));
    }
    match fields.take("id") {
        Some(other) if !other.is_null() && other != id => Err(InvalidBody::at("", "Cannot change ID")),
        _ => Ok(fields),
    }
}

/// The object under `root`, beside which the body holds nothing.
pub(crate) fn sole_fields(request: &Request, root: &str) -> Result<Fields, InvalidBody> {
    sole(request, root).and_then(|value| Fields::new(root, value))
}

/// The objects of the list under `root`, of which there is at least one, beside which the body holds nothing.
pub(crate) fn sole_list(request: &Request, root: &str) -> Result<Vec<Fields>, InvalidBody> {
    match sole(request, root)? {
        Json::Array(items) if !items.is_empty() => {
            items.into_iter().enumerate().map(|(n, item)| Fields::new(&format!("{root}.{n}"), item)).collect()
        }
        _ => Err(InvalidBody::at(root, "is not a list with something in it")),
    }
}

fn sole(request: &Request, root: &str) -> Result<Json, InvalidBody> {
    let mut body = Fields::new("", request.json()?)?;
    let value = body.take(root).ok_or_else(|| InvalidBody::at(root, "is required"))?;
    body.finish().map(|()| value)
}

/// Refuses a query with any other parameter than these, as Keystone does where its schema is strict.
pub(crate) fn only_queries(request: &Request, known: &[&str]) -> Result<(), InvalidBody> {
    match request.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let problem = format!("Additional properties are not allowed ('{name}' was unexpected)");
            Err(InvalidBody::at("", problem))
        }
    }
}

/// What is left in the fields, but for what the client cannot set.
pub(crate) fn extra(fields: Fields) -> Extra {
    let mut left = fields.into_left();
    for ours in ["id", "links", "extra"] {
        left.remove(ours);
    }
    left
}

/// A filter that is true or false, for SQL.
pub(crate) fn flag_of(request: &Request, name: &str) -> Option<bool> {
    request.query(name).map(truth)
}

/// A filter, for SQL; an empty one is none.
pub(crate) fn filter_of(request: &Request, name: &str) -> Option<String> {
    request.query(name).filter(|value| !value.is_empty()).map(str::to_owned)
}
