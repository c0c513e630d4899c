//! The query of a list of snapshots: filters, order and page.

use rest::{Microversion, Request};
use store::Condition;

use crate::error::Error;
use crate::filters::refuse_unknown;
use crate::list::{Paging, Sortable, escaped, pairs};
use crate::snapshot::ops::SnapshotList;

/// The first microversion that finds snapshots by metadata.
const METADATA: Microversion = Microversion(3, 22);
/// From here on users hear of filters that are none.
const STRICT: Microversion = Microversion(3, 31);
/// From here on `name~` finds parts of names.
const LIKE: Microversion = Microversion(3, 34);

/// Sort keys and their columns.
const SORTABLE: Sortable = &[
    ("id", "id"),
    ("name", "name"),
    ("display_name", "name"),
    ("description", "description"),
    ("status", "status"),
    ("volume_id", "volume_id"),
    ("volume_size", "size_gib"),
    ("project_id", "project_id"),
    ("user_id", "user_id"),
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
];
/// Filters and their columns.
const FILTERS: Sortable = &[
    ("id", "id"),
    ("name", "name"),
    ("display_name", "name"),
    ("description", "description"),
    ("status", "status"),
    ("volume_id", "volume_id"),
    ("project_id", "project_id"),
    ("user_id", "user_id"),
];
/// What of these users may use; of what others may they ask in vain.
const OPEN: [&str; 4] = ["name", "display_name", "status", "volume_id"];

/// Reads the query of a list.
pub(super) fn query(request: &Request) -> Result<(SnapshotList, Paging), Error> {
    let admin = request.caller().is_admin();
    if request.version >= STRICT && !admin {
        refuse_unknown(request, "snapshot")?;
    }
    let mut list = SnapshotList::default();
    for (name, value) in &request.query {
        let like = name.strip_suffix('~').filter(|_| request.version >= LIKE);
        let plain = like.unwrap_or(name);
        match name.as_str() {
            "all_tenants" => list.all_projects = crate::api::asked(request, "all_tenants")?,
            "metadata" if request.version >= METADATA => list.metadata.extend(pairs("metadata", value)?),
            _ if !admin && !OPEN.contains(&plain) => {}
            _ => {
                let column = FILTERS.iter().find(|(known, _)| *known == plain).map(|(_, column)| *column);
                let Some(column) = column else { continue };
                list.conditions.push(match like {
                    Some(_) => Condition::Like(column, format!("%{}%", escaped(value))),
                    None => Condition::Eq(column, value.as_str().into()),
                });
            }
        }
    }
    Ok((list, Paging::counted_of(request, SORTABLE)?))
}
