//! The query of a list: filters, order and page.

use rest::{Request, sort_of};
use store::{Condition, Direction, Value};
use types::{ImageId, Timestamp};

use crate::api::{LIMIT_DEFAULT, limit};
use crate::error::Error;
use crate::image::Visibility;
use crate::image::ops::ImageList;
use crate::member::MemberStatus;

/// Sort keys and their columns.
const SORTABLE: [(&str, &str); 8] = [
    ("name", "name"),
    ("status", "status"),
    ("container_format", "container_format"),
    ("disk_format", "disk_format"),
    ("size", "size_bytes"),
    ("id", "id"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];

/// Reads the query of a list.
pub(super) fn query(request: &Request) -> Result<ImageList, Error> {
    let marker = match request.query("marker").filter(|marker| !marker.is_empty()) {
        None => None,
        Some(text) => {
            let unknown = |_| Error::Invalid(format!("No image found with ID {text}"));
            Some(text.parse::<ImageId>().map_err(unknown)?)
        }
    };
    let mut list = ImageList {
        order: order(request)?,
        marker,
        limit: limit(request)?.unwrap_or(LIMIT_DEFAULT),
        member_status: Some(MemberStatus::Accepted),
        ..ImageList::default()
    };
    let mut hidden = false;
    for (name, value) in &request.query {
        match name.as_str() {
            "limit" | "marker" | "sort" | "sort_key" | "sort_dir" => {}
            "os_hidden" => hidden = flag(name, &value.to_lowercase())?,
            "changes-since" if !value.is_empty() => {
                let text = "The \"changes-since\" filter is no longer available on v2.";
                return Err(Error::Invalid(text.to_owned()));
            }
            _ => filter(&mut list, name, value)?,
        }
    }
    list.conditions.push(Condition::Eq("hidden", hidden.into()));
    Ok(list)
}

fn filter(list: &mut ImageList, name: &str, value: &str) -> Result<(), Error> {
    let condition = match name {
        "name" => words("name", value)?,
        "id" => words("id", value)?,
        "status" => words("status", value)?,
        "container_format" => words("container_format", value)?,
        "disk_format" => words("disk_format", value)?,
        "owner" => Condition::Eq("owner", value.into()),
        "protected" => Condition::Eq("protected", flag(name, value)?.into()),
        "size" => Condition::Eq("size_bytes", number(name, value)?.into()),
        // Whatever is asked for, it finds only what has bytes.
        "size_min" => at_least("size_bytes", bound(name, value)?.max(0)),
        "size_max" => Condition::All(vec![
            at_least("size_bytes", 0),
            Condition::Lt("size_bytes", bound(name, value)?.saturating_add(1).into()),
        ]),
        "min_disk" => Condition::Eq("min_disk_gib", number(name, value)?.into()),
        "min_ram" => Condition::Eq("min_ram_mib", number(name, value)?.into()),
        "created_at" => time("created_at", value)?,
        "updated_at" => time("updated_at", value)?,
        "visibility" => {
            visibility(list, value)?;
            return Ok(());
        }
        "member_status" => {
            list.member_status = match value {
                "all" => None,
                word => Some(word.parse().map_err(|()| Error::Invalid(format!("Invalid status: {word}")))?),
            };
            return Ok(());
        }
        "tag" => {
            list.tags.push(value.to_owned());
            return Ok(());
        }
        "checksum" | "os_hash_value" => {
            list.hashes.push(value.to_owned());
            return Ok(());
        }
        _ => {
            list.properties.push((name.to_owned(), value.to_owned()));
            return Ok(());
        }
    };
    list.conditions.push(condition);
    Ok(())
}

fn visibility(list: &mut ImageList, word: &str) -> Result<(), Error> {
    if word == "all" {
        list.community = true;
        return Ok(());
    }
    let unknown = |()| Error::Invalid(format!("Invalid visibility value: {word}"));
    let visibility: Visibility = word.parse().map_err(unknown)?;
    list.visibility = Some(visibility);
    Ok(())
}

/// One word, or `in:` and several, of which each may be quoted.
fn words(column: &'static str, value: &str) -> Result<Condition, Error> {
    let Some(list) = value.strip_prefix("in:") else {
        return Ok(Condition::Eq(column, value.strip_prefix("eq:").unwrap_or(value).into()));
    };
    let mut words: Vec<Value> = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| {
                Error::Invalid(format!("Invalid filter value {value}. The quote is not closed."))
            })?,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        words.push(word.into());
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => {
                let text =
                    format!("Invalid filter value {value}. There is no comma after the closing quote.");
                return Err(Error::Invalid(text));
            }
        };
    }
    Ok(Condition::In(column, words))
}

