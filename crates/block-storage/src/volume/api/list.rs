//! The query of a list: filters, order and page.

use rest::{Microversion, Request};
use store::Condition;
use types::{Timestamp, VolumeId};

use crate::error::Error;
use crate::list::{Paging, escaped, pairs};
use crate::volume::ops::VolumeList;

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
    let page = Paging::of(request, &SORTABLE)?;
    let marker = match &page.marker {
        None => None,
        Some(text) => Some(text.parse::<VolumeId>().map_err(|_| Error::no_volume(text))?),
    };
    let mut list = VolumeList {
        order: page.order,
        marker,
        offset: page.offset as usize,
        limit: Some(page.limit),
        ..VolumeList::default()
    };
    let mut unknown = Vec::new();
    for (name, value) in &request.query {
        match name.as_str() {
            "limit" | "marker" | "offset" | "sort" | "sort_key" | "sort_dir" | "with_count" => {}
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
        "group_id" => Condition::Eq("group_id", value.into()),
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
            list.metadata.extend(pairs("metadata", value)?);
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
