//! What lists of this service share: their order, their pages, and filters that are more than a value.

use std::fmt::Display;

use policy::Caller;
use rest::{Microversion, Reply, Request};
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value as Json, json};
use store::{Direction, Select, Table, Tx, Value};

use crate::api::{asked, base_of};
use crate::error::Error;
use crate::policy::{RULES, own};

/// The largest page, which is also what is given to clients that ask for none.
const LIMIT_MAX: u32 = 1000;
/// The first microversion that counts a list on demand.
const WITH_COUNT: Microversion = Microversion(3, 45);

/// Keys that clients sort by, and their columns.
pub(crate) type Sortable = &'static [(&'static str, &'static str)];

/// In which order a list comes, and which part of it.
pub(crate) struct Paging {
    /// Columns to sort by; the last is `id`.
    pub(crate) order: Vec<(&'static str, Direction)>,
    /// After the thing of this id.
    pub(crate) marker: Option<String>,
    /// Leaving out the first of them.
    pub(crate) offset: u32,
    /// At most this many.
    pub(crate) limit: u32,
    /// Whether it is to be told how many there are in all.
    pub(crate) counted: bool,
}

/// A part of a list.
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    /// How many there are in all, if that was asked.
    pub(crate) all: Option<usize>,
}

impl Paging {
    /// Reads `limit`, `marker`, `offset`, and `sort` or `sort_key` and `sort_dir`.
    pub(crate) fn of(request: &Request, sortable: Sortable) -> Result<Paging, Error> {
        Ok(Paging {
            order: order(request, sortable)?,
            marker: request.query("marker").filter(|marker| !marker.is_empty()).map(str::to_owned),
            offset: number(request, "offset")?.unwrap_or(0),
            limit: limit_of(request)?,
            counted: false,
        })
    }

    /// The same for the lists that tell how many there are in all.
    pub(crate) fn counted_of(request: &Request, sortable: Sortable) -> Result<Paging, Error> {
        let counted = request.version >= WITH_COUNT && asked(request, "with_count")?;
        Ok(Paging { counted, ..Paging::of(request, sortable)? })
    }

    /// The newest, for lists that come in no parts.
    pub(crate) fn newest() -> Paging {
        let order = vec![("created_at", Direction::Desc), ("id", Direction::Desc)];
        Paging { order, marker: None, offset: 0, limit: LIMIT_MAX, counted: false }
    }

    /// This part of what is selected, after `marker` if there is one.
    pub(crate) fn page<T: Serialize + DeserializeOwned>(
        &self,
        tx: &mut Tx<'_>,
        table: &Table<T>,
        select: Select,
        marker: Option<&T>,
    ) -> Result<Page<T>, Error> {
        let all = if self.counted { Some(table.count(tx, &select)?) } else { None };
        let select = self.ordered(table, select, marker).limit(self.offset.saturating_add(self.limit));
        let rows = table.values(tx, &select)?.into_iter().skip(self.offset as usize).collect();
        Ok(Page { rows, all: all.map(|all| usize::try_from(all).unwrap_or(0)) })
    }

    /// The same, of what is like this in a way that no column tells.
    pub(crate) fn page_of<T: Serialize + DeserializeOwned>(
        &self,
        tx: &mut Tx<'_>,
        table: &Table<T>,
        select: Select,
        marker: Option<&T>,
        is_like: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, Error> {
        let mut found = |select: &Select| -> Result<_, Error> {
            Ok(table.values(tx, select)?.into_iter().filter(&is_like))
        };
        let all = if self.counted { Some(found(&select)?.count()) } else { None };
        let rows = found(&self.ordered(table, select, marker))?;
        Ok(Page { rows: rows.skip(self.offset as usize).take(self.limit as usize).collect(), all })
    }

    fn ordered<T>(&self, table: &Table<T>, mut select: Select, marker: Option<&T>) -> Select {
        for (column, direction) in &self.order {
            select = select.order(column, *direction);
        }
        let Some(last) = marker else { return select };
        let values: Vec<Value> = self.order.iter().map(|(name, _)| column(table, last, name)).collect();
        select.after(&values)
    }
}

/// A page as an answer: what its rows look like, the address of the page that follows, if this one is full, and how many
/// there are in all, if that was asked.
pub(crate) fn written<V: Serialize>(
    request: &Request,
    path: &str,
    views: &[V],
    (last, all): (Option<impl Display>, Option<usize>),
) -> Reply {
    let links = next_links(request, path, views.len(), last);
    let key = path.split('/').next().unwrap_or_default();
    Reply::written(&Answer { key, views, links, all })
}

struct Answer<'a, V> {
    key: &'a str,
    views: &'a [V],
    links: Option<Json>,
    all: Option<usize>,
}

