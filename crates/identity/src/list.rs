//! Lists: which attributes filter them, in which order they come, and how much of them a client gets at once.
//!
//! A resource names its filters once, as [`Filters`], and hands [`filtered`] the views of what the caller may see. What
//! SQL can sort out before, by [`crate::api::filter_of`], it should; here the rest is sorted out for all alike.

use std::borrow::Cow;
use std::cmp::Ordering;

use rest::{Reply, Request, encoded};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value as Json, json};
use types::Timestamp;

use crate::Error;

#[cfg(test)]
mod tests;

/// How many objects a page has at most, as Keystone's `max_db_limit`.
const PAGE_MAX: usize = 1000;

/// What the value of a filter must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything.
    Text,
    /// A name of at most so many characters.
    Name(usize),
    /// Letters, digits and dashes.
    Id,
    /// One of the many words for true and false.
    Flag,
    /// A time before which, or after which, and so on: `lt:2030-01-01T00:00:00Z`.
    Time,
}

/// The attributes by which a list can be filtered, in any of the forms `name`, `name__contains` and its kin.
pub(crate) type Filters = &'static [(&'static str, Kind)];

/// The words that a flag is written in, as Keystone's schema lists them.
const FLAGS: [&str; 19] = [
    "True", "TRUE", "true", "False", "FALSE", "false", "", "1", "0", "y", "Y", "n", "N", "on", "ON", "off",
    "OFF", "yes", "no",
];
const FLAGS_TOLD: &str = "[True, 'True', 'TRUE', 'true', False, 'False', 'FALSE', 'false', '', '1', '0', 'y', 'Y', 'n', 'N', 'on', 'ON', 'off', 'OFF', 'yes', 'no']";

/// What a list shows of an object. It is written as it is, and only looked into where a request asks for that.
pub(crate) trait Listed: Serialize {
    /// One of its attributes, null if it has none of this name.
    fn attribute(&self, name: &str) -> Cow<'_, Json>;
}

impl Listed for Json {
    fn attribute(&self, name: &str) -> Cow<'_, Json> {
        Cow::Borrowed(&self[name])
    }
}

/// The whole list: for what is neither filtered nor paged, such as the roles of somebody somewhere.
pub(crate) fn listed(request: &Request, key: &str, views: Vec<Json>) -> Reply {
    written(request, key, &views, None)
}

/// The part of the list that the request's filters, `marker` and `limit` ask for, in the order of `sort_key`.
pub(crate) fn filtered<V: Listed>(
    request: &Request,
    key: &str,
    filters: Filters,
    mut views: Vec<V>,
) -> Result<Reply, Error> {
    let tests = tests(request, filters)?;
    let limit = limit(request)?;
    sort(request, &mut views)?;
    if let Some(marker) = request.query("marker").filter(|marker| !marker.is_empty()) {
        let at = views.iter().position(|view| *view.attribute("id") == *marker);
        let at = at.ok_or_else(|| Error::Absent(format!("Marker {marker} could not be found.")))?;
        views.drain(..=at);
    }
    views.retain(|view| tests.iter().all(|test| test.passes(&view.attribute(test.attribute))));
    let mut next = None;
    if let Some(limit) = limit.filter(|limit| views.len() > *limit) {
        views.truncate(limit);
        next = Some(next_url(request, limit, views.last()));
    }
    Ok(written(request, key, &views, next))
}

/// A list as an answer; with the address of what comes after it, if it was cut.
fn written<V: Listed>(request: &Request, key: &str, views: &[V], next: Option<String>) -> Reply {
    let list = List { key, views, links: json!({"next": next, "self": own_url(request), "previous": null}) };
    Reply::written(&list)
}

struct List<'l, V> {
    key: &'l str,
    views: &'l [V],
    links: Json,
}

impl<V: Serialize> Serialize for List<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("links", &self.links)?;
        map.serialize_entry(self.key, self.views)?;
        if !self.links["next"].is_null() {
            map.serialize_entry("truncated", &true)?;
        }
        map.end()
    }
}

