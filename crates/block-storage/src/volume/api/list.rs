//! The query of a list: filters, order and page.

use rest::{Microversion, Page, Request, sort_of};
use serde_json::Value as Json;
use store::{Condition, Direction};
use types::{Timestamp, VolumeId};

use crate::api::base_of;
use crate::error::Error;
use crate::volume::ops::VolumeList;

/// The largest page, which is also what is given to clients that ask for none.
const LIMIT_MAX: u32 = 1000;
/// From here on an unknown filter is an error; before, it was ignored.
const STRICT: Microversion = Microversion(3, 31);

/// Sort keys and their columns.
const SORTABLE: [(&str, &str); 9] = [
    ("id", "id"),
    ("name", "name"),
    ("display_name", "name"),
    ("status", "status"),
    ("size", "size_gib"),
    ("availability_zone", "availability_zone"),
    ("bootable", "bootable"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];

/// Reads the query of a list.
pub(super) fn query(request: &Request) -> Result<VolumeList, Error> {
    let page = Page::of(request, LIMIT_MAX)?;
    let marker = match &page.marker {
        None => None,
        Some(text) => Some(text.parse::<VolumeId>().map_err(|_| Error::no_volume(text))?),
    };
    let mut list = VolumeList {
        order: order(request)?,
        marker,
        limit: Some(page.limit.unwrap_or(LIMIT_MAX)),
        ..VolumeList::default()
    };
    let mut unknown = Vec::new();
    for (name, value) in &request.query {
        match name.as_str() {
            "limit" | "marker" | "sort" | "sort_key" | "sort_dir" | "with_count" => {}
            "offset" => {
                let offset = value.parse().map_err(|_| invalid(name, value))?;
                list.offset = offset;
            }
            "all_tenants" => list.all_projects = !matches!(value.to_lowercase().as_str(), "0" | "false"),
            _ if filter(&mut list, name, value)? => {}
            _ => unknown.push(name.as_str()),
        }
    }
    if request.version >= STRICT && !unknown.is_empty() {
        let text = format!("Invalid filters {} are found in query options.", unknown.join(","));
        return Err(Error::Invalid(text));
    }
    Ok(list)
}

/// Takes one filter; false if there is none of this name.
fn filter(list: &mut VolumeList, name: &str, value: &str) -> Result<bool, Error> {
    let condition = match name {
        "name" | "display_name" => Condition::Eq("name", value.into()),
        "name~" => Condition::Like("name", format!("%{}%", escaped(value))),
        "id" => Condition::Eq("id", value.into()),
        "status" => Condition::Eq("status", value.to_lowercase().into()),
        "project_id" | "tenant_id" => Condition::Eq("project_id", value.into()),
        // Of `host@backend#pool` the host decides.
        "host" => Condition::Eq("host", value.split('@').next().unwrap_or_default().into()),
        "availability_zone" => Condition::Eq("availability_zone", value.into()),
        "size" => Condition::Eq("size_gib", value.parse::<i64>().map_err(|_| invalid(name, value))?.into()),
        "bootable" => {
            let bootable = match value.to_lowercase().as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(invalid(name, value)),
            };
            Condition::Eq("bootable", bootable.into())
        }
        "created_at" => time("created_at", value)?,
        "updated_at" => time("updated_at", value)?,
        "metadata" => {
            list.metadata.extend(metadata(value)?);
            return Ok(true);
        }
        _ => return Ok(false),
    };
    list.conditions.push(condition);
    Ok(true)
}

fn invalid(name: &str, value: &str) -> Error {
    Error::Invalid(format!("Invalid input received: {name} cannot be {value}."))
}

/// Plain characters for a LIKE pattern.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// A time with an operator before it, as `gte:2026-11-22T00:00:00`; several are separated by commas.
fn time(column: &'static str, value: &str) -> Result<Condition, Error> {
    let parts = value.split(',').map(|part| {
        let (operator, text) = match part.split_once(':') {
            Some((word @ ("gt" | "gte" | "lt" | "lte" | "eq" | "neq"), rest)) => (word, rest),
            _ => ("eq", part),
        };
        let at = Timestamp::parse(text).map_err(|_| invalid(column, value))?;
        Ok(match operator {
            "gt" => Condition::Gt(column, at.into()),
            "gte" => Condition::Gt(column, (at.0.saturating_sub(1)).into()),
            "lt" => Condition::Lt(column, at.into()),
            "lte" => Condition::Lt(column, (at.0.saturating_add(1)).into()),
            "neq" => Condition::Ne(column, at.into()),
            _ => Condition::Eq(column, at.into()),
        })
    });
    Ok(Condition::All(parts.collect::<Result<_, Error>>()?))
}

/// Metadata as JSON, or as Python prints a dictionary, which is what clients send.
fn metadata(value: &str) -> Result<Vec<(String, String)>, Error> {
    let parsed = serde_json::from_str(value).or_else(|_| serde_json::from_str(&value.replace('\'', "\"")));
    let Ok(Json::Object(fields)) = parsed else { return Err(invalid("metadata", value)) };
    let pairs = fields.into_iter().map(|(key, word)| match word {
        Json::String(text) => Ok((key, text)),
        _ => Err(invalid("metadata", value)),
    });
    pairs.collect()
}

/// The newest first, unless asked otherwise; the id settles what is equal.
fn order(request: &Request) -> Result<Vec<(&'static str, Direction)>, Error> {
    let mut asked = sort_of(request)?;
    let directions = request.queries("sort_dir").count();
    if request.query("sort").is_none() {
        if asked.is_empty() {
            let ascending = request.query("sort_dir") == Some("asc");
            let direction = if ascending { Direction::Asc } else { Direction::Desc };
            asked.push(("created_at".to_owned(), direction));
        } else if directions == 0 {
            asked.iter_mut().for_each(|(_, direction)| *direction = Direction::Desc);
        }
    } else {
        let parts = request.query("sort").unwrap_or_default().split(',').filter(|part| !part.is_empty());
        for ((_, direction), part) in asked.iter_mut().zip(parts) {
            if !part.contains(':') {
                *direction = Direction::Desc;
            }
        }
    }
    let mut order = Vec::with_capacity(asked.len() + 1);
    for (key, direction) in &asked {
        let known = SORTABLE.iter().find(|(name, _)| name == key);
        let (_, column) = known.ok_or_else(|| {
            Error::Invalid(format!("Invalid input received: Invalid sort keys provided: {key}."))
        })?;
        order.push((*column, *direction));
    }
    if !order.iter().any(|(column, _)| *column == "id") {
        let direction = asked.last().map_or(Direction::Desc, |(_, direction)| *direction);
        order.push(("id", direction));
    }
    Ok(order)
}

/// The address of the page that follows a volume, with the same filters.
pub(super) fn next(request: &Request, detailed: bool, last: VolumeId) -> String {
    let kept = request.query.iter().filter(|(name, _)| name != "marker");
    let mut pairs: Vec<String> =
        kept.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.push(format!("marker={last}"));
    let path = if detailed { "volumes/detail" } else { "volumes" };
    format!("{}/{path}?{}", base_of(request), pairs.join("&"))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:,".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
