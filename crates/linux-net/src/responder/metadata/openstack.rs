//! `/openstack/...`: JSON documents by version, as Nova lays them out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::InstanceMetadata;
use crate::responder::http::Response;

const FOLSOM: &str = "2012-08-10";
const GRIZZLY: &str = "2013-04-04";
const HAVANA: &str = "2013-10-17";
const LIBERTY: &str = "2015-10-15";
const NEWTON_ONE: &str = "2016-06-30";
const NEWTON_TWO: &str = "2016-10-06";
const OCATA: &str = "2017-02-22";
const ROCKY: &str = "2018-08-27";
const VICTORIA: &str = "2020-10-14";
/// Their names sort by age.
const VERSIONS: [&str; 9] =
    [FOLSOM, GRIZZLY, HAVANA, LIBERTY, NEWTON_ONE, NEWTON_TWO, OCATA, ROCKY, VICTORIA];
const LATEST: &str = "latest";

/// Version and item of `/openstack/{version}/{item}`.
pub fn item<'a>(path: &[&'a str]) -> Option<(&'a str, &'a str)> {
    match path {
        ["openstack", version, item] => Some((version, item)),
        _ => None,
    }
}

/// Whether this version has the page on which a password is posted.
pub fn has_password(version: &str) -> bool {
    resolve(version).is_some_and(|version| version >= GRIZZLY)
}

/// The page below `/openstack`.
pub fn page(instance: &InstanceMetadata, path: &[&str]) -> Option<Response> {
    let (version, item) = match path {
        [] => return Some(Response::text([&VERSIONS[..], &[LATEST]].concat().join("\n"))),
        [version] => return Some(Response::text(listing(instance, resolve(version)?).join("\n"))),
        [version, item] => (resolve(version)?, *item),
        _ => return None,
    };
    match item {
        "meta_data.json" => Some(Response::json(&meta_data(instance, version))),
        "user_data" => instance.user_data.clone().map(Response::text),
        "vendor_data.json" if version >= HAVANA => Some(Response::json(&instance.vendor_data)),
        "network_data.json" if version >= LIBERTY => Some(Response::json(&instance.network_data)),
        "vendor_data2.json" if version >= NEWTON_TWO => Some(Response::json(&instance.vendor_data2)),
        _ => None,
    }
}

fn resolve(version: &str) -> Option<&'static str> {
    let version = if version == LATEST { VICTORIA } else { version };
    VERSIONS.into_iter().find(|known| *known == version)
}

fn listing(instance: &InstanceMetadata, version: &str) -> Vec<&'static str> {
    let pages = [
        ("meta_data.json", true),
        ("user_data", instance.user_data.is_some()),
        ("password", version >= GRIZZLY),
        ("vendor_data.json", version >= HAVANA),
        ("network_data.json", version >= LIBERTY),
        ("vendor_data2.json", version >= NEWTON_TWO),
    ];
    pages.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

fn meta_data(instance: &InstanceMetadata, version: &str) -> Value {
    let mut page = Map::new();
    let mut set = |key: &str, value: Value| drop(page.insert(key.to_owned(), value));
    set("uuid", json!(instance.server.to_string()));
    set("name", json!(instance.name));
    set("hostname", json!(instance.hostname));
    set("launch_index", json!(instance.launch_index));
    set("availability_zone", json!(instance.availability_zone));
    if !instance.meta.is_empty() {
        set("meta", json!(instance.meta));
    }
    if let Some(password) = &instance.admin_pass {
        set("admin_pass", json!(password));
    }
    if !instance.keys.is_empty() {
        let by_name: Map<_, _> = instance.keys.iter().map(|k| (k.name.clone(), json!(k.data))).collect();
        let list: Vec<_> =
            instance.keys.iter().map(|k| json!({"name": k.name, "type": k.kind, "data": k.data})).collect();
        set("public_keys", Value::Object(by_name));
        set("keys", Value::Array(list));
    }
    if version >= GRIZZLY && !instance.random_seed.is_empty() {
        set("random_seed", json!(STANDARD.encode(&instance.random_seed)));
    }
    if version >= LIBERTY {
        set("project_id", json!(instance.project.as_str()));
    }
    if version >= NEWTON_ONE {
        set("devices", json!([]));
    }
    if version >= VICTORIA {
        set("dedicated_cpus", json!([]));
    }
    Value::Object(page)
}
