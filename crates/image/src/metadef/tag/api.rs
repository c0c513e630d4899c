//! Tags over HTTP.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::TAGS;
use crate::error::Error;
use crate::metadef::api::{NAME_CHARS_MAX, body, check_visibility, name, objects, paging, unfit};
use crate::metadef::entry::store::SORTABLE;
use crate::metadef::entry::{Entry, ops};
use crate::metadef::namespace;

/// The routes of tags.
pub(crate) fn routes() -> Routes {
    let all = "/v2/metadefs/namespaces/{namespace}/tags";
    let one = "/v2/metadefs/namespaces/{namespace}/tags/{name}";
    Routes::new()
        .get(all, index)
        .post(all, create_all)
        .delete(all, clear)
        .get(one, show)
        .post(one, create)
        .put(one, update)
        .delete(one, delete)
}

fn view(tag: &Entry<()>) -> Json {
    json!({"name": tag.name, "created_at": tag.created_at.iso_z(), "updated_at": tag.updated_at.iso_z()})
}

fn listed<'t>(tags: impl IntoIterator<Item = &'t str>) -> Json {
    json!({"tags": tags.into_iter().map(|name| json!({"name": name})).collect::<Vec<_>>()})
}

/// Tags in a body of their own or of a namespace.
pub(crate) fn tags(fields: &mut Fields) -> Result<Vec<String>, InvalidBody> {
    let tag = |mut fields: Fields| {
        let name = name(&mut fields, "name")?;
        fields.finish()?;
        Ok(name)
    };
    objects(fields, "tags")?.into_iter().map(tag).collect()
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_visibility(request, &["public", "private", "shared"])?;
    let paging = paging(request, &SORTABLE)?;
    let tags = ops::page(request.caller(), tx, &TAGS, request.param("namespace"), &paging)?;
    Ok(Reply::ok(listed(tags.iter().map(|tag| tag.name.as_str()))))
}

fn create_all(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = body(request, &["created_at", "updated_at"])?;
    let unfit = unfit("tags");
    let names = tags(&mut fields).map_err(&unfit)?;
    fields.finish().map_err(&unfit)?;
    let append = request.header("x-openstack-append").unwrap_or_default().to_lowercase();
    let append = ["1", "t", "true", "on", "y", "yes"].contains(&append.trim());
    namespace::ops::add_tags(request.caller(), tx, request.param("namespace"), &names, append)?;
    Ok(Reply::created(listed(names.iter().map(String::as_str))))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let name = request.param("name").to_owned();
    if name.chars().count() > NAME_CHARS_MAX {
        let long = InvalidBody::at("name", format!("is longer than {NAME_CHARS_MAX} characters"));
        return Err(unfit("tag")(long));
    }
    let tag = ops::create(request.caller(), tx, &TAGS, request.param("namespace"), (name, ()))?;
    Ok(Reply::created(view(&tag)))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let tag = ops::show(request.caller(), tx, &TAGS, request.param("namespace"), request.param("name"))?;
    Ok(Reply::ok(view(&tag)))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = body(request, &["created_at", "updated_at"])?;
    let unfit = unfit("tag");
    let name = name(&mut fields, "name").map_err(&unfit)?;
    fields.finish().map_err(&unfit)?;
    let which = (request.param("namespace"), request.param("name"));
    let tag = ops::update(request.caller(), tx, &TAGS, which, (name, ()))?;
    Ok(Reply::ok(view(&tag)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &TAGS, request.param("namespace"), request.param("name"))?;
    Ok(Reply::empty(204))
}

fn clear(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    namespace::ops::clear_tags(request.caller(), tx, request.param("namespace"))?;
    Ok(Reply::empty(204))
}