/// A time, with an operator before it. Times are given in seconds and kept in microseconds.
fn time(column: &'static str, value: &str) -> Result<Condition, Error> {
    let (operator, text) = match value.split_once(':') {
        Some((word @ ("gt" | "gte" | "lt" | "lte" | "eq" | "neq"), rest)) => (word, rest),
        Some(_) | None => ("eq", value),
    };
    let invalid = |_| Error::Invalid(format!("Invalid time format: {text}."));
    let from = Timestamp::parse(text).map_err(invalid)?.0;
    let until = from.saturating_add(1_000_000);
    let less = |than: i64| Condition::Lt(column, than.into());
    Ok(match operator {
        "gt" => at_least(column, until),
        "gte" => at_least(column, from),
        "lt" => less(from),
        "lte" => less(until),
        "neq" => Condition::Any(vec![less(from), at_least(column, until)]),
        _ => Condition::All(vec![at_least(column, from), less(until)]),
    })
}

fn at_least(column: &'static str, number: i64) -> Condition {
    Condition::Gt(column, number.saturating_sub(1).into())
}

fn number(name: &str, value: &str) -> Result<i64, Error> {
    let number = value.parse().ok().filter(|n| *n >= 0);
    number.ok_or_else(|| {
        Error::Invalid(format!("Invalid value for {name}: {value} is not a number of at least 0"))
    })
}

/// A number that others are compared with, so that it need not be one that they can be.
fn bound(name: &str, value: &str) -> Result<i64, Error> {
    value.parse().map_err(|_| Error::Invalid(format!("Invalid value for {name}: {value} is not a number")))
}

fn flag(name: &str, value: &str) -> Result<bool, Error> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::Invalid(format!(
            "Invalid value '{value}' for '{name}' filter. Valid values are 'true' or 'false'."
        ))),
    }
}

/// The newest first, unless asked otherwise; the id settles what is equal.
fn order(request: &Request) -> Result<Vec<(&'static str, Direction)>, Error> {
    let asked = match request.query("sort_key") {
        // `sort_dir` alone turns the default order round.
        None if request.query("sort").is_none() => {
            sort(request)?;
            let ascending = request.query("sort_dir") == Some("asc");
            vec![("created_at".to_owned(), if ascending { Direction::Asc } else { Direction::Desc })]
        }
        _ => sort(request)?,
    };
    let mut order = Vec::with_capacity(asked.len() + 1);
    for (key, direction) in &asked {
        let known = SORTABLE.iter().find(|(name, _)| name == key);
        let (_, column) = known.ok_or_else(|| {
            let names: Vec<&str> = SORTABLE.iter().map(|(name, _)| *name).collect();
            Error::Invalid(format!(
                "Invalid sort key: {key}. It must be one of the following: {}.",
                names.join(", ")
            ))
        })?;
        order.push((*column, *direction));
    }
    if !order.iter().any(|(column, _)| *column == "id") {
        let direction = asked.last().map_or(Direction::Desc, |(_, direction)| *direction);
        order.push(("id", direction));
    }
    Ok(order)
}

/// Glance sorts downwards where no direction is said.
fn sort(request: &Request) -> Result<Vec<(String, Direction)>, Error> {
    let older = request.query("sort_key").is_some() || request.query("sort_dir").is_some();
    if older && request.query("sort").is_some() {
        return Err(Error::Invalid("Old and new sorting syntax cannot be combined".to_owned()));
    }
    let newer = request.query("sort").into_iter().flat_map(|sort| sort.split(','));
    let directions = newer.filter_map(|part| part.split_once(':')).map(|(_, direction)| direction);
    for direction in directions.chain(request.queries("sort_dir")) {
        if !["asc", "desc"].contains(&direction.trim()) {
            return Err(Error::Invalid(format!("Invalid sort direction: {direction}")));
        }
    }
    let mut sorted = sort_of(request)?;
    let directions = request.queries("sort_dir").count();
    match request.query("sort") {
        Some(sort) => {
            let parts = sort.split(',').filter(|part| !part.is_empty());
            for ((_, direction), part) in sorted.iter_mut().zip(parts) {
                if !part.contains(':') {
                    *direction = Direction::Desc;
                }
            }
        }
        None if directions == 0 => sorted.iter_mut().for_each(|(_, direction)| *direction = Direction::Desc),
        // One direction counts for all keys.
        None if directions == 1 => {
            let first = sorted.first().map_or(Direction::Desc, |(_, direction)| *direction);
            sorted.iter_mut().for_each(|(_, direction)| *direction = first);
        }
        None if directions != sorted.len() => {
            let text = "Number of sort dirs does not match the number of sort keys";
            return Err(Error::Invalid(text.to_owned()));
        }
        None => {}
    }
    Ok(sorted)
}
