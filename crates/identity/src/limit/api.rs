//! `/v3/limits`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{DomainId, ProjectId};

use super::model::{Limit, LimitChange, LimitModel, LimitOwner};
use super::ops::{self, LimitFilter};
use crate::Error;
use crate::api::{Filters, Kind, description, filter_of, filtered, links, sole_fields, sole_list};
use crate::ids::{LimitId, fresh};
use crate::registered_limit::api::{amount, limited, limited_filter, required_amount};

const FILTERS: Filters = &[
    ("service_id", Kind::Text),
    ("region_id", Kind::Text),
    ("resource_name", Kind::Name(255)),
    ("project_id", Kind::Id),
    ("domain_id", Kind::Id),
];

pub(crate) fn routes(model: LimitModel) -> Routes {
    Routes::new()
        .get("/v3/limits", list)
        .post("/v3/limits", move |request, tx| create(request, tx, model))
        .get("/v3/limits/model", move |request, _| show_model(request, model))
        .get("/v3/limits/{limit_id}", show)
        .patch("/v3/limits/{limit_id}", move |request, tx| update(request, tx, model))
        .delete("/v3/limits/{limit_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let filter = LimitFilter {
        limited: limited_filter(request),
        project_id: filter_of(request, "project_id"),
        domain_id: filter_of(request, "domain_id"),
    };
    let limits = ops::list(request.caller(), tx, &filter)?;
    filtered(request, "limits", FILTERS, limits.iter().map(|limit| view(request, limit)).collect())
}

fn create(request: &Request, tx: &mut Tx<'_>, model: LimitModel) -> Result<Reply, Error> {
    let drafts = sole_list(request, "limits")?.into_iter().map(draft);
    let limits = ops::create(request.caller(), tx, model, drafts.collect::<Result<_, _>>()?)?;
    let views: Vec<Json> = limits.iter().map(|limit| view(request, limit)).collect();
    Ok(Reply::created(json!({"limits": views})))
}

fn draft(mut fields: Fields) -> Result<Limit, InvalidBody> {
    let limit = Limit {
        id: LimitId(fresh()),
        owner: owner(&mut fields)?,
        what: limited(&mut fields)?,
        resource_limit: required_amount(&mut fields, "resource_limit")?,
        description: description(&mut fields)?.flatten(),
    };
    fields.finish().map(|()| limit)
}

/// Either a project or a domain is named, and the other not even as null.
fn owner(fields: &mut Fields) -> Result<LimitOwner, InvalidBody> {
    match (fields.has("project_id"), fields.has("domain_id")) {
        (true, false) => Ok(LimitOwner::Project(ProjectId(fields.required_text("project_id")?))),
        (false, true) => Ok(LimitOwner::Domain(DomainId(fields.required_text("domain_id")?))),
        _ => Err(fields.error("project_id", "or domain_id is required, and not both")),
    }
}

fn show_model(request: &Request, model: LimitModel) -> Result<Reply, Error> {
    ops::show_model(request.caller())?;
    Ok(Reply::ok(json!({"model": {"name": model.name(), "description": model.description()}})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let limit = ops::show(request.caller(), tx, request.param("limit_id"))?;
    Ok(Reply::ok(json!({"limit": view(request, &limit)})))
}

fn update(request: &Request, tx: &mut Tx<'_>, model: LimitModel) -> Result<Reply, Error> {
    let id = request.param("limit_id");
    let mut fields = sole_fields(request, "limit")?;
    let change = LimitChange {
        resource_limit: amount(&mut fields, "resource_limit")?,
        description: description(&mut fields)?,
    };
    fields.finish()?;
    let limit = ops::update(request.caller(), tx, model, id, change)?;
    Ok(Reply::ok(json!({"limit": view(request, &limit)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("limit_id"))?;
    Ok(Reply::empty(204))
}

/// A limit.
pub(crate) fn view(request: &Request, limit: &Limit) -> Json {
    let (project, domain) = match &limit.owner {
        LimitOwner::Project(id) => (Some(id.as_str()), None),
        LimitOwner::Domain(id) => (None, Some(id.as_str())),
    };
    json!({
        "id": limit.id.0,
        "project_id": project,
        "domain_id": domain,
        "service_id": limit.what.service_id.0,
        "region_id": limit.what.region_id.as_ref().map(|id| &id.0),
        "resource_name": limit.what.resource_name,
        "resource_limit": limit.resource_limit,
        "description": limit.description,
        "links": links(request, &format!("limits/{}", limit.id)),
    })
}
