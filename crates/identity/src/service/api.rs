//! `/v3/services`.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{CatalogService, ServiceChange};
use super::ops;
use crate::Error;
use crate::api::{
    Filters, Kind, changing, extra, filter_of, filtered, flag, links, name, required_name, with_extra,
};
use crate::ids::{ServiceId, fresh};

const NAME_MAX: usize = 255;
const FILTERS: Filters = &[("type", Kind::Text), ("name", Kind::Text)];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v3/services", list)
        .post("/v3/services", create)
        .get("/v3/services/{service_id}", show)
        .patch("/v3/services/{service_id}", update)
        .delete("/v3/services/{service_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (kind, name) = (filter_of(request, "type"), filter_of(request, "name"));
    let services = ops::list(request.caller(), tx, kind.as_deref(), name.as_deref())?;
    filtered(request, "services", FILTERS, services.iter().map(|service| view(request, service)).collect())
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("service")?;
    let service = CatalogService {
        id: ServiceId(fresh()),
        kind: required_name(&mut fields, "type", NAME_MAX)?,
        name: name(&mut fields, "name", NAME_MAX)?.unwrap_or_default(),
        description: fields.text("description")?,
        enabled: flag(&mut fields, "enabled")?.unwrap_or(true),
        extra: extra(fields),
    };
    let service = ops::create(request.caller(), tx, service)?;
    Ok(Reply::created(json!({"service": view(request, &service)})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let service = ops::show(request.caller(), tx, request.param("service_id"))?;
    Ok(Reply::ok(json!({"service": view(request, &service)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("service_id");
    let mut fields = changing(request.fields("service")?, id)?;
    let change = ServiceChange {
        kind: name(&mut fields, "type", NAME_MAX)?,
        name: name(&mut fields, "name", NAME_MAX)?,
        description: fields.nullable_text("description")?,
        enabled: flag(&mut fields, "enabled")?,
        extra: extra(fields),
    };
    let service = ops::update(request.caller(), tx, id, change)?;
    Ok(Reply::ok(json!({"service": view(request, &service)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("service_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, service: &CatalogService) -> Json {
    let mut view = json!({
        "id": service.id.0,
        "type": service.kind,
        "name": service.name,
        "enabled": service.enabled,
        "links": links(request, &format!("services/{}", service.id)),
    });
    if let Some(description) = &service.description {
        view["description"] = json!(description);
    }
    with_extra(&service.extra, view)
}
