//! Subnet pools over HTTP.

use policy::Caller;
use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};
use types::IpNet;

use super::model::LengthsWish;
use super::{SubnetPool, SubnetPoolChange, SubnetPoolDraft, ops};
use crate::api::{self, finish, take_label, take_project};
use crate::{Error, resource};

pub(crate) fn routes() -> Routes {
    let one = &api::path::<SubnetPool>("/{id}");
    Routes::new()
        .get(&api::path::<SubnetPool>(""), list)
        .post(&api::path::<SubnetPool>(""), create)
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    api::listed(request, tx, ops::scope(request.caller()), &[("id", "id"), ("name", "name")], view)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let create = |tx: &mut Tx<'_>, fields| ops::create(request.caller(), tx, draft(fields)?);
    api::create_each(request, tx, create, view)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let pool = found(request, tx)?;
    api::shown(request, tx, &pool, view)
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = api::change_fields::<SubnetPool>(request)?;
    let change = wish(&mut fields)?;
    finish(fields)?;
    let pool = found(request, tx)?;
    api::check_revision(request, &pool)?;
    let pool = ops::update(request.caller(), tx, pool, change)?;
    api::shown(request, tx, &pool, view)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let pool = found(request, tx)?;
    api::check_revision(request, &pool)?;
    ops::delete(request.caller(), tx, &pool)?;
    Ok(Reply::empty(204))
}

fn found(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<SubnetPool>, Error> {
    ops::show(request.caller(), tx, resource::id::<SubnetPool, _>(request.param("id"))?)
}

fn draft(mut fields: Fields) -> Result<SubnetPoolDraft, Error> {
    let draft = SubnetPoolDraft {
        project_id: take_project(&mut fields)?,
        shared: fields.flag("shared")?.unwrap_or(false),
        wish: wish(&mut fields)?,
    };
    finish(fields)?;
    Ok(draft)
}

fn wish(fields: &mut Fields) -> Result<SubnetPoolChange, Error> {
    let mut length = |name: &str| -> Result<Option<u8>, Error> {
        let length = fields.int_in(name, 0, 128)?;
        Ok(length.map(|length| u8::try_from(length).unwrap_or(0)))
    };
    let lengths = LengthsWish {
        min: length("min_prefixlen")?,
        max: length("max_prefixlen")?,
        default: length("default_prefixlen")?,
    };
    let default_quota = match fields.take("default_quota") {
        None => None,
        Some(Json::Null) => Some(None),
        Some(value) => {
            let number = value.as_i64().filter(|n| *n >= 0);
            let bad = || Error::invalid("default_quota", format!("'{value}' is not a non-negative integer"));
            Some(Some(number.ok_or_else(bad)?))
        }
    };
    if let Some(scope) = fields.text("address_scope_id")? {
        return Err(Error::invalid("address_scope_id", format!("there is no address scope {scope}")));
    }
    Ok(SubnetPoolChange {
        label: take_label(fields)?,
        prefixes: prefixes(fields)?,
        lengths,
        default_quota,
        is_default: fields.flag("is_default")?,
    })
}

fn prefixes(fields: &mut Fields) -> Result<Option<Vec<IpNet>>, Error> {
    let Some(texts) = fields.texts("prefixes")? else { return Ok(None) };
    let parsed = texts.into_iter().map(|text| {
        api::parse_prefix(&text)
            .ok_or_else(|| Error::invalid("prefixes", format!("'{text}' is not a valid IP subnet")))
    });
    parsed.collect::<Result<_, _>>().map(Some)
}

/// What clients see of a pool.
pub(crate) fn view(_caller: &Caller, _tx: &mut Tx<'_>, pool: &Stored<SubnetPool>) -> Result<Json, Error> {
    let own = json!({
        "id": pool.id,
        "prefixes": pool.prefixes,
        "ip_version": pool.family().version(),
        "min_prefixlen": pool.lengths.min,
        "max_prefixlen": pool.lengths.max,
        "default_prefixlen": pool.lengths.default,
        "default_quota": pool.default_quota,
        "shared": pool.shared,
        "is_default": pool.is_default,
        "address_scope_id": null,
    });
    Ok(api::with_standard(pool, own))
}