impl<V: Serialize> Serialize for Answer<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.key, self.views)?;
        if let Some(links) = &self.links {
            map.serialize_entry(&format!("{}_links", self.key), links)?;
        }
        if let Some(all) = self.all {
            map.serialize_entry("count", &all)?;
        }
        map.end()
    }
}

/// What a rule lets a caller see of the things that projects have, in a list: the project's own, or everybody's if an
/// administrator asks for those.
pub(crate) fn in_sight(caller: &Caller, rule: &str, all_projects: bool) -> Result<Select, Error> {
    RULES.check(rule, caller, &own(caller))?;
    if all_projects && caller.is_admin() {
        return Ok(Select::all());
    }
    let project = caller.project_id().ok_or_else(|| Error::Denied(rule.to_owned()))?;
    Ok(Select::all().eq("project_id", project))
}

fn column<T>(table: &Table<T>, row: &T, name: &str) -> Value {
    let found = table.columns.iter().find(|column| column.name == name);
    found.map_or_else(|| (table.id)(row), |column| (column.value)(row))
}

pub(crate) fn number(request: &Request, name: &str) -> Result<Option<u32>, Error> {
    let Some(text) = request.query(name) else { return Ok(None) };
    let number: i64 =
        text.trim().parse().map_err(|_| Error::Invalid(format!("{name} param must be an integer")))?;
    match u32::try_from(number) {
        Ok(number) if number <= i32::MAX.unsigned_abs() => Ok(Some(number)),
        _ if number < 0 => Err(Error::Invalid(format!("{name} param must be positive"))),
        _ => Err(Error::Invalid(format!("{name} must be at most {}", i32::MAX))),
    }
}

pub(crate) fn limit_of(request: &Request) -> Result<u32, Error> {
    Ok(number(request, "limit")?.map_or(LIMIT_MAX, |limit| limit.min(LIMIT_MAX)))
}

/// The newest first, unless asked otherwise; the id settles what is equal.
fn order(request: &Request, sortable: Sortable) -> Result<Vec<(&'static str, Direction)>, Error> {
    let (key, direction) = (request.query("sort_key"), request.query("sort_dir"));
    let asked = match request.query("sort") {
        Some(_) if key.is_some() || direction.is_some() => {
            let text = "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' \
                        parameter.";
            return Err(Error::Invalid(text.to_owned()));
        }
        Some(sort) => sort.split(',').map(|part| part.split_once(':').unwrap_or((part, ""))).collect(),
        None => vec![(key.unwrap_or("created_at"), direction.unwrap_or(""))],
    };
    let mut order = Vec::with_capacity(asked.len() + 1);
    for (key, direction) in asked {
        let known = sortable.iter().find(|(name, _)| *name == key.trim());
        let (_, column) = known.ok_or_else(|| {
            Error::Invalid(format!("Invalid input received: Invalid sort keys provided: {key}."))
        })?;
        let direction = match direction.trim() {
            "" | "desc" => Direction::Desc,
            "asc" => Direction::Asc,
            _ => {
                let text = "Invalid input received: Unknown sort direction, must be one of: asc, desc.";
                return Err(Error::Invalid(text.to_owned()));
            }
        };
        if !order.iter().any(|(known, _)| known == column) {
            order.push((*column, direction));
        }
    }
    if !order.iter().any(|(column, _)| *column == "id") {
        let direction = order.first().map_or(Direction::Desc, |(_, direction)| *direction);
        order.push(("id", direction));
    }
    Ok(order)
}

/// The address of the page that follows, if this one is full.
pub(crate) fn next_links(
    request: &Request,
    path: &str,
    count: usize,
    last: Option<impl Display>,
) -> Option<Json> {
    let full = limit_of(request).is_ok_and(|limit| count >= limit as usize);
    let last = last.filter(|_| full)?;
    let kept = request.query.iter().filter(|(name, _)| name != "marker");
    let mut pairs: Vec<String> =
        kept.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.push(format!("marker={last}"));
    Some(json!([{"rel": "next", "href": format!("{}/{path}?{}", base_of(request), pairs.join("&"))}]))
}

/// A name or value as Python's `urlencode` writes it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let spelled = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(spelled).collect()
}

/// A dictionary of words in a filter: as JSON, or as Python prints it, which is what clients send.
pub(crate) fn pairs(name: &str, value: &str) -> Result<Vec<(String, String)>, Error> {
    let invalid = || Error::Invalid(format!("Invalid input received: {name} cannot be {value}."));
    let parsed = serde_json::from_str(value).or_else(|_| serde_json::from_str(&value.replace('\'', "\"")));
    let Ok(Json::Object(fields)) = parsed else { return Err(invalid()) };
    let pairs = fields.into_iter().map(|(key, word)| match word {
        Json::String(text) => Ok((key, text)),
        _ => Err(invalid()),
    });
    pairs.collect()
}

/// Plain characters for a LIKE pattern.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}