/// Refuses the values that no filter of this kind can have, for a list that does its own filtering.
pub(crate) fn refuse_values(request: &Request, filters: Filters) -> Result<(), Error> {
    tests(request, filters).map(|_| ())
}

/// Whether a parameter such as `effective` is there; its value is looked at only for `0`, as Keystone does.
pub(crate) fn asked(request: &Request, name: &str) -> bool {
    request.query(name).is_some_and(|value| value != "0")
}

/// What a word says that Keystone reads as true or false: everything is true but a few.
pub(crate) fn truth(word: &str) -> bool {
    !matches!(word.trim().to_lowercase().as_str(), "0" | "false" | "no" | "off" | "f" | "n")
}

/// A condition on a view's attribute.
#[derive(Debug, PartialEq, Eq)]
struct Test<'r> {
    attribute: &'static str,
    condition: Condition<'r>,
}

#[derive(Debug, PartialEq, Eq)]
enum Condition<'r> {
    /// This text, or this truth.
    Is(&'r str),
    /// Text with this in it.
    Has { place: Place, value: &'r str, fold: bool },
    /// A time that compares so with another.
    Time { at: Timestamp, passing: &'static [Ordering] },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Start,
    End,
}

impl<'r> Condition<'r> {
    /// What `suffix`, the part of a parameter's name after the two underscores, says about the value.
    fn of_suffix(suffix: &str, value: &'r str) -> Option<Condition<'r>> {
        let (word, fold) = match suffix.strip_prefix('i') {
            Some(word) => (word, true),
            None => (suffix, false),
        };
        let place = match word {
            "contains" => Place::Anywhere,
            "startswith" => Place::Start,
            "endswith" => Place::End,
            _ => return None,
        };
        Some(Condition::Has { place, value, fold })
    }

    /// Reads `lt:2030-01-01T00:00:00Z`; without an operator the times are to be equal.
    fn of_time(value: &str) -> Result<Condition<'r>, Error> {
        let (operator, time) = match value.split_once(':') {
            Some((operator, time)) if !operator.starts_with(|c: char| c.is_ascii_digit()) => (operator, time),
            _ => ("eq", value),
        };
        let passing: &[Ordering] = match operator {
            "lt" => &[Ordering::Less],
            "lte" => &[Ordering::Less, Ordering::Equal],
            "gt" => &[Ordering::Greater],
            "gte" => &[Ordering::Greater, Ordering::Equal],
            "eq" => &[Ordering::Equal],
            "neq" => &[Ordering::Less, Ordering::Greater],
            other => {
                return Err(Error::Invalid(format!(
                    "The given operator {other} is not valid. It must be one of the following: 'eq', 'neq', 'lt', 'lte', 'gt', or 'gte'."
                )));
            }
        };
        Ok(Condition::Time { at: crate::api::time(time)?, passing })
    }
}

impl Test<'_> {
    fn passes(&self, value: &Json) -> bool {
        match (value, &self.condition) {
            (Json::Bool(flag), Condition::Is(value)) => *flag == truth(value),
            (Json::String(text), Condition::Is(value)) => text == value,
            (Json::String(text), Condition::Has { place, value, fold: false }) => place.has(text, value),
            (Json::String(text), Condition::Has { place, value, fold: true }) => {
                place.has(&text.to_lowercase(), &value.to_lowercase())
            }
            (Json::String(text), Condition::Time { at, passing }) => {
                Timestamp::parse(text).is_ok_and(|time| passing.contains(&time.cmp(at)))
            }
            _ => false,
        }
    }
}

impl Place {
    fn has(self, text: &str, value: &str) -> bool {
        match self {
            Place::Anywhere => text.contains(value),
            Place::Start => text.starts_with(value),
            Place::End => text.ends_with(value),
        }
    }
}

/// The request's parameters that are filters. Others, and comparisons that nobody knows, are not looked at.
fn tests<'r>(request: &'r Request, filters: Filters) -> Result<Vec<Test<'r>>, Error> {
    let mut tests = Vec::new();
    for (name, value) in &request.query {
        let (attribute, suffix) = match name.split_once("__") {
            Some((attribute, suffix)) => (attribute, Some(suffix)),
            None => (name.as_str(), None),
        };
        let Some((attribute, kind)) = filters.iter().find(|(known, _)| *known == attribute) else { continue };
        let condition = match (suffix, kind) {
            (_, Kind::Time) => Condition::of_time(value)?,
            (None, kind) => {
                refuse(attribute, value, *kind)?;
                Condition::Is(value)
            }
            (Some(suffix), _) => match Condition::of_suffix(suffix, value) {
                Some(condition) => condition,
                None => continue,
            },
        };
        tests.push(Test { attribute, condition });
    }
    Ok(tests)
}

