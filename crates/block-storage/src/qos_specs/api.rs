//! QoS specs over HTTP.

use std::collections::BTreeMap;

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Condition, Tx};

use super::model::QosChange;
use super::{Consumer, QosSpecs, ops};
use crate::api::{asked, links_of, own, sole_fields, specs_in, word};
use crate::error::Error;
use crate::list::{Paging, Sortable, next_links};

/// The longest name.
const NAME_CHARS_MAX: usize = 255;
/// The longest key to take away.
const KEY_CHARS_MAX: usize = 255;

/// Sort keys and their columns.
const SORTABLE: Sortable =
    &[("id", "id"), ("name", "name"), ("consumer", "consumer"), ("created_at", "created_at")];

/// The routes of QoS specs. Some that write are GETs, as Cinder has them.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/qos-specs", own(index))
        .post("/qos-specs", own(create))
        .get("/qos-specs/{id}", own(show))
        .put("/qos-specs/{id}", own(update))
        .delete("/qos-specs/{id}", own(delete))
        .put("/qos-specs/{id}/delete_keys", own(delete_keys))
        .get("/qos-specs/{id}/associations", own(associations))
        .write(rest::Method::GET, "/qos-specs/{id}/associate", own(associate))
        .write(rest::Method::GET, "/qos-specs/{id}/disassociate", own(disassociate))
        .write(rest::Method::GET, "/qos-specs/{id}/disassociate_all", own(disassociate_all))
}

fn view(known: &QosSpecs) -> Json {
    json!({"id": known.id, "name": known.name, "consumer": known.consumer.name(), "specs": known.specs})
}

fn one(request: &Request, known: &QosSpecs) -> Reply {
    Reply::ok(json!({"qos_specs": view(known), "links": links_of(request, "qos-specs", known.id)}))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let paging = Paging::of(request, SORTABLE)?;
    let mut conditions = Vec::new();
    for (name, value) in &request.query {
        conditions.push(match name.as_str() {
            "limit" | "marker" | "offset" | "sort" | "sort_key" | "sort_dir" => continue,
            "id" => Condition::Eq("id", value.as_str().into()),
            "name" => Condition::Eq("name", value.as_str().into()),
            "consumer" => Condition::Eq("consumer", value.as_str().into()),
            // What no QoS specs have, none can have with this value.
            _ => Condition::Any(Vec::new()),
        });
    }
    let found = ops::list(request.caller(), tx, conditions, &paging)?;
    let views: Vec<Json> = found.iter().map(view).collect();
    let mut body = json!({"qos_specs": views});
    if let Some(links) = next_links(request, "qos-specs", found.len(), found.last().map(|last| last.id)) {
        body["qos_specs_links"] = links;
    }
    Ok(Reply::ok(body))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "qos_specs")?;
    let name = fields.required_text("name")?.trim().to_owned();
    let length = name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        let what = if length == 0 { "empty" } else { "greater than 255 characters" };
        let text = format!("An invalid 'name' value was provided. The 'name' can not be {what}.");
        return Err(Error::Invalid(text));
    }
    let consumer = consumer(&mut fields)?.unwrap_or(Consumer::BackEnd);
    let mut specs = BTreeMap::new();
    for (key, value) in fields.into_left() {
        let (key, value) = match value {
            Json::Null => (word("qos_specs", key, "".into())?.0, None),
            value => word("qos_specs", key, value).map(|(key, value)| (key, Some(value)))?,
        };
        specs.insert(key, value);
    }
    let id = runtime::new_uuid().into();
    let draft = QosSpecs { id, name, consumer, specs, created_at: tx.now() };
    Ok(one(request, &*ops::create(request.caller(), tx, draft)?))
}

fn consumer(fields: &mut Fields) -> Result<Option<Consumer>, Error> {
    let Some(value) = fields.take("consumer") else { return Ok(None) };
    let text = "Invalid qos specs: Valid consumer of QoS specs are: ['back-end', 'front-end', 'both']";
    let known = value.as_str().and_then(Consumer::of_name);
    known.map(Some).ok_or_else(|| Error::Invalid(text.to_owned()))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(one(request, &*ops::show(request.caller(), tx, request.param("id"))?))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "qos_specs")?;
    let consumer = consumer(&mut fields)?;
    let specs = specs_in(fields, " /")?;
    let mut back = json!(specs);
    if let Some(consumer) = consumer {
        back["consumer"] = consumer.name().into();
    }
    ops::update(request.caller(), tx, request.param("id"), QosChange { consumer, specs })?;
    Ok(Reply::ok(json!({"qos_specs": back})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"), asked(request, "force")?)?;
    Ok(Reply::empty(202))
}

fn delete_keys(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut body = Fields::new("", request.json()?)?;
    let keys = body.texts("keys")?.ok_or_else(|| body.error("keys", "is required"))?;
    body.finish()?;
    let odd = |key: &String| key.is_empty() || key.chars().count() > KEY_CHARS_MAX;
    let twice = keys.iter().enumerate().any(|(n, key)| keys[..n].contains(key));
    if twice || keys.iter().any(odd) {
        return Err(InvalidBody::at("keys", "is not a list of different keys of 1 to 255 characters").into());
    }
    ops::delete_keys(request.caller(), tx, request.param("id"), &keys)?;
    Ok(Reply::empty(202))
}

fn associations(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::associations(request.caller(), tx, request.param("id"))?;
    let views =
        found.iter().map(|user| json!({"association_type": "volume_type", "name": user.name, "id": user.id}));
    Ok(Reply::ok(json!({"qos_associations": views.collect::<Vec<_>>()})))
}

fn type_id(request: &Request) -> Result<&str, Error> {
    let id = request.query("vol_type_id").filter(|id| !id.is_empty());
    id.ok_or_else(|| Error::Invalid("Volume Type id must not be None.".to_owned()))
}

fn associate(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::associate(request.caller(), tx, request.param("id"), type_id(request)?)?;
    Ok(Reply::empty(202))
}

fn disassociate(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::disassociate(request.caller(), tx, request.param("id"), type_id(request)?)?;
    Ok(Reply::empty(202))
}

fn disassociate_all(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::disassociate_all(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(202))
}
