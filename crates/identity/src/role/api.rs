//! `/v3/roles` and `/v3/role_inferences`.

use rest::{Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::DomainId;

use super::model::{Role, RoleChange, RoleDraft};
use super::ops;
use crate::Error;
use crate::api::{
    Filters, Kind, changing, extra, filter_of, filtered, links, name, required_name, with_extra,
};
use crate::immutable;

const NAME_MAX: usize = 255;
const FILTERS: Filters = &[("name", Kind::Name(NAME_MAX)), ("domain_id", Kind::Id)];

pub(crate) fn routes() -> Routes {
    let implied = "/v3/roles/{role_id}/implies/{implied_role_id}";
    Routes::new()
        .get("/v3/roles", list)
        .post("/v3/roles", create)
        .get("/v3/roles/{role_id}", show)
        .patch("/v3/roles/{role_id}", update)
        .delete("/v3/roles/{role_id}", delete)
        .get("/v3/role_inferences", list_inferences)
        .get("/v3/roles/{role_id}/implies", list_implied)
        .write(Method::HEAD, implied, check_implied)
        .get(implied, show_implied)
        .put(implied, create_implied)
        .delete(implied, delete_implied)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (domain, name) = (filter_of(request, "domain_id"), filter_of(request, "name"));
    let roles = ops::list(request.caller(), tx, domain.as_deref(), name.as_deref())?;
    filtered(request, "roles", FILTERS, roles.iter().map(|role| view(request, role)).collect())
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("role")?;
    let draft = RoleDraft {
        domain_id: fields.text("domain_id")?.map(DomainId),
        name: required_name(&mut fields, "name", NAME_MAX)?,
        description: fields.text("description")?,
        immutable: immutable::option(&mut fields)?.flatten(),
        extra: extra(fields),
    };
    let role = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::created(json!({"role": view(request, &role)})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let role = ops::show(request.caller(), tx, request.param("role_id"))?;
    Ok(Reply::ok(json!({"role": view(request, &role)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = changing(request.fields("role")?, request.param("role_id"))?;
    let change = RoleChange {
        domain_id: fields.nullable_text("domain_id")?.map(|id| id.map(DomainId)),
        name: name(&mut fields, "name", NAME_MAX)?,
        description: fields.nullable_text("description")?,
        immutable: immutable::option(&mut fields)?,
        extra: extra(fields),
    };
    let role = ops::update(request.caller(), tx, request.param("role_id"), change)?;
    Ok(Reply::ok(json!({"role": view(request, &role)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("role_id"))?;
    Ok(Reply::empty(204))
}

fn list_inferences(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let inferences = ops::list_inferences(request.caller(), tx)?;
    let views = inferences.iter().map(|inference| {
        let implies: Vec<Json> = inference.implies.iter().map(|role| brief(request, role)).collect();
        json!({"prior_role": brief(request, &inference.prior), "implies": implies})
    });
    Ok(Reply::ok(json!({"role_inferences": views.collect::<Vec<_>>()})))
}

fn list_implied(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let inference = ops::list_implied(request.caller(), tx, request.param("role_id"))?;
    let implies = inference.implies.iter().map(|role| brief(request, role)).collect();
    Ok(Reply::ok(inference_view(request, &inference.prior, implies)))
}

fn both(request: &Request) -> (&str, &str) {
    (request.param("role_id"), request.param("implied_role_id"))
}

fn check_implied(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::show_implied(request.caller(), tx, "identity:check_implied_role", both(request))?;
    Ok(Reply::empty(204))
}

fn show_implied(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (prior, implied) =
        ops::show_implied(request.caller(), tx, "identity:get_implied_role", both(request))?;
    Ok(Reply::ok(inference_view(request, &prior, brief(request, &implied))))
}

fn create_implied(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (prior, implied) = ops::create_implied(request.caller(), tx, both(request))?;
    Ok(Reply::created(inference_view(request, &prior, brief(request, &implied))))
}

fn delete_implied(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete_implied(request.caller(), tx, both(request))?;
    Ok(Reply::empty(204))
}

fn inference_view(request: &Request, prior: &Role, implies: Json) -> Json {
    let path = request.path.trim_start_matches("/v3/");
    json!({
        "role_inference": {"prior_role": brief(request, prior), "implies": implies},
        "links": links(request, path),
    })
}

fn brief(request: &Request, role: &Role) -> Json {
    let links = links(request, &format!("roles/{}", role.id));
    json!({"id": role.id.as_str(), "name": role.name, "links": links})
}

/// A role.
pub(crate) fn view(request: &Request, role: &Role) -> Json {
    with_extra(
        &role.extra,
        json!({
            "id": role.id.as_str(),
            "name": role.name,
            "domain_id": role.domain_id.as_ref().map(|id| id.as_str()),
            "description": role.description,
            "options": immutable::view(role.immutable),
            "links": links(request, &format!("roles/{}", role.id)),
        }),
    )
}
