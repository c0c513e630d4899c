//! Parts of a server with paths of their own: addresses, metadata, tags, security groups, its password.

use ::store::Tx;
use rest::{Fields, InvalidBody, Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};

use crate::server::{Server, act, ops, ports, view};
use crate::{Error, body, microversion};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/servers/{id}/ips", list_ips)
        .get("/servers/{id}/ips/{network}", show_ips)
        .get("/servers/{id}/metadata", list_metadata)
        .post("/servers/{id}/metadata", |request, tx| set_metadata(request, tx, false))
        .put("/servers/{id}/metadata", |request, tx| set_metadata(request, tx, true))
        .get("/servers/{id}/metadata/{key}", show_metadata)
        .put("/servers/{id}/metadata/{key}", put_metadata)
        .delete("/servers/{id}/metadata/{key}", delete_metadata)
        .get("/servers/{id}/tags", list_tags)
        .put("/servers/{id}/tags", replace_tags)
        .delete("/servers/{id}/tags", delete_tags)
        .get("/servers/{id}/tags/{tag}", show_tag)
        .write(Method::PUT, "/servers/{id}/tags/{tag}", add_tag)
        .delete("/servers/{id}/tags/{tag}", delete_tag)
        .get("/servers/{id}/os-security-groups", list_groups)
        .delete("/servers/{id}/os-server-password", clear_password)
}

fn load(rule: &str, request: &Request, tx: &mut Tx<'_>) -> Result<Server, Error> {
    Ok(act::load_for(rule, request.caller(), tx, request.param("id"))?.into_inner())
}

fn list_ips(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = load("ips:index", request, tx)?;
    Ok(Reply::ok(json!({"addresses": view::addresses(&server.nics, false)})))
}

fn show_ips(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = load("ips:show", request, tx)?;
    let network = request.param("network");
    let addresses = view::addresses(&server.nics, false);
    match addresses.get(network) {
        Some(list) => Ok(Reply::ok(json!({network: list}))),
        None => Err(Error::NotFound("Instance is not a member of specified network".to_owned())),
    }
}

fn list_metadata(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = load("server-metadata:index", request, tx)?;
    Ok(Reply::ok(json!({"metadata": server.metadata})))
}

fn show_metadata(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = load("server-metadata:index", request, tx)?;
    let key = request.param("key");
    match server.metadata.get(key) {
        Some(value) => Ok(Reply::ok(json!({"meta": {key: value}}))),
        None => Err(Error::NotFound("Metadata item was not found".to_owned())),
    }
}

fn set_metadata(request: &Request, tx: &mut Tx<'_>, replace: bool) -> Result<Reply, Error> {
    let mut top = Fields::new("", request.json()?)?;
    let pairs = body::metadata(&mut top, "metadata")?;
    let pairs = pairs.ok_or_else(|| InvalidBody::at("metadata", "is a required property"))?;
    top.finish()?;
    let server = ops::set_metadata(request.caller(), tx, request.param("id"), pairs, replace)?;
    Ok(Reply::ok(json!({"metadata": server.metadata})))
}

fn put_metadata(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut top = Fields::new("", request.json()?)?;
    let pairs = body::metadata(&mut top, "meta")?.unwrap_or_default();
    top.finish()?;
    let key = request.param("key");
    if pairs.len() != 1 || pairs[0].0 != key {
        return Err(Error::Invalid("Request body and URI mismatch".to_owned()));
    }
    let value = pairs[0].1.clone();
    ops::set_metadata(request.caller(), tx, request.param("id"), pairs, false)?;
    Ok(Reply::ok(json!({"meta": {key: value}})))
}

fn delete_metadata(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::remove_metadata(request.caller(), tx, request.param("id"), request.param("key"))?;
    Ok(Reply::empty(204))
}

fn check_tags_version(request: &Request) -> Result<(), Error> {
    if request.version < microversion::TAGS { Err(body::no_such_route()) } else { Ok(()) }
}

fn list_tags(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_tags_version(request)?;
    let server = load("os-server-tags:index", request, tx)?;
    Ok(Reply::ok(json!({"tags": server.tags})))
}

fn show_tag(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_tags_version(request)?;
    let server = load("os-server-tags:index", request, tx)?;
    let tag = request.param("tag");
    if server.tags.contains(tag) {
        return Ok(Reply::empty(204));
    }
    Err(Error::NotFound(format!("Server {} has no tag '{tag}'", server.id)))
}

fn replace_tags(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_tags_version(request)?;
    let mut top = Fields::new("", request.json()?)?;
    let tags = body::tags(&mut top, "tags")?;
    let tags = tags.ok_or_else(|| InvalidBody::at("tags", "is a required property"))?;
    top.finish()?;
    let server = ops::set_tags(request.caller(), tx, request.param("id"), tags)?;
    Ok(Reply::ok(json!({"tags": server.tags})))
}

fn delete_tags(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_tags_version(request)?;
    ops::set_tags(request.caller(), tx, request.param("id"), Vec::new())?;
    Ok(Reply::empty(204))
}

fn add_tag(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_tags_version(request)?;
    let (id, tag) = (request.param("id"), request.param("tag"));
    let new = ops::add_tag(request.caller(), tx, id, tag)?;
    let location = format!("{}/v2.1/servers/{id}/tags/{tag}", request.base_url);
    Ok(Reply::empty(if new { 201 } else { 204 }).header("location", location))
}

fn delete_tag(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_tags_version(request)?;
    ops::remove_tag(request.caller(), tx, request.param("id"), request.param("tag"))?;
    Ok(Reply::empty(204))
}

fn clear_password(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::clear_password(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(204))
}

fn list_groups(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = load("os-security-groups:list", request, tx)?;
    let groups = ports::groups_of(request.caller(), tx, &server)?;
    let views: Vec<Json> = groups
        .iter()
        .map(|group| {
            json!({
                "id": group.id.to_string(),
                "name": group.standard.name,
                "description": group.standard.description,
                "tenant_id": group.standard.project_id,
                "rules": [],
            })
        })
        .collect();
    Ok(Reply::ok(json!({"security_groups": views})))
}
