//! What the handlers of this service share.

use std::collections::BTreeMap;

use rest::{Fields, InvalidBody, Reply, Request};
use serde_json::Value as Json;
use store::Tx;
use types::HostId;

use crate::error::Error;

/// What the backend and its pool are called.
const BACKEND: &str = "file";
/// The longest name, key or value.
const TEXT_CHARS_MAX: usize = 255;

/// A handler whose path may name a project, which must be the caller's own.
pub(crate) fn own(
    handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, Error> + Send + Sync + 'static,
) -> impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, Error> + Send + Sync + 'static {
    move |request, tx| {
        let named = request.param("project_id");
        let own = request.caller().project_id();
        if !named.is_empty() && own.is_some_and(|own| own.as_str() != named) {
            return Err(Error::Invalid("Malformed request url".to_owned()));
        }
        handler(request, tx)
    }
}

/// The service's address with the project, if the client's path had it: links look like the path they are got by.
pub(crate) fn base_of(request: &Request) -> String {
    match request.param("project_id") {
        "" => format!("{}/v3", request.base_url),
        project => format!("{}/v3/{project}", request.base_url),
    }
}

/// The one backend of a host, as Cinder would name it: `host@backend`.
pub(crate) fn backend_of(host: &HostId) -> String {
    format!("{host}@{BACKEND}")
}

/// The one pool of that backend: `host@backend#pool`.
pub(crate) fn pool_of(host: &HostId) -> String {
    format!("{host}@{BACKEND}#{BACKEND}")
}

/// Text of at most 255 characters: `None` if absent, `Some(None)` if null.
pub(crate) fn text_in(fields: &mut Fields, name: &str) -> Result<Option<Option<String>>, InvalidBody> {
    let text = fields.nullable_text(name)?;
    let long = text.as_ref().and_then(Option::as_ref).is_some_and(|text| is_long(text));
    if long { Err(fields.error(name, "is longer than 255 characters")) } else { Ok(text) }
}

/// An object of keys and values; absent or null is `None`.
pub(crate) fn words_of(
    fields: &mut Fields,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, InvalidBody> {
    let Some(map) = fields.object(name)? else { return Ok(None) };
    let path = fields.path(name);
    let words = map.into_left().into_iter().map(|(key, value)| word(&path, key, value));
    words.collect::<Result<_, _>>().map(Some)
}

/// One key and its value, both of at most 255 characters.
pub(crate) fn word(path: &str, key: String, value: Json) -> Result<(String, String), InvalidBody> {
    if key.is_empty() || is_long(&key) {
        return Err(InvalidBody::at(path, "has a key that is not of 1 to 255 characters"));
    }
    match value {
        Json::String(text) if !is_long(&text) => Ok((key, text)),
        Json::String(_) => Err(InvalidBody::at(format!("{path}.{key}"), "is longer than 255 characters")),
        _ => Err(InvalidBody::at(format!("{path}.{key}"), "is not a string")),
    }
}

fn is_long(text: &str) -> bool {
    text.chars().count() > TEXT_CHARS_MAX
}
