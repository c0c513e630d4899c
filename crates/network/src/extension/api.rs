//! Versions and extensions over HTTP.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::list::{EXTENSIONS, Extension};
use crate::Error;

/// Collections as the version's document names them: resource and path.
const COLLECTIONS: [(&str, &str); 8] = [
    ("network", "networks"),
    ("subnet", "subnets"),
    ("subnetpool", "subnetpools"),
    ("port", "ports"),
    ("router", "routers"),
    ("floatingip", "floatingips"),
    ("security_group", "security-groups"),
    ("security_group_rule", "security-group-rules"),
];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .open("/", versions)
        .open("/v2.0", version)
        .get("/v2.0/extensions", list)
        .get("/v2.0/extensions/{alias}", show)
}

fn versions(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let href = format!("{}/v2.0/", request.base_url);
    let version = json!({"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]});
    Ok(Reply::ok(json!({"versions": [version]})))
}

fn version(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let resources = COLLECTIONS.map(|(name, collection)| {
        let href = format!("{}/v2.0/{collection}", request.base_url);
        json!({"name": name, "collection": collection, "links": [{"rel": "self", "href": href}]})
    });
    Ok(Reply::ok(json!({"resources": resources})))
}

fn list(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let extensions: Vec<Json> = EXTENSIONS.iter().map(view).collect();
    Ok(Reply::ok(json!({"extensions": extensions})))
}

fn show(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let alias = request.param("alias");
    let known = EXTENSIONS.iter().find(|extension| extension.alias == alias);
    let known = known.ok_or_else(|| Error::ExtensionNotFound { alias: alias.to_owned() })?;
    Ok(Reply::ok(json!({"extension": view(known)})))
}

fn view(extension: &Extension) -> Json {
    json!({
        "alias": extension.alias,
        "name": extension.name,
        "description": extension.description,
        "updated": extension.updated,
        "links": [],
    })
}
