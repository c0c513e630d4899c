//! The query of a list: filters, order and page.

use rest::{Microversion, Request};
use store::Condition;

use crate::error::Error;
use crate::filters::{invalid, is_no_filter, nothing, refuse_unknown, time};
use crate::list::{Paging, escaped, pairs};
use crate::volume::ops::{Trait, VolumeList};

/// From here on users hear of filters that are none.
const STRICT: Microversion = Microversion(3, 31);
/// What users could filter by before; what else they asked was ignored.
const OPEN: [&str; 6] = ["name", "status", "metadata", "bootable", "availability_zone", "group_id"];

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
pub(super) fn query(request: &Request) -> Result<(VolumeList, Paging), Error> {
    let mut list = VolumeList::default();
    let admin = request.caller().is_admin();
    if request.version >= STRICT && !admin {
        refuse_unknown(request, "volume")?;
    }
    for (name, value) in &request.query {
        let ignored = !admin && request.version < STRICT && !OPEN.contains(&name.as_str());
        match name.as_str() {
            "all_tenants" => list.all_projects = !matches!(value.to_lowercase().as_str(), "0" | "false"),
            _ if ignored || is_no_filter(name) => {}
            _ => filter(&mut list, name, value)?,
        }
    }
    Ok((list, Paging::counted_of(request, &SORTABLE)?))
}

/// Takes one filter. What no volume has, none has with this value.
fn filter(list: &mut VolumeList, name: &str, value: &str) -> Result<(), Error> {
    let equal = |column| Condition::Eq(column, value.into());
    let condition = match name {
        "name" | "display_name" => equal("name"),
        "name~" | "display_name~" => Condition::Like("name", format!("%{}%", escaped(value))),
        "id" => equal("id"),
        "status" => Condition::Eq("status", value.to_lowercase().into()),
        "migration_status" => equal("migration_status"),
        "attach_status" if value == "detached" => Condition::Ne("attach_status", "attached".into()),
        "attach_status" => equal("attach_status"),
        "project_id" | "tenant_id" => equal("project_id"),
        "volume_type_id" => equal("volume_type_id"),
        "group_id" => equal("group_id"),
        // Of `host@backend#pool` the host decides.
        "host" => Condition::Eq("host", value.split('@').next().unwrap_or_default().into()),
        "availability_zone" => equal("availability_zone"),
        "size" => match value.parse::<i64>() {
            Ok(size) => Condition::Eq("size_gib", size.into()),
            Err(_) => nothing(),
        },
        "bootable" => Condition::Eq("bootable", flag(name, value)?.into()),
        // Every volume counts.
        "consumes_quota" | "use_quota" if flag(name, value)? => return Ok(()),
        "multiattach" => {
            list.traits.push(Trait::Multiattach(flag(name, value)?));
            return Ok(());
        }
        "created_at" => time("created_at", value)?,
        "updated_at" => time("updated_at", value)?,
        "user_id" => {
            list.traits.push(Trait::User(value.to_owned()));
            return Ok(());
        }
        "metadata" | "glance_metadata" => match pairs(name, value) {
            Ok(words) => {
                let of = if name == "metadata" { Trait::Word } else { Trait::ImageWord };
                list.traits.extend(words.into_iter().map(|(key, word)| of(key, word)));
                return Ok(());
            }
            Err(_) => nothing(),
        },
        _ => nothing(),
    };
    list.conditions.push(condition);
    Ok(())
}

fn flag(name: &str, value: &str) -> Result<bool, Error> {
    match value.to_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(invalid(name, value)),
    }
}
