//! `/v3/regions`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{Region, RegionChange};
use super::ops;
use crate::Error;
use crate::api::{
    changing, description, extra, filter_of, links, listed, only_queries, sole_fields, with_extra,
};
use crate::ids::{RegionId, fresh};

/// Upstream allows 255 characters; an index of MySQL's older row format allows 191.
const ID_MAX: usize = 128;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v3/regions", list)
        .post("/v3/regions", create)
        .get("/v3/regions/{region_id}", show)
        .put("/v3/regions/{region_id}", create_named)
        .patch("/v3/regions/{region_id}", update)
        .delete("/v3/regions/{region_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    only_queries(request, &["parent_region_id"])?;
    let parent = filter_of(request, "parent_region_id");
    let regions = ops::list(request.caller(), tx, parent.as_deref())?;
    Ok(listed(request, "regions", regions.iter().map(|region| view(request, region)).collect()))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("region")?;
    let id = fields.text("id")?.filter(|id| !id.is_empty()).unwrap_or_else(fresh);
    insert(request, tx, id, fields)
}

/// PUT is an older way to choose the id, and still refuses one that is taken.
fn create_named(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("region")?;
    let id = request.param("region_id");
    match fields.nullable_text("id")? {
        Some(other) if other.as_deref() != Some(id) => {
            let other = other.as_deref().unwrap_or("None");
            let message = format!("Conflicting region IDs specified: \"{id}\" != \"{other}\"");
            Err(Error::Invalid(message))
        }
        _ => insert(request, tx, id.to_owned(), fields),
    }
}

fn insert(request: &Request, tx: &mut Tx<'_>, id: String, mut fields: Fields) -> Result<Reply, Error> {
    let region = Region {
        id: checked(&fields, "id", id)?,
        description: description(&mut fields)?.flatten().unwrap_or_default(),
        parent_id: region_id(&mut fields, "parent_region_id")?.flatten(),
        extra: extra(fields),
    };
    let region = ops::create(request.caller(), tx, region)?;
    Ok(Reply::created(json!({"region": view(request, &region)})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let region = ops::show(request.caller(), tx, request.param("region_id"))?;
    Ok(Reply::ok(json!({"region": view(request, &region)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("region_id");
    let mut fields = changing(sole_fields(request, "region")?, id)?;
    let change = RegionChange {
        description: description(&mut fields)?.map(Option::unwrap_or_default),
        parent_id: region_id(&mut fields, "parent_region_id")?,
        extra: extra(fields),
    };
    let region = ops::update(request.caller(), tx, id, change)?;
    Ok(Reply::ok(json!({"region": view(request, &region)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("region_id"))?;
    Ok(Reply::empty(204))
}

/// Takes the id of a region, wherever a body names one: `None` if absent, `Some(None)` if null.
pub(crate) fn region_id(fields: &mut Fields, name: &str) -> Result<Option<Option<RegionId>>, InvalidBody> {
    match fields.nullable_text(name)? {
        Some(Some(id)) => Ok(Some(Some(checked(fields, name, id)?))),
        other => Ok(other.map(|_| None)),
    }
}

fn checked(fields: &Fields, name: &str, id: String) -> Result<RegionId, InvalidBody> {
    match id.chars().count() {
        0 => Err(fields.error(name, "is too short: at least 1 character")),
        n if n > ID_MAX => Err(fields.error(name, format!("is too long: at most {ID_MAX} characters"))),
        _ => Ok(RegionId(id)),
    }
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
