//! Images over HTTP.

mod body;
mod list;
mod patch;
mod view;

use std::sync::Arc;

use rest::{InvalidBody, Reply, Request, Routes};
use serde_json::json;
use store::Tx;
use types::ImageId;

use super::ops;
use crate::Shared;
use crate::api::link;
use crate::error::Error;

pub(crate) use body::draft_of;

/// Where images are, as clients are told.
const PATH: &str = "/v2/images";

/// The routes of images and their tags.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    let creating = shared.clone();
    Routes::new()
        .get("/v2/images", index)
        .post("/v2/images", move |request, tx| create(&creating, request, tx))
        .get("/v2/images/{id}", show)
        .patch("/v2/images/{id}", update)
        .delete("/v2/images/{id}", delete)
        .post("/v2/images/{id}/actions/deactivate", deactivate)
        .post("/v2/images/{id}/actions/reactivate", reactivate)
        .put("/v2/images/{id}/tags/{tag}", add_tag)
        .delete("/v2/images/{id}/tags/{tag}", remove_tag)
}

/// The image that a path is about. What is no UUID is no image.
pub(crate) fn image_id(request: &Request) -> Result<ImageId, Error> {
    let text = request.param("id");
    text.parse().map_err(|_| Error::NotFound(text.to_owned()))
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (query, caller) = (list::query(request)?, request.caller());
    let images = ops::list(caller, tx, &query)?;
    // As Glance: a full page has a next one, which may be empty.
    let last = images.last().filter(|_| images.len() == query.limit as usize);
    Ok(Reply::written(&view::List {
        images: images.iter().map(|image| view::image(caller, image)).collect(),
        schema: "/v2/schemas/images",
        first: link(request, PATH, None),
        next: last.map(|last| link(request, PATH, Some(&last.id.to_string()))),
    }))
}

fn create(shared: &Shared, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let draft = body::draft(request)?;
    let image = ops::create(request.caller(), tx, shared.config.limits, draft)?;
    let location = format!("{}/v2/images/{}", request.base_url, image.id);
    let reply = Reply::created(json!(view::image(request.caller(), &image))).header("location", location);
    let reply = reply.header("openstack-image-store-ids", shared.stores.ids().join(","));
    Ok(match shared.config.import_methods.join(",") {
        methods if methods.is_empty() => reply,
        methods => reply.header("openstack-image-import-methods", methods),
    })
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let image = ops::show(request.caller(), tx, image_id(request)?)?;
    Ok(Reply::written(&view::image(request.caller(), &image)))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = image_id(request)?;
    let changes = patch::changes(request)?;
    let image = ops::update(request.caller(), tx, id, &changes)?;
    Ok(Reply::written(&view::image(request.caller(), &image)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, image_id(request)?)?;
    Ok(Reply::empty(204))
}

fn deactivate(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::deactivate(request.caller(), tx, image_id(request)?)?;
    Ok(Reply::empty(204))
}

fn reactivate(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::reactivate(request.caller(), tx, image_id(request)?)?;
    Ok(Reply::empty(204))
}

fn add_tag(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let tag = body::tag(request.param("tag"))?;
    ops::add_tag(request.caller(), tx, image_id(request)?, &tag)?;
    Ok(Reply::empty(204))
}

fn remove_tag(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::remove_tag(request.caller(), tx, image_id(request)?, request.param("tag"))?;
    Ok(Reply::empty(204))
}

/// A field that does not fit the image schema, said as Glance says it.
fn invalid(error: &InvalidBody) -> Error {
    if error.malformed {
        Error::Invalid("Malformed JSON in request body.".to_owned())
    } else {
        Error::Invalid(format!("Provided object does not match schema 'image': {error}"))
    }
}