fn refuse(name: &str, value: &str, kind: Kind) -> Result<(), Error> {
    let why = match kind {
        Kind::Name(_) | Kind::Id if value.is_empty() => "should be non-empty".to_owned(),
        Kind::Name(max) if value.chars().count() > max => "is too long".to_owned(),
        Kind::Name(_) if value.trim().is_empty() => "does not match '[\\\\S]+'".to_owned(),
        Kind::Id if value.len() > 64 => "is too long".to_owned(),
        Kind::Id if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            "does not match '^[a-zA-Z0-9-]+$'".to_owned()
        }
        Kind::Flag if !FLAGS.contains(&value) => format!("is not one of {FLAGS_TOLD}"),
        Kind::Text | Kind::Name(_) | Kind::Id | Kind::Flag | Kind::Time => return Ok(()),
    };
    Err(invalid(name, value, &why))
}

fn invalid(name: &str, value: &str, why: &str) -> Error {
    Error::Invalid(format!("Invalid input for field/attribute {name}. Value: {value}. '{value}' {why}"))
}

/// The size of a page; 0 asks for the largest.
fn limit(request: &Request) -> Result<Option<usize>, Error> {
    match request.query("limit") {
        None => Ok(None),
        Some(text) => match text.parse::<usize>() {
            Ok(0) => Ok(Some(PAGE_MAX)),
            Ok(limit) => Ok(Some(limit.min(PAGE_MAX))),
            Err(_) => Err(invalid("limit", text, "is not a number of at least 0")),
        },
    }
}

fn sort<V: Listed>(request: &Request, views: &mut Vec<V>) -> Result<(), Error> {
    let reverse = match request.query("sort_dir") {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => return Err(invalid("sort_dir", other, "is not one of ['asc', 'desc']")),
    };
    if let Some(key) = request.query("sort_key").filter(|key| !key.is_empty()) {
        let mut keyed: Vec<(Json, V)> =
            views.drain(..).map(|view| (view.attribute(key).into_owned(), view)).collect();
        keyed.sort_by(|(a, _), (b, _)| {
            let order = order(a, b);
            if reverse { order.reverse() } else { order }
        });
        views.extend(keyed.into_iter().map(|(_, view)| view));
    }
    Ok(())
}

/// Texts by their letters, flags with false first, numbers by size; what has no such value comes first.
fn order(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
        (Json::Null, Json::Null) => Ordering::Equal,
        (Json::Null, _) => Ordering::Less,
        (_, Json::Null) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

fn own_url(request: &Request) -> String {
    let query = &request.query_text;
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{}{mark}{query}", request.base_url, request.path)
}

/// The address of the page after this one.
fn next_url(request: &Request, limit: usize, last: Option<&impl Listed>) -> String {
    let kept = request.query.iter().filter(|(name, _)| !matches!(name.as_str(), "marker" | "limit"));
    let kept = kept.map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let last = last.map(|view| view.attribute("id"));
    let last = last.as_deref().and_then(Json::as_str).unwrap_or_default();
    let paging = [format!("limit={limit}"), format!("marker={}", encoded(last))];
    let query: Vec<String> = kept.chain(paging).collect();
    format!("{}{}?{}", request.base_url, request.path, query.join("&"))
}
