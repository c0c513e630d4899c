//! Providers, their inventories and usages, resource classes and traits over HTTP.

use std::collections::BTreeMap;

use ::store::{Stored, Tx};
use policy::Target;
use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};

use super::model::{CLASSES, TRAITS};
use super::{Inventory, Provider, ProviderDraft, ops, store};
use crate::policy::RULES;
use crate::{Error, allocation, microversion, schedule};

/// The largest amount that placement's schema takes.
const AMOUNT_MAX: i64 = 0x7fff_ffff;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/resource_providers", list)
        .post("/resource_providers", create)
        .get("/resource_providers/{id}", show)
        .delete("/resource_providers/{id}", delete)
        .get("/resource_providers/{id}/inventories", list_inventories)
        .put("/resource_providers/{id}/inventories", replace_inventories)
        .get("/resource_providers/{id}/inventories/{class}", show_inventory)
        .get("/resource_providers/{id}/usages", show_usages)
        .get("/resource_providers/{id}/allocations", list_allocations)
        .get("/resource_providers/{id}/aggregates", list_aggregates)
        .get("/resource_providers/{id}/traits", list_provider_traits)
}

/// The lists that are the same in every cloud.
pub(crate) fn catalogue_routes() -> Routes {
    Routes::new()
        .get("/resource_classes", list_classes)
        .get("/resource_classes/{name}", show_class)
        .get("/traits", list_traits)
        .get("/traits/{name}", show_trait)
}

fn view(provider: &Provider, version: Microversion) -> Json {
    let base = format!("/placement/resource_providers/{}", provider.id);
    let mut rels = vec![("self", ""), ("inventories", "/inventories"), ("usages", "/usages")];
    if version >= Microversion(1, 1) {
        rels.push(("aggregates", "/aggregates"));
    }
    if version >= microversion::TRAITS {
        rels.push(("traits", "/traits"));
    }
    if version >= Microversion(1, 11) {
        rels.push(("allocations", "/allocations"));
    }
    let links: Vec<Json> =
        rels.iter().map(|(rel, path)| json!({"rel": rel, "href": format!("{base}{path}")})).collect();
    let mut view = json!({
        "uuid": provider.id.to_string(),
        "name": provider.name,
        "generation": provider.generation,
        "links": links,
    });
    if version >= microversion::NESTED {
        view["parent_provider_uuid"] = Json::Null;
        view["root_provider_uuid"] = json!(provider.id.to_string());
    }
    view
}

