//! What the handlers of this service share.

use std::collections::BTreeMap;
use std::fmt::Display;

use rest::{Fields, InvalidBody, Microversion, Reply, Request};
use serde::Serialize;
use serde_json::{Value as Json, json};
use store::Tx;
use types::{HostId, ProjectId};

use crate::error::Error;

/// What the backend and its pool are called.
const BACKEND: &str = "file";
/// The longest id of a project.
const PROJECT_CHARS_MAX: usize = 64;
/// The longest name, key or value.
const TEXT_CHARS_MAX: usize = 255;

/// A handler whose path may name a project, which must be the caller's own.
pub(crate) fn own(
    handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, Error> + Send + Sync + 'static,
) -> impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, Error> + Send + Sync + 'static {
    move |request, tx| {
        check_project(request)?;
        handler(request, tx)
    }
}

/// A project that a path names must be the caller's own.
pub(crate) fn check_project(request: &Request) -> Result<(), Error> {
    let named = request.param("project_id");
    let own = request.caller().project_id();
    if !named.is_empty() && own.is_some_and(|own| own.as_str() != named) {
        return Err(Error::Invalid("Malformed request url".to_owned()));
    }
    Ok(())
}

/// As [`own`], for a route that only later microversions have.
pub(crate) fn since(
    first: Microversion,
    handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, Error> + Send + Sync + 'static,
) -> impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, Error> + Send + Sync + 'static {
    own(move |request, tx| if request.version < first { Err(Error::NoRoute) } else { handler(request, tx) })
}

/// The service's address with the project, if the client's path had it: links look like the path they are got by.
pub(crate) fn base_of(request: &Request) -> String {
    match request.param("project_id") {
        "" => format!("{}/v3", request.base_url),
        project => format!("{}/v3/{project}", request.base_url),
    }
}

/// One address of a thing.
#[derive(Serialize)]
pub(crate) struct Link {
    rel: &'static str,
    href: String,
}

/// The addresses of all things of a collection.
pub(crate) struct Links {
    own: String,
    bookmark: String,
}

impl Links {
    pub(crate) fn of(request: &Request, collection: &str) -> Links {
        let own = format!("{}/{collection}", base_of(request));
        Links { bookmark: own.replacen("/v3", "", 1), own }
    }

    /// The addresses of one thing: its own, and one without a version to keep.
    pub(crate) fn to(&self, id: impl Display) -> [Link; 2] {
        let link = |rel, base: &str| Link { rel, href: format!("{base}/{id}") };
        [link("self", &self.own), link("bookmark", &self.bookmark)]
    }
}

/// The addresses of one thing.
pub(crate) fn links_of(request: &Request, collection: &str, id: impl Display) -> Json {
    json!(Links::of(request, collection).to(id))
}

/// The fields of the object under `root`, which must be all that the body has.
pub(crate) fn sole_fields(request: &Request, root: &str) -> Result<Fields, InvalidBody> {
    let mut body = Fields::new("", request.json()?)?;
    let value = body.take(root).ok_or_else(|| InvalidBody::at(root, "is required"))?;
    body.finish()?;
    Fields::new(root, value)
}

/// Actions that have no fields: whatever clients send with them, Cinder does not look at it.
const BARE: [&str; 8] = [
    "os-begin_detaching",
    "os-complete",
    "os-force_delete",
    "os-reserve",
    "os-roll_detaching",
    "os-show_image_metadata",
    "os-unmanage",
    "os-unreserve",
];

/// The action that a body names with its one key, and the fields of that. Some clients send null, some an empty object.
pub(crate) fn action_in(request: &Request) -> Result<(String, Fields), Error> {
    let Json::Object(body) = request.json()? else {
        return Err(Error::Invalid("Malformed request body".to_owned()));
    };
    let mut actions = body.into_iter();
    let (Some((action, value)), None) = (actions.next(), actions.next()) else {
        return Err(Error::Invalid("The body must name one action.".to_owned()));
    };
    let is_empty = value.is_null() || BARE.contains(&action.as_str());
    let fields = Fields::new(&action, if is_empty { json!({}) } else { value })?;
    Ok((action, fields))
}

/// The project that a path is about. One whose id is longer than any is not there.
pub(crate) fn project_in(request: &Request) -> Result<ProjectId, Error> {
    let id = request.param("target");
    let fits = !id.is_empty() && id.chars().count() <= PROJECT_CHARS_MAX;
    let absent = || Error::NoSuch(format!("Project with id {id} not found."));
    if fits { Ok(id.into()) } else { Err(absent()) }
}

/// The pool of a host's backend, without a name its only one: `host@backend#pool`.
pub(crate) fn pool_of(host: &HostId, backend: Option<&str>) -> String {
    let backend = backend.unwrap_or(BACKEND);
    format!("{host}@{backend}#{backend}")
}

/// Text of at most 255 characters: `None` if absent, `Some(None)` if null.
pub(crate) fn text_in(fields: &mut Fields, name: &str) -> Result<Option<Option<String>>, InvalidBody> {
    let text = fields.nullable_text(name)?;
    let long = text.as_ref().and_then(Option::as_ref).is_some_and(|text| !is_word(text));
    if long { Err(fields.error(name, "is longer than 255 characters")) } else { Ok(text) }
}

/// A name and words about it.
pub(crate) struct Named {
    pub(crate) name: Option<Option<String>>,
    pub(crate) description: Option<Option<String>>,
}

