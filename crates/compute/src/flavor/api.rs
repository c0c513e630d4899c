//! Flavors, their extra specs and their access lists over HTTP.

use std::cmp::Ordering;

use ::store::{Direction, Stored, Tx};
use policy::Target;
use rest::{Fields, InvalidBody, Reply, Request, Routes, sort_of};
use serde_json::{Value as Json, json};

use super::{Flavor, FlavorDraft, ops};
use crate::policy::RULES;
use crate::{Error, body, links, microversion};

/// The largest amount that Nova's schema takes.
const AMOUNT_MAX: i64 = 0x7fff_ffff;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/flavors", |request, tx| list(request, tx, false))
        .get("/flavors/detail", |request, tx| list(request, tx, true))
        .post("/flavors", create)
        .get("/flavors/{id}", show)
        .put("/flavors/{id}", update)
        .delete("/flavors/{id}", delete)
        .post("/flavors/{id}/action", act)
        .get("/flavors/{id}/os-flavor-access", list_access)
        .get("/flavors/{id}/os-extra_specs", list_extra_specs)
        .post("/flavors/{id}/os-extra_specs", create_extra_specs)
        .get("/flavors/{id}/os-extra_specs/{key}", show_extra_spec)
        .put("/flavors/{id}/os-extra_specs/{key}", update_extra_spec)
        .delete("/flavors/{id}/os-extra_specs/{key}", delete_extra_spec)
}

fn brief_view(flavor: &Flavor, request: &Request) -> Json {
    let mut view = json!({
        "id": flavor.id,
        "name": flavor.name,
        "links": links::of(request, "flavors", flavor.id.as_str()),
    });
    if request.version >= microversion::FLAVOR_DESCRIPTION {
        view["description"] = json!(flavor.description);
    }
    view
}

/// A flavor with everything.
pub(crate) fn show_view(flavor: &Flavor, request: &Request) -> Json {
    let version = request.version;
    let mut view = brief_view(flavor, request);
    view["ram"] = json!(flavor.ram_mib);
    view["vcpus"] = json!(flavor.vcpus);
    view["disk"] = json!(flavor.disk_gib);
    view["swap"] = match flavor.swap_mib {
        0 if version < microversion::STRICT_QUERIES => json!(""),
        swap_mib => json!(swap_mib),
    };
    view["OS-FLV-EXT-DATA:ephemeral"] = json!(flavor.ephemeral_gib);
    view["OS-FLV-DISABLED:disabled"] = json!(false);
    view["os-flavor-access:is_public"] = json!(flavor.is_public);
    view["rxtx_factor"] = json!(flavor.rxtx_factor);
    let project = request.caller().project_id().cloned();
    let target = Target { project_id: project.as_ref(), ..Target::default() };
    let may = RULES.allows("os_compute_api:os-flavor-extra-specs:index", request.caller(), &target);
    if version >= microversion::FLAVOR_EXTRA_SPECS && may {
        view["extra_specs"] = json!(flavor.extra_specs);
    }
    view
}

fn list(request: &Request, tx: &mut Tx<'_>, detail: bool) -> Result<Reply, Error> {
    if request.version >= microversion::STRICT_QUERIES {
        body::only_queries(
            request,
            &["limit", "marker", "is_public", "minRam", "minDisk", "sort_key", "sort_dir"],
        )?;
    }
    let is_public = match request.query("is_public") {
        None => Some(true),
        Some(word) if word.eq_ignore_ascii_case("none") => None,
        Some(word) => Some(
            body::flag_of(word)
                .ok_or_else(|| Error::Invalid(format!("Invalid is_public filter [{word}]")))?,
        ),
    };
    let least = |name: &str| match request.query(name) {
        None => Ok(0),
        Some(text) => {
            text.parse::<u64>().map_err(|_| Error::Invalid(format!("Invalid {name} filter [{text}]")))
        }
    };
    let (ram_min, disk_min) = (least("minRam")?, least("minDisk")?);
    let mut flavors = ops::list(request.caller(), tx, is_public)?;
    flavors.retain(|f| f.ram_mib >= ram_min && f.disk_gib >= disk_min);
    sort(&mut flavors, request)?;
    let flavors = links::cut(flavors, &links::page(request)?, |f| f.id.as_str())?;
    let view = |f: &Stored<Flavor>| if detail { show_view(f, request) } else { brief_view(f, request) };
    let mut answer = json!({"flavors": flavors.iter().map(view).collect::<Vec<_>>()});
    let path = if detail { "flavors/detail" } else { "flavors" };
    if let Some(next) = links::next(request, path, flavors.len(), flavors.last().map(|f| f.id.as_str())) {
        answer["flavors_links"] = next;
    }
    Ok(Reply::ok(answer))
}

