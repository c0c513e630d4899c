//! Allocations and usages over HTTP.

use std::collections::BTreeMap;

use ::store::Tx;
use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use types::{ProjectId, ResourceProviderId, UserId};

use super::model::Wanted;
use super::ops;
use crate::{Error, microversion, provider};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/allocations/{consumer}", show)
        .put("/allocations/{consumer}", replace)
        .delete("/allocations/{consumer}", delete)
        .get("/usages", usages)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (consumer, allocations) = ops::show(request.caller(), tx, request.param("consumer"))?;
    let mut by_provider: BTreeMap<ResourceProviderId, BTreeMap<String, u64>> = BTreeMap::new();
    for allocation in allocations {
        by_provider.entry(allocation.provider_id).or_default().insert(allocation.class, allocation.used);
    }
    let mut views = serde_json::Map::new();
    for (id, resources) in by_provider {
        let provider = provider::load("placement:allocations:list", request.caller(), tx, &id.to_string())?;
        let generation = provider.generation;
        views.insert(id.to_string(), json!({"generation": generation, "resources": resources}));
    }
    let mut view = json!({"allocations": views});
    if let Some(consumer) = consumer {
        if request.version >= microversion::ALLOCATIONS_BY_PROVIDER {
            view["project_id"] = json!(consumer.project_id);
            view["user_id"] = json!(consumer.user_id);
        }
        if request.version >= microversion::CONSUMER_GENERATION {
            view["consumer_generation"] = json!(consumer.generation);
        }
        if request.version >= microversion::CONSUMER_TYPES {
            view["consumer_type"] = json!("INSTANCE");
        }
    }
    Ok(Reply::ok(view))
}

fn replace(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let version = request.version;
    let mut fields = Fields::new("", request.json()?)?;
    let wanted = if version >= microversion::ALLOCATIONS_BY_PROVIDER {
        by_provider(&mut fields)?
    } else {
        listed(&mut fields)?
    };
    let project_id = fields.text("project_id")?.unwrap_or_else(|| "unknown".to_owned());
    let user_id = fields.text("user_id")?.unwrap_or_else(|| "unknown".to_owned());
    let generation = (version >= microversion::CONSUMER_GENERATION)
        .then(|| fields.int("consumer_generation"))
        .transpose()?;
    fields.take("consumer_type");
    fields.take("mappings");
    fields.finish()?;
    let (project_id, user_id) = (ProjectId::from(project_id.as_str()), UserId::from(user_id.as_str()));
    let consumer = request.param("consumer").to_owned();
    if consumer.len() > 64 || !consumer.is_ascii() {
        return Err(Error::Invalid(format!("Malformed consumer_uuid: {consumer}")));
    }
    ops::replace(request.caller(), tx, (&consumer, &project_id, &user_id), generation, &wanted)?;
    Ok(Reply::empty(204))
}

fn by_provider(fields: &mut Fields) -> Result<Wanted, Error> {
    let Some(allocations) = fields.object("allocations")? else {
        return Err(fields.error("allocations", "is required").into());
    };
    let mut wanted = Wanted::new();
    for (id, value) in allocations.into_left() {
        let mut one = Fields::new(&format!("allocations.{id}"), value)?;
        one.take("generation");
        wanted.insert(provider_id(&id)?, resources(&mut one)?);
        one.finish()?;
    }
    Ok(wanted)
}

fn listed(fields: &mut Fields) -> Result<Wanted, Error> {
    let Some(allocations) = fields.objects("allocations")? else {
        return Err(fields.error("allocations", "is required").into());
    };
    let mut wanted = Wanted::new();
    for mut one in allocations {
        let Some(mut provider) = one.object("resource_provider")? else {
            return Err(one.error("resource_provider", "is required").into());
        };
        let id = provider_id(&provider.required_text("uuid")?)?;
        provider.finish()?;
        wanted.insert(id, resources(&mut one)?);
        one.finish()?;
    }
    Ok(wanted)
}

fn provider_id(text: &str) -> Result<ResourceProviderId, Error> {
    text.parse().map_err(|_| InvalidBody::at("allocations", format!("'{text}' is not a UUID")).into())
}

fn resources(fields: &mut Fields) -> Result<BTreeMap<String, u64>, Error> {
    let Some(resources) = fields.object("resources")? else {
        return Err(fields.error("resources", "is required").into());
    };
    let mut amounts = BTreeMap::new();
    for (class, amount) in resources.into_left() {
        let amount = amount.as_u64().filter(|n| *n > 0 && *n <= 0x7fff_ffff);
        let amount = amount
            .ok_or_else(|| InvalidBody::at(format!("resources.{class}"), "is not a positive integer"))?;
        if !provider::is_class(&class) {
            return Err(Error::Invalid(format!("No such resource class {class}.")));
        }
        amounts.insert(class, amount);
    }
    Ok(amounts)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let consumer = request.param("consumer").to_owned();
    let (_, allocations) = ops::show(request.caller(), tx, &consumer)?;
    if allocations.is_empty() {
        return Err(Error::NotFound(format!("No allocations for consumer '{consumer}'")));
    }
    let nobody = (ProjectId::from(""), UserId::from(""));
    ops::replace(request.caller(), tx, (&consumer, &nobody.0, &nobody.1), None, &Wanted::new())?;
    Ok(Reply::empty(204))
}

fn usages(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let Some(project_id) = request.query("project_id") else {
        return Err(Error::Invalid(
            "Invalid query string parameters: 'project_id' is a required property".to_owned(),
        ));
    };
    let usages = ops::usages(request.caller(), tx, &project_id.into(), request.query("user_id"))?;
    let view: Json = if request.version >= microversion::CONSUMER_TYPES {
        json!({"usages": {"INSTANCE": usages}})
    } else {
        json!({"usages": usages})
    };
    Ok(Reply::ok(view))
}
