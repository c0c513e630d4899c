//! By what lists can be filtered: what `resource_filters` answers, and what a list that is strict about it refuses.

use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Condition, Tx};
use types::Timestamp;

use crate::api::since;
use crate::error::Error;
use crate::list::{Sortable, escaped};

/// The first microversion that tells them.
const FIRST: Microversion = Microversion(3, 33);
/// From here on users hear of filters that are none.
const STRICT: Microversion = Microversion(3, 31);
/// From here on `name~` finds parts of names.
const LIKE: Microversion = Microversion(3, 34);

/// The filters of each kind of thing, as Cinder comes configured.
const FILTERS: [(&str, &[&str]); 9] = [
    ("attachment", &["volume_id", "status", "instance_id", "attach_status"]),
    ("backup", &["name", "status", "volume_id"]),
    ("group", &["name"]),
    ("group_snapshot", &["name", "status", "group_id"]),
    ("message", &["resource_uuid", "resource_type", "event_id", "request_id", "message_level"]),
    ("pool", &["name", "volume_type"]),
    ("snapshot", &["name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"]),
    (
        "volume",
        &[
            "name",
            "status",
            "metadata",
            "bootable",
            "migration_status",
            "availability_zone",
            "group_id",
            "size",
            "created_at",
            "updated_at",
            "consumes_quota",
        ],
    ),
    ("volume_type", &["is_public", "extra_specs"]),
];

/// Parameters that say how a list comes, and filter nothing.
const NO_FILTERS: [&str; 10] = [
    "limit",
    "marker",
    "offset",
    "sort",
    "sort_key",
    "sort_dir",
    "with_count",
    "all_tenants",
    "detail",
    "list_volume",
];

/// Whether a parameter of this name filters nothing.
pub(crate) fn is_no_filter(name: &str) -> bool {
    NO_FILTERS.contains(&name)
}

/// The route that tells them.
pub(crate) fn routes() -> Routes {
    Routes::new().get("/resource_filters", since(FIRST, index))
}

fn index(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let wanted = request.query("resource");
    let found = FILTERS.iter().filter(|(resource, _)| wanted.is_none_or(|wanted| wanted == *resource));
    let views: Vec<Json> =
        found.map(|(resource, filters)| json!({"resource": resource, "filters": filters})).collect();
    Ok(Reply::ok(json!({"resource_filters": views})))
}

/// The conditions of a list's filters, each of which is a column. What is no column nothing has, with any value.
pub(crate) fn conditions(
    request: &Request,
    resource: &str,
    columns: Sortable,
) -> Result<Vec<Condition>, Error> {
    if request.version >= STRICT && !request.caller().is_admin() {
        refuse_unknown(request, resource)?;
    }
    columns_of(request, columns)
}

/// The same for a list that is not strict about it.
pub(crate) fn columns_of(request: &Request, columns: Sortable) -> Result<Vec<Condition>, Error> {
    let asked = request.query.iter().filter(|(name, _)| !is_no_filter(name));
    let conditions = asked.map(|(name, value)| {
        let like = name.strip_suffix('~').filter(|_| request.version >= LIKE);
        let plain = like.unwrap_or(name);
        let column = columns.iter().find(|(known, _)| *known == plain).map(|(_, column)| *column);
        Ok(match (column, like) {
            // A time has no parts.
            (Some(column), Some(_)) if is_time(column) => nothing(),
            (Some(column), Some(_)) => Condition::Like(column, format!("%{}%", escaped(value))),
            (Some(column), None) if is_time(column) => time(column, value)?,
            (Some(column), None) => Condition::Eq(column, value.as_str().into()),
            (None, _) => nothing(),
        })
    });
    conditions.collect()
}

/// What nothing is like.
pub(crate) fn nothing() -> Condition {
    Condition::Any(Vec::new())
}

fn is_time(column: &str) -> bool {
    column.ends_with("_at")
}

/// A time with an operator before it, as `gte:2026-11-22T00:00:00`; several are separated by commas.
pub(crate) fn time(column: &'static str, value: &str) -> Result<Condition, Error> {
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

/// That a filter cannot have this value.
pub(crate) fn invalid(name: &str, value: &str) -> Error {
    Error::Invalid(format!("Invalid input received: {name} cannot be {value}."))
}

/// Refuses a query with a filter that a kind of thing does not have. To find parts of names would have to be configured, as
/// in Cinder; it is the administrators'.
pub(crate) fn refuse_unknown(request: &Request, resource: &str) -> Result<(), Error> {
    let known = FILTERS.iter().find(|(known, _)| *known == resource).map_or(&[][..], |(_, known)| *known);
    let is_known = |name: &str| is_no_filter(name) || known.contains(&name);
    let names = request.query.iter().map(|(name, _)| name.as_str());
    let unknown: Vec<&str> = names.filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let text = format!("Invalid filters {} are found in query options.", unknown.join(","));
    Err(Error::Invalid(text))
}