fn sort(flavors: &mut [Stored<Flavor>], request: &Request) -> Result<(), Error> {
    let mut keys = sort_of(request)?;
    if keys.is_empty() {
        keys.push(("flavorid".to_owned(), Direction::Asc));
    }
    for (key, _) in &keys {
        compare(key, None).map_err(|()| {
            Error::Invalid(format!(
                "Invalid input for query parameters sort_key. {key} is not one of the sort keys"
            ))
        })?;
    }
    flavors.sort_by(|a, b| {
        let orders = keys.iter().map(|(key, direction)| {
            let order = compare(key, Some((a, b))).unwrap_or(Ordering::Equal);
            if *direction == Direction::Desc { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then).then_with(|| a.id.cmp(&b.id))
    });
    Ok(())
}

/// Compares two flavors by a sort key of Nova's; without flavors it tells whether the key is one.
fn compare(key: &str, pair: Option<(&Flavor, &Flavor)>) -> Result<Ordering, ()> {
    let by = |order: fn(&Flavor, &Flavor) -> Ordering| Ok(pair.map_or(Ordering::Equal, |(a, b)| order(a, b)));
    match key {
        "flavorid" | "id" => by(|a, b| a.id.cmp(&b.id)),
        "name" => by(|a, b| a.name.cmp(&b.name)),
        "memory_mb" => by(|a, b| a.ram_mib.cmp(&b.ram_mib)),
        "vcpus" => by(|a, b| a.vcpus.cmp(&b.vcpus)),
        "root_gb" => by(|a, b| a.disk_gib.cmp(&b.disk_gib)),
        "ephemeral_gb" => by(|a, b| a.ephemeral_gib.cmp(&b.ephemeral_gib)),
        "swap" => by(|a, b| a.swap_mib.cmp(&b.swap_mib)),
        "created_at" | "updated_at" => by(|a, b| a.created_at.cmp(&b.created_at)),
        "is_public" => by(|a, b| a.is_public.cmp(&b.is_public)),
        "description" => by(|a, b| a.description.cmp(&b.description)),
        "disabled" | "vcpu_weight" | "rxtx_factor" => by(|_, _| Ordering::Equal),
        _ => Err(()),
    }
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("flavor")?;
    let amount = |fields: &mut Fields, name: &str, min: i64| {
        let value = fields.int_in(name, min, AMOUNT_MAX)?;
        Ok::<_, InvalidBody>(value.map(|n| u64::try_from(n).unwrap_or(0)))
    };
    let required = |fields: &mut Fields, name: &str, min: i64| {
        amount(fields, name, min)?.ok_or_else(|| fields.error(name, "is required"))
    };
    let id = match fields.take("id") {
        None | Some(Json::Null) => None,
        Some(Json::Number(number)) => Some(number.to_string()),
        Some(Json::String(text)) => Some(text),
        Some(_) => return Err(fields.error("id", "is not a string").into()),
    };
    // The client's own word for "choose one".
    let id = id.filter(|id| id != "auto");
    if let Some(id) = &id {
        let plain = |c: char| c.is_ascii_alphanumeric() || ". _-".contains(c);
        if id.is_empty() || id.len() > 255 || id.trim() != id || !id.chars().all(plain) {
            return Err(fields
                .error("id", "has other characters than letters, digits, dots, blanks and dashes")
                .into());
        }
    }
    let draft = FlavorDraft {
        id: id.map(|id| id.as_str().into()),
        name: body::name(&mut fields, "name")?.ok_or_else(|| fields.error("name", "is required"))?,
        vcpus: u32::try_from(required(&mut fields, "vcpus", 1)?).unwrap_or(u32::MAX),
        ram_mib: required(&mut fields, "ram", 1)?,
        disk_gib: required(&mut fields, "disk", 0)?,
        ephemeral_gib: amount(&mut fields, "OS-FLV-EXT-DATA:ephemeral", 0)?.unwrap_or(0),
        swap_mib: amount(&mut fields, "swap", 0)?.unwrap_or(0),
        rxtx_factor: factor(&mut fields)?,
        is_public: fields.flag("os-flavor-access:is_public")?.unwrap_or(true),
        description: match request.version >= microversion::FLAVOR_DESCRIPTION {
            true => body::description(&mut fields, 65535)?.flatten(),
            false => None,
        },
    };
    fields.finish()?;
    let flavor = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::ok(json!({"flavor": show_view(&flavor, request)})))
}

fn factor(fields: &mut Fields) -> Result<f64, InvalidBody> {
    let value = match fields.take("rxtx_factor") {
        None => return Ok(1.0),
        Some(Json::Number(number)) => number.as_f64(),
        Some(Json::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let value = value.filter(|n| *n > 0.0 && *n <= 3.402_82e38);
    value.ok_or_else(|| fields.error("rxtx_factor", "is not a positive number"))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let flavor = ops::load(request.caller(), tx, request.param("id"))?;
    Ok(Reply::ok(json!({"flavor": show_view(&flavor, request)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    if request.version < microversion::FLAVOR_DESCRIPTION {
        return Err(body::no_such_route());
    }
    let mut fields = request.fields("flavor")?;
    let description = body::description(&mut fields, 65535)?
        .ok_or_else(|| InvalidBody::at("description", "is required"))?;
    fields.finish()?;
    let flavor = ops::describe(request.caller(), tx, request.param("id"), description)?;
    Ok(Reply::ok(json!({"flavor": show_view(&flavor, request)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(202))
}

fn access_view(flavor: &Flavor) -> Json {
    let views = flavor.access.iter().map(|project| json!({"flavor_id": flavor.id, "tenant_id": project}));
    json!({"flavor_access": views.collect::<Vec<_>>()})
}

fn act(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut top = Fields::new("", request.json()?)?;
    let (mut fields, open) = match (top.object("addTenantAccess")?, top.object("removeTenantAccess")?) {
        (Some(fields), None) => (fields, true),
        (None, Some(fields)) => (fields, false),
        _ => return Err(Error::Invalid("There is no such action: the body names none".to_owned())),
    };
    top.finish()?;
    let project = fields.required_text("tenant")?;
    fields.finish()?;
    let flavor = ops::set_access(request.caller(), tx, request.param("id"), &project, open)?;
    Ok(Reply::ok(access_view(&flavor)))
}

fn list_access(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("os_compute_api:os-flavor-access", request.caller(), &Target::default())?;
    let flavor = ops::load(request.caller(), tx, request.param("id"))?;
    if flavor.is_public {
        return Err(Error::NotFound("Access list not available for public flavors.".to_owned()));
    }
    Ok(Reply::ok(access_view(&flavor)))
}

fn list_extra_specs(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let flavor = ops::load(request.caller(), tx, request.param("id"))?;
    Ok(Reply::ok(json!({"extra_specs": flavor.extra_specs})))
}

fn show_extra_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, key) = (request.param("id"), request.param("key"));
    let flavor = ops::load(request.caller(), tx, id)?;
    let value = flavor.extra_specs.get(key).ok_or_else(|| ops::no_extra_spec(id, key))?;
    Ok(Reply::ok(json!({key: value})))
}

/// Extra specs may be given as numbers.
fn specs_of(fields: Fields) -> Result<Vec<(String, String)>, Error> {
    let pairs = fields.into_left().into_iter().map(|(key, value)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_:. ".contains(c);
        let value = match value {
            Json::String(text) => text,
            Json::Number(number) => number.to_string(),
            _ => return Err(InvalidBody::at(key, "is neither a string nor a number").into()),
        };
        if key.is_empty() || key.len() > 255 || value.chars().count() > 255 || !key.chars().all(plain) {
            return Err(InvalidBody::at(
                key,
                "is longer than 255 characters or has others than letters, digits and - _ : . blank",
            )
            .into());
        }
        Ok((key, value))
    });
    pairs.collect()
}

fn create_extra_specs(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let specs = specs_of(request.fields("extra_specs")?)?;
    ops::set_extra_specs(request.caller(), tx, request.param("id"), specs)?;
    Ok(Reply::ok(request.json()?))
}

fn update_extra_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let specs = specs_of(Fields::new("", request.json()?)?)?;
    if specs.len() != 1 || specs[0].0 != request.param("key") {
        return Err(Error::Invalid("Request body and URI mismatch".to_owned()));
    }
    ops::set_extra_specs(request.caller(), tx, request.param("id"), specs)?;
    Ok(Reply::ok(request.json()?))
}

fn delete_extra_spec(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::remove_extra_spec(request.caller(), tx, request.param("id"), request.param("key"))?;
    Ok(Reply::empty(200))
}
