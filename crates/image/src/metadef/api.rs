//! What the bodies and queries of metadata definitions have in common.

use rest::{Fields, InvalidBody, Request};
use serde_json::{Map, Value as Json};
use store::Direction;

use crate::api::limit;
use crate::error::Error;

/// The longest name of anything here.
pub(crate) const NAME_CHARS_MAX: usize = 80;

/// The body of a request, in which these are the service's own.
pub(crate) fn body(request: &Request, read_only: &[&str]) -> Result<Fields, Error> {
    let json = request.json().map_err(|_| Error::Invalid("Malformed JSON in request body.".to_owned()))?;
    let fields = Fields::new("", json)?;
    match read_only.iter().find(|name| fields.has(name)) {
        Some(name) => Err(Error::Forbidden(format!("Attribute '{name}' is read-only."))),
        None => Ok(fields),
    }
}

/// A body that does not fit a schema, said as Glance says it.
pub(crate) fn unfit(schema: &str) -> impl Fn(InvalidBody) -> Error {
    move |invalid| Error::Invalid(format!("Provided object does not match schema '{schema}': {invalid}"))
}

/// Takes a text that may be absent, but not null, and is not longer than this.
pub(crate) fn text(fields: &mut Fields, name: &str, max: usize) -> Result<Option<String>, InvalidBody> {
    match fields.take(name) {
        None => Ok(None),
        Some(Json::String(text)) if text.chars().count() <= max => Ok(Some(text)),
        Some(Json::String(_)) => Err(fields.error(name, format!("is longer than {max} characters"))),
        Some(other) => Err(fields.error(name, format!("is not of type 'string': {other}"))),
    }
}

/// Takes a name that must be there. An empty one, which Glance takes, could never be asked for again.
pub(crate) fn name(fields: &mut Fields, name: &str) -> Result<String, InvalidBody> {
    match text(fields, name, NAME_CHARS_MAX)? {
        None => Err(fields.error(name, "is a required property")),
        Some(text) if text.is_empty() => Err(fields.error(name, "is empty")),
        Some(text) => Ok(text),
    }
}

/// Takes true or false, and nothing like it.
pub(crate) fn flag(fields: &mut Fields, name: &str) -> Result<Option<bool>, InvalidBody> {
    match fields.take(name) {
        None => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(flag)),
        Some(other) => Err(fields.error(name, format!("is not of type 'boolean': {other}"))),
    }
}

/// Takes a list of strings, each there once.
pub(crate) fn words(fields: &mut Fields, name: &str) -> Result<Option<Vec<String>>, InvalidBody> {
    let list = match fields.take(name) {
        None => return Ok(None),
        Some(Json::Array(list)) => list,
        Some(_) => return Err(fields.error(name, "is not of type 'array'")),
    };
    let word = |item: Json| match item {
        Json::String(word) => Ok(word),
        other => Err(fields.error(name, format!("is not of type 'string': {other}"))),
    };
    let words: Vec<String> = list.into_iter().map(word).collect::<Result<_, _>>()?;
    let twice = words.iter().enumerate().find(|(n, word)| words[..*n].contains(word));
    match twice {
        Some((_, word)) => Err(fields.error(name, format!("has non-unique elements: {word}"))),
        None => Ok(Some(words)),
    }
}

/// Takes a list of objects that may be absent.
pub(crate) fn objects(fields: &mut Fields, name: &str) -> Result<Vec<Fields>, InvalidBody> {
    let path = fields.path(name);
    match fields.take(name) {
        None => Ok(Vec::new()),
        Some(Json::Array(list)) => list.into_iter().map(|item| Fields::new(&path, item)).collect(),
        Some(_) => Err(fields.error(name, "is not of type 'array'")),
    }
}

/// A view without what is not there.
pub(crate) fn present(view: Json) -> Json {
    match view {
        Json::Object(fields) => {
            Json::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// How a list is sorted and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    pub(crate) sort: &'static str,
    pub(crate) direction: Direction,
    pub(crate) marker: Option<String>,
    pub(crate) limit: Option<u32>,
}

/// Reads how a list is to be paged: by one of these keys, spelled here and in the database.
pub(crate) fn paging(request: &Request, keys: &[(&str, &'static str)]) -> Result<Paging, Error> {
    let invalid = |text: String| Error::Invalid(text);
    let direction = match request.query("sort_dir") {
        None | Some("desc") => Direction::Desc,
        Some("asc") => Direction::Asc,
        Some(other) => return Err(invalid(format!("Invalid sort direction: {other}"))),
    };
    let key = request.query("sort_key").unwrap_or("created_at");
    let known = keys.iter().find(|(name, _)| *name == key);
    let (_, sort) = known.ok_or_else(|| invalid(format!("Sort key supplied is invalid: {key}")))?;
    let limit = if request.query("limit") == Some("") { None } else { limit(request)? };
    let marker = request.query("marker").filter(|marker| !marker.is_empty()).map(str::to_owned);
    Ok(Paging { sort, direction, marker, limit })
}

/// Refuses a visibility that there is not, where a list is filtered by it.
pub(crate) fn check_visibility<'r>(request: &'r Request, known: &[&str]) -> Result<Option<&'r str>, Error> {
    match request.query("visibility").filter(|word| !word.is_empty()) {
        Some(word) if !known.contains(&word) => {
            Err(Error::Invalid(format!("Invalid visibility value: {word}")))
        }
        word => Ok(word),
    }
}
