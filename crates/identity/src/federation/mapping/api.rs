//! `/v3/OS-FEDERATION/mappings`.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::language;
use super::model::{Mapping, Version};
use super::ops;
use crate::Error;
use crate::api::links;
use crate::federation::chosen_id;
use crate::ids::MappingId;
use crate::list::listed;

pub(crate) fn routes() -> Routes {
    let mapping = "/v3/OS-FEDERATION/mappings/{mapping_id}";
    Routes::new()
        .get("/v3/OS-FEDERATION/mappings", list)
        .put(mapping, create)
        .get(mapping, show)
        .patch(mapping, update)
        .delete(mapping, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mappings = ops::list(request.caller(), tx)?;
    Ok(listed(request, "mappings", mappings.iter().map(|mapping| view(request, mapping)).collect()))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mapping = ops::create(request.caller(), tx, read(request)?)?;
    Ok(Reply::created(json!({"mapping": view(request, &mapping)})))
}

/// A mapping that can be understood. Fields beside those of a mapping are dropped, as Keystone does.
fn read(request: &Request) -> Result<Mapping, Error> {
    let id = MappingId::from(chosen_id(request, "mapping_id")?);
    let mut fields = request.fields("mapping")?;
    let schema_version = match fields.text("schema_version")?.filter(|name| !name.is_empty()) {
        None => Version::V1,
        Some(name) => Version::of(&name)
            .ok_or_else(|| fields.error("schema_version", "is none of 1.0, 2.0, 3.0".to_owned()))?,
    };
    let rules =
        fields.take("rules").ok_or_else(|| Error::Invalid("'rules' is a required property\n".to_owned()))?;
    language::rules(schema_version, &rules)?;
    Ok(Mapping { id, schema_version, rules })
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mapping = ops::show(request.caller(), tx, request.param("mapping_id"))?;
    Ok(Reply::ok(json!({"mapping": view(request, &mapping)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mapping = ops::update(request.caller(), tx, read(request)?)?;
    Ok(Reply::ok(json!({"mapping": view(request, &mapping)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("mapping_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, mapping: &Mapping) -> Json {
    json!({
        "id": mapping.id.0,
        "rules": mapping.rules,
        "schema_version": mapping.schema_version.name(),
        "links": links(request, &format!("OS-FEDERATION/mappings/{}", mapping.id)),
    })
}
