//! `/v3/regions`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{Region, RegionChange};
use super::ops;
use crate::Error;
use crate::api::{extra, filter_of, links, listed, name, with_extra};
use crate::ids::{RegionId, fresh};

/// Upstream allows 255; indexes in all databases allow less.
pub(crate) const ID_MAX: usize = 128;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v3/regions", list)
        .post("/v3/regions", create)
        .get("/v3/regions/{region_id}", show)
        .put("/v3/regions/{region_id}", create)
        .patch("/v3/regions/{region_id}", update)
        .delete("/v3/regions/{region_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let parent = filter_of(request, "parent_region_id");
    let regions = ops::list(request.caller(), tx, parent.as_deref())?;
    Ok(listed(request, "regions", regions.iter().map(|region| view(request, region)).collect()))
}

/// POST, with an id or without, and PUT, whose path is the id.
fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("region")?;
    let in_path = Some(request.param("region_id")).filter(|id| !id.is_empty());
    let in_body = name(&mut fields, "id", ID_MAX)?;
    let id = match (in_path, in_body) {
        (Some(path), Some(body)) if path != body => {
            return Err(InvalidBody::at("region.id", "is not the id in the URL").into());
        }
        (Some(path), _) if path.chars().count() > ID_MAX => {
            return Err(InvalidBody::at("region.id", "is too long").into());
        }
        (Some(path), _) => path.to_owned(),
        (None, Some(body)) => body,
        (None, None) => fresh(),
    };
    let region = Region {
        id: RegionId(id),
        description: fields.text("description")?.unwrap_or_default(),
        parent_id: parent(&mut fields)?.flatten(),
        extra: extra(fields),
    };
    let region = ops::create(request.caller(), tx, region)?;
    Ok(Reply::created(json!({"region": view(request, &region)})))
}

fn parent(fields: &mut Fields) -> Result<Option<Option<RegionId>>, InvalidBody> {
    Ok(fields.nullable_text("parent_region_id")?.map(|id| id.map(RegionId)))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let region = ops::show(request.caller(), tx, request.param("region_id"))?;
    Ok(Reply::ok(json!({"region": view(request, &region)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("region")?;
    let change = RegionChange {
        description: fields.text("description")?,
        parent_id: parent(&mut fields)?,
        extra: extra(fields),
    };
    let region = ops::update(request.caller(), tx, request.param("region_id"), change)?;
    Ok(Reply::ok(json!({"region": view(request, &region)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("region_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, region: &Region) -> Json {
    with_extra(
        &region.extra,
        json!({
            "id": region.id.0,
            "description": region.description,
            "parent_region_id": region.parent_id.as_ref().map(|id| &id.0),
            "links": links(request, &format!("regions/{}", region.id)),
        }),
    )
}
