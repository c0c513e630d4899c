//! `/v3/OS-EP-FILTER/endpoint_groups`.

use rest::{Fields, Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;

use super::model::{Criterion, EndpointGroup, EndpointGroupChange};
use super::ops;
use crate::Error;
use crate::api::{
    Filters, Kind, changing, filter_of, filtered, links, listed, name, only_queries, required_name,
    sole_fields, text,
};
use crate::endpoint::api::{interface, view as endpoint_view};
use crate::ids::{EndpointGroupId, ServiceId, fresh};
use crate::region::api::region_id;

const NAME_MAX: usize = 255;
const FILTERS: Filters = &[("name", Kind::Name(NAME_MAX))];

pub(crate) fn routes() -> Routes {
    let groups = "/v3/OS-EP-FILTER/endpoint_groups";
    let group = "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}";
    Routes::new()
        .get(groups, list)
        .post(groups, create)
        .get(group, show)
        .patch(group, update)
        .delete(group, delete)
        .get("/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints", list_endpoints)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    only_queries(request, &["name"])?;
    let groups = ops::list(request.caller(), tx, filter_of(request, "name").as_deref())?;
    filtered(request, "endpoint_groups", FILTERS, groups.iter().map(|group| view(request, group)).collect())
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "endpoint_group")?;
    let group = EndpointGroup {
        id: EndpointGroupId(fresh()),
        name: required_name(&mut fields, "name", NAME_MAX)?,
        description: fields.text("description")?,
        criteria: criteria(&mut fields)?.unwrap_or_default(),
    };
    fields.finish()?;
    if group.criteria.is_empty() {
        return Err(Error::Invalid("filters field is required and cannot be empty".to_owned()));
    }
    let group = ops::create(request.caller(), tx, group)?;
    Ok(Reply::created(json!({"endpoint_group": view(request, &group)})))
}

fn criteria(fields: &mut Fields) -> Result<Option<Vec<Criterion>>, Error> {
    if !fields.has("filters") {
        return Ok(None);
    }
    let mut filters = fields.object("filters")?.ok_or_else(|| fields.error("filters", "is not an object"))?;
    let mut criteria = Vec::new();
    if let Some(id) = text(&mut filters, "service_id")? {
        criteria.push(Criterion::Service(ServiceId(id)));
    }
    if let Some(id) = region_id(&mut filters, "region_id")? {
        criteria.push(Criterion::Region(id));
    }
    if let Some(name) = text(&mut filters, "interface")? {
        criteria.push(Criterion::Interface(interface(&name)?));
    }
    match filters.left().is_empty() {
        true => Ok(Some(criteria)),
        false => Err(Error::expecting("service_id or region_id or interface", "endpoint_group")),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = ops::show(request.caller(), tx, request.param("endpoint_group_id"))?;
    Ok(Reply::ok(json!({"endpoint_group": view(request, &group)})))
}

fn list_endpoints(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let endpoints = ops::endpoints(request.caller(), tx, request.param("endpoint_group_id"))?;
    Ok(listed(request, "endpoints", endpoints.iter().map(|e| endpoint_view(request, e)).collect()))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("endpoint_group_id");
    let mut fields = changing(sole_fields(request, "endpoint_group")?, id)?;
    let change = EndpointGroupChange {
        name: name(&mut fields, "name", NAME_MAX)?,
        description: fields.nullable_text("description")?,
        criteria: criteria(&mut fields)?,
    };
    fields.finish()?;
    let group = ops::update(request.caller(), tx, id, change)?;
    Ok(Reply::ok(json!({"endpoint_group": view(request, &group)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("endpoint_group_id"))?;
    Ok(Reply::empty(204))
}

pub(crate) fn view(request: &Request, group: &EndpointGroup) -> Json {
    let filters = group.criteria.iter().map(|criterion| match criterion {
        Criterion::Service(id) => ("service_id".to_owned(), json!(id.0)),
        Criterion::Region(id) => ("region_id".to_owned(), json!(id.as_ref().map(|id| &id.0))),
        Criterion::Interface(interface) => ("interface".to_owned(), json!(interface.name())),
    });
    json!({
        "id": group.id.0,
        "name": group.name,
        "description": group.description,
        "filters": filters.collect::<Map<_, _>>(),
        "links": links(request, &format!("OS-EP-FILTER/endpoint_groups/{}", group.id)),
    })
}