fn inventory_view(inventory: &Inventory) -> Json {
    json!({
        "total": inventory.total,
        "reserved": inventory.reserved,
        "min_unit": inventory.min_unit,
        "max_unit": inventory.max_unit,
        "step_size": inventory.step_size,
        "allocation_ratio": inventory.allocation_ratio,
    })
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut providers = ops::all(request.caller(), tx)?;
    let known = ["name", "uuid", "resources", "in_tree", "member_of", "required"];
    if let Some((unknown, _)) = request.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(Error::Invalid(format!(
            "Invalid query string parameters: Additional properties are not allowed ('{unknown}' was unexpected)"
        )));
    }
    if let Some(name) = request.query("name") {
        providers.retain(|p| p.name == name);
    }
    if let Some(id) = request.query("uuid").or_else(|| request.query("in_tree")) {
        providers.retain(|p| p.id.to_string() == id);
    }
    if request.query("member_of").is_some() {
        providers.clear();
    }
    if let Some(required) = request.query("required") {
        providers.retain(|p| required.split(',').all(|name| p.traits.iter().any(|t| t == name)));
    }
    if let Some(resources) = request.query("resources") {
        let asked = schedule::resources_of(resources)?;
        let inventories = store::inventories(tx, None)?;
        let usages = store::usages(tx, None)?;
        providers.retain(|p| {
            let fits = |(class, amount): (&String, &u64)| {
                let used = usages.get(&p.id).and_then(|u| u.get(class)).copied().unwrap_or(0);
                inventories.get(&p.id).and_then(|i| i.get(class)).is_some_and(|i| i.fits(*amount, used))
            };
            asked.iter().all(fits)
        });
    }
    let views: Vec<Json> = providers.iter().map(|p| view(p, request.version)).collect();
    Ok(Reply::ok(json!({"resource_providers": views})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let draft = ProviderDraft { name: fields.required_text("name")?, id: fields.parse("uuid")? };
    if fields.text("parent_provider_uuid")?.is_some() {
        return Err(Error::Invalid("Nested resource providers are not supported here.".to_owned()));
    }
    fields.finish()?;
    if draft.name.is_empty() || draft.name.chars().count() > 128 {
        return Err(InvalidBody::at("name", "is empty or longer than 128 characters").into());
    }
    let provider = ops::create(request.caller(), tx, draft)?;
    let location = format!("/placement/resource_providers/{}", provider.id);
    let reply = if request.version >= microversion::CREATED_BODY {
        Reply::ok(view(&provider, request.version))
    } else {
        Reply::empty(201)
    };
    Ok(reply.header("location", location))
}

fn seen(rule: &str, request: &Request, tx: &mut Tx<'_>) -> Result<Stored<Provider>, Error> {
    ops::load(rule, request.caller(), tx, request.param("id"))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = seen("placement:resource_providers:show", request, tx)?;
    Ok(Reply::ok(view(&provider, request.version)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(204))
}

fn inventories_view(provider: &Provider, inventories: &BTreeMap<String, Inventory>) -> Json {
    let views: BTreeMap<&String, Json> =
        inventories.iter().map(|(class, inventory)| (class, inventory_view(inventory))).collect();
    json!({"resource_provider_generation": provider.generation, "inventories": views})
}

fn list_inventories(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = seen("placement:resource_providers:inventories:list", request, tx)?;
    let inventories = ops::inventories(tx, provider.id)?;
    Ok(Reply::ok(inventories_view(&provider, &inventories)))
}

fn show_inventory(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = seen("placement:resource_providers:inventories:show", request, tx)?;
    let inventories = ops::inventories(tx, provider.id)?;
    let class = request.param("class");
    let Some(inventory) = inventories.get(class) else {
        return Err(Error::NotFound(format!("No inventory of class {class} for {}", provider.id)));
    };
    let mut view = inventory_view(inventory);
    view["resource_provider_generation"] = json!(provider.generation);
    Ok(Reply::ok(view))
}

fn replace_inventories(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let generation = fields
        .int("resource_provider_generation")?
        .ok_or_else(|| fields.error("resource_provider_generation", "is required"))?;
    let Some(classes) = fields.object("inventories")? else {
        return Err(fields.error("inventories", "is required").into());
    };
    fields.finish()?;
    let mut wanted = BTreeMap::new();
    for (class, value) in classes.into_left() {
        if !super::is_class(&class) {
            return Err(Error::Invalid(format!("Unknown resource class in inventory: {class}")));
        }
        let inventory = inventory_of(Fields::new(&format!("inventories.{class}"), value)?)?;
        wanted.insert(class, inventory);
    }
    let provider = ops::replace_inventories(request.caller(), tx, request.param("id"), generation, &wanted)?;
    Ok(Reply::ok(inventories_view(&provider, &wanted)))
}

fn inventory_of(mut fields: Fields) -> Result<Inventory, Error> {
    let mut amount = |name: &str, min: i64, default: i64| {
        let value = fields.int_in(name, min, AMOUNT_MAX)?.unwrap_or(default);
        Ok::<u64, InvalidBody>(u64::try_from(value).unwrap_or(0))
    };
    let total = amount("total", 1, 0)?;
    let reserved = amount("reserved", 0, 0)?;
    let min_unit = amount("min_unit", 1, 1)?;
    let max_unit = amount("max_unit", 1, AMOUNT_MAX)?;
    let step_size = amount("step_size", 1, 1)?;
    if total == 0 {
        return Err(fields.error("total", "is required").into());
    }
    let allocation_ratio = match fields.take("allocation_ratio") {
        None => 1.0,
        Some(value) => match value.as_f64() {
            Some(ratio) if ratio > 0.0 && ratio < 3.4e38 => ratio,
            _ => return Err(fields.error("allocation_ratio", "is not a positive number").into()),
        },
    };
    fields.take("resource_provider_generation");
    fields.finish()?;
    Ok(Inventory { total, reserved, min_unit, max_unit, step_size, allocation_ratio })
}

fn show_usages(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = seen("placement:resource_providers:usages", request, tx)?;
    let mut usages: BTreeMap<String, u64> =
        ops::inventories(tx, provider.id)?.into_keys().map(|class| (class, 0)).collect();
    usages.extend(store::usages(tx, Some(provider.id))?.remove(&provider.id).unwrap_or_default());
    Ok(Reply::ok(json!({"resource_provider_generation": provider.generation, "usages": usages})))
}

fn list_allocations(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = seen("placement:resource_providers:allocations:list", request, tx)?;
    let mut by_consumer: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for allocation in allocation::of_provider(tx, provider.id)? {
        let of_one = by_consumer.entry(allocation.consumer_id.clone()).or_default();
        of_one.insert(allocation.class.clone(), allocation.used);
    }
    let mut views = BTreeMap::new();
    for (consumer_id, resources) in by_consumer {
        let mut view = json!({"resources": resources});
        if request.version >= microversion::CONSUMER_GENERATION {
            view["consumer_generation"] = json!(allocation::generation(tx, &consumer_id)?);
        }
        views.insert(consumer_id, view);
    }
    Ok(Reply::ok(json!({"resource_provider_generation": provider.generation, "allocations": views})))
}

fn list_aggregates(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = seen("placement:resource_providers:aggregates:list", request, tx)?;
    let mut view = json!({"aggregates": []});
    if request.version >= microversion::AGGREGATE_GENERATION {
        view["resource_provider_generation"] = json!(provider.generation);
    }
    Ok(Reply::ok(view))
}

fn list_provider_traits(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = seen("placement:resource_providers:traits:list", request, tx)?;
    let generation = provider.generation;
    Ok(Reply::ok(json!({"resource_provider_generation": generation, "traits": provider.traits})))
}

fn class_view(name: &str) -> Json {
    let path = format!("/placement/resource_classes/{name}");
    json!({"name": name, "links": [{"rel": "self", "href": path}]})
}

fn list_classes(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("placement:resource_classes:list", request.caller(), &Target::default())?;
    let views: Vec<Json> = CLASSES.iter().map(|name| class_view(name)).collect();
    Ok(Reply::ok(json!({"resource_classes": views})))
}

fn show_class(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("placement:resource_classes:show", request.caller(), &Target::default())?;
    let name = request.param("name");
    if !super::is_class(name) {
        return Err(Error::NotFound(format!("No such resource class {name}.")));
    }
    Ok(Reply::ok(class_view(name)))
}

fn list_traits(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("placement:traits:list", request.caller(), &Target::default())?;
    let wanted = |name: &&&str| match request.query("name") {
        None => true,
        Some(filter) => match filter.split_once(':') {
            Some(("startswith", prefix)) => name.starts_with(prefix),
            Some(("in", names)) => names.split(',').any(|one| one == **name),
            _ => false,
        },
    };
    let names: Vec<&&str> = TRAITS.iter().filter(wanted).collect();
    Ok(Reply::ok(json!({"traits": names})))
}

fn show_trait(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("placement:traits:show", request.caller(), &Target::default())?;
    let name = request.param("name");
    if !TRAITS.contains(&name) {
        return Err(Error::NotFound(format!("No such trait(s): {name}.")));
    }
    Ok(Reply::empty(204))
}