/// What an owner calls a thing and says about it, in either spelling and without blanks around it.
pub(crate) fn named_in(fields: &mut Fields) -> Result<Named, InvalidBody> {
    let mut text = |name: &str| {
        let text = text_in(fields, name)?;
        Ok::<_, InvalidBody>(text.map(|text| text.map(|text| text.trim().to_owned())))
    };
    let (name, description) = (text("name")?, text("description")?);
    let (other_name, other_description) = (text("display_name")?, text("display_description")?);
    Ok(Named { name: name.or(other_name), description: description.or(other_description) })
}

/// True or false in one of the spellings that Cinder's schema lists; absent is `None`.
pub(crate) fn flag_in(fields: &mut Fields, name: &str) -> Result<Option<bool>, InvalidBody> {
    let Some(said) = fields.take(name) else { return Ok(None) };
    flag_of(&said).map(Some).ok_or_else(|| fields.error(name, "is not a boolean"))
}

/// The same; openstacksdk sends null where nothing is meant.
pub(crate) fn nullable_flag_in(fields: &mut Fields, name: &str) -> Result<Option<bool>, InvalidBody> {
    let Some(said) = fields.take(name).filter(|said| !said.is_null()) else { return Ok(None) };
    flag_of(&said).map(Some).ok_or_else(|| fields.error(name, "is not a boolean"))
}

fn flag_of(said: &Json) -> Option<bool> {
    match said {
        Json::Bool(flag) => Some(*flag),
        Json::String(word) => match word.as_str() {
            "True" | "TRUE" | "true" | "1" | "ON" | "On" | "on" | "YES" | "Yes" | "yes" | "y" | "t" => {
                Some(true)
            }
            "False" | "FALSE" | "false" | "0" | "OFF" | "Off" | "off" | "NO" | "No" | "no" | "n" | "f" => {
                Some(false)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Text of 1 to 255 characters that must be there.
pub(crate) fn required_in(fields: &mut Fields, name: &str) -> Result<String, InvalidBody> {
    match text_in(fields, name)?.flatten() {
        None => Err(fields.error(name, "is required")),
        Some(text) if text.is_empty() => Err(fields.error(name, "is too short")),
        Some(text) => Ok(text),
    }
}

/// The name of a type, which is not of spaces alone.
pub(crate) fn name_in(fields: &mut Fields) -> Result<String, Error> {
    let name = required_in(fields, "name")?;
    match name.trim() {
        "" => Err(Error::Invalid(
            "An invalid 'name' value was provided. The 'name' can not be empty.".to_owned(),
        )),
        _ => Ok(name),
    }
}

/// Which types an administrator's list shows: the public or the private ones, or all.
pub(crate) fn public_filter(request: &Request) -> Result<Option<bool>, Error> {
    match request.query("is_public").map(str::to_lowercase).as_deref() {
        Some("none") => Ok(None),
        Some("false" | "0" | "f" | "no" | "n" | "off") => Ok(Some(false)),
        None | Some("true" | "1" | "t" | "yes" | "y" | "on") => Ok(Some(true)),
        Some(other) => Err(Error::Invalid(format!("Invalid is_public filter [{other}]"))),
    }
}

/// A parameter of the query that is true or false; false if it is not there.
pub(crate) fn asked(request: &Request, name: &str) -> Result<bool, Error> {
    let Some(word) = request.query(name) else { return Ok(false) };
    match word.trim().to_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => Err(Error::Invalid(format!("Value '{word}' for '{name}' is not a boolean."))),
    }
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

/// An object of keys and values of at most 255 characters, or null. A key has letters, digits, `-_:.`, and what `also`
/// allows.
pub(crate) fn specs_in(fields: Fields, also: &str) -> Result<BTreeMap<String, Option<String>>, InvalidBody> {
    let path = fields.path("");
    let path = path.trim_end_matches('.');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c) || also.contains(c);
    let specs = fields.into_left().into_iter().map(|(key, value)| {
        if key.is_empty() || key.len() > TEXT_CHARS_MAX || !key.chars().all(plain) {
            return Err(InvalidBody::at(path, format!("has a key that is not allowed: '{key}'")));
        }
        match value {
            Json::Null => Ok((key, None)),
            value => word(path, key, value).map(|(key, value)| (key, Some(value))),
        }
    });
    specs.collect()
}

/// The body of a change to the one spec that its path names: as [`specs_in`], with one key.
pub(crate) fn sole_spec(request: &Request) -> Result<BTreeMap<String, Option<String>>, InvalidBody> {
    let new = specs_in(Fields::new("", request.json()?)?, "")?;
    if new.len() == 1 { Ok(new) } else { Err(InvalidBody::at("", "does not have exactly one property")) }
}

/// One key and its value, both of at most 255 characters.
pub(crate) fn word(path: &str, key: String, value: Json) -> Result<(String, String), InvalidBody> {
    if key.is_empty() || !is_word(&key) {
        return Err(InvalidBody::at(path, "has a key that is not of 1 to 255 characters"));
    }
    match value {
        Json::String(text) if is_word(&text) => Ok((key, text)),
        Json::String(_) => Err(InvalidBody::at(format!("{path}.{key}"), "is longer than 255 characters")),
        _ => Err(InvalidBody::at(format!("{path}.{key}"), "is not a string")),
    }
}

/// Whether a text is as short as names, keys and values are.
pub(crate) fn is_word(text: &str) -> bool {
    text.chars().count() <= TEXT_CHARS_MAX
}
