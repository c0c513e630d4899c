//! `/` and `/v3`: what is there, as a version document or as JSON home.

use std::sync::Arc;

use rest::{Reply, ReplyBody, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;

use super::relations::{Relation, relations_of};
use crate::Error;

const JSON: &str = "application/json";
const JSON_HOME: &str = "application/json-home";

/// `others` are all other routes, which JSON home tells of.
pub(crate) fn routes(others: &Routes) -> Routes {
    let paths: Vec<String> = others.table().into_iter().map(|(_, path)| path).collect();
    let below_root = Arc::new(home(&paths, "/v3"));
    let below_v3 = Arc::new(home(&paths, ""));
    Routes::new()
        .open("/", move |request, tx| versions(request, tx, &below_root))
        .open("/v3", move |request, tx| version(request, tx, &below_v3))
}

/// 300, as Keystone answers although there is one choice: clients rely on the body, not on the status.
fn versions(request: &Request, _: &mut Tx<'_>, home: &Json) -> Result<Reply, Error> {
    if wants_home(request) {
        return Ok(home_reply(home));
    }
    let body = json!({"versions": {"values": [document(request)]}});
    Ok(Reply::json(300, body).header("location", format!("{}/v3/", request.base_url)))
}

fn version(request: &Request, _: &mut Tx<'_>, home: &Json) -> Result<Reply, Error> {
    if wants_home(request) {
        return Ok(home_reply(home));
    }
    Ok(Reply::ok(json!({"version": document(request)})))
}

fn document(request: &Request) -> Json {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/v3/", request.base_url)}],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"},
        ],
    })
}

fn home_reply(home: &Json) -> Reply {
    let body = ReplyBody::Bytes(home.to_string().into_bytes());
    Reply { status: 200, headers: Vec::new(), body }.header("content-type", JSON_HOME)
}

/// Everything among `paths` that has a relation; `prefix` is what the client has yet to put before a path.
pub(super) fn home(paths: &[String], prefix: &str) -> Json {
    let paths = paths.iter().filter_map(|path| path.strip_prefix("/v3"));
    let resources =
        paths.flat_map(relations_of).map(|relation| (relation.name.clone(), view(relation, prefix)));
    json!({"resources": resources.collect::<Map<_, _>>()})
}

fn view(relation: Relation, prefix: &str) -> Json {
    let href = format!("{prefix}{}", relation.path);
    let mut view = match relation.parameters.is_empty() {
        true => json!({"href": href}),
        false => json!({"href-template": href, "href-vars": relation.parameters}),
    };
    if relation.is_experimental {
        view["hints"] = json!({"status": "experimental"});
    }
    view
}

/// Whether the client would rather have JSON home than JSON. What it does not say is JSON.
fn wants_home(request: &Request) -> bool {
    let accept = request.header("accept").unwrap_or_default();
    preference(accept, JSON_HOME) > preference(accept, JSON)
}

/// How much a client wants a media type: the weight of the range that names it most closely, in thousandths, and how
/// closely that names it.
fn preference(accept: &str, wanted: &str) -> (u32, u32) {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let closeness = match parts.next()? {
            "*/*" => 1,
            "application/*" => 2,
            name if name.eq_ignore_ascii_case(wanted) => 3,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok());
        Some((closeness, (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32))
    });
    match ranges.max() {
        Some((closeness, weight)) if weight > 0 => (weight, closeness),
        _ => (0, 0),
    }
}
