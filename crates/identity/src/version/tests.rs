//! The version documents, and the table of all routes.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::relations::relations_of;
use crate::tests::cloud;

#[test]
fn discovery_needs_no_token() {
    let cloud = cloud();
    for path in ["/identity", "/identity/"] {
        let root = cloud.api.get("", path);
        assert_eq!(root.status, 300);
        assert_eq!(root.header("location"), Some("http://cloud.test/identity/v3/"));
        let version = &root.body["versions"]["values"][0];
        assert_eq!(version["id"], "v3.14");
        assert_eq!(version["status"], "stable");
        assert_eq!(version["links"][0]["href"], "http://cloud.test/identity/v3/");
    }
    for path in ["/identity/v3", "/identity/v3/"] {
        let version = cloud.api.get("", path);
        assert_eq!((version.status, &version.body["version"]["id"]), (200, &Json::from("v3.14")));
    }
    assert_eq!(cloud.api.get("", "/identity/v2.0").status, 404);
}

/// Routes that Keystone gives no relation either: those of federation lead to `/auth` there.
const WITHOUT_RELATION: &[&str] =
    &["/OS-FEDERATION/domains", "/OS-FEDERATION/projects", "/projects/{project_id}/tags"];

/// Whoever adds a route names its relation, so that JSON home tells of all there is and of nothing else.
#[test]
fn json_home_tells_of_every_route() {
    let cloud = cloud();
    let service = crate::service(&cloud.api.store, &cloud.tokens);
    let mut told = 0;
    let paths: BTreeSet<String> = service.routes.table().into_iter().map(|(_, path)| path).collect();
    for path in paths.iter().filter_map(|path| path.strip_prefix("/v3")).filter(|path| !path.is_empty()) {
        let relations = relations_of(path).count();
        let expected = !WITHOUT_RELATION.contains(&path);
        assert_eq!(relations > 0, expected, "{path}: add its relation to relations.rs");
        told += relations;
    }
    let home = home_at(&cloud, "/identity/v3");
    assert_eq!(home.len(), told);
    for (name, resource) in &home {
        let path = resource.get("href").or(resource.get("href-template")).unwrap().as_str().unwrap();
        assert!(relations_of(path).any(|relation| relation.name == *name), "{name}: {path}");
    }
}

fn home_at(cloud: &crate::tests::Cloud, path: &str) -> Map<String, Json> {
    let answer = cloud.api.call("", "GET", path, &[("accept", "application/json-home")], &Json::Null);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json-home")));
    answer.body["resources"].as_object().unwrap().clone()
}

#[test]
fn json_home_is_keystone_s() {
    let cloud = cloud();
    let at = |name: &str| format!("https://docs.openstack.org/api/openstack-identity/3/{name}");
    let below = home_at(&cloud, "/identity/v3");
    assert_eq!(below[&at("rel/regions")], json!({"href": "/regions"}));
    let group = json!({
        "href-template": "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}",
        "href-vars": {"endpoint_group_id": at("ext/OS-EP-FILTER/1.0/param/endpoint_group_id")},
    });
    assert_eq!(below[&at("ext/OS-EP-FILTER/1.0/rel/endpoint_group")], group);
    let limit = json!({
        "href-template": "/limits/{limit_id}",
        "href-vars": {"limit_id": at("param/limit_id")},
        "hints": {"status": "experimental"},
    });
    assert_eq!(below[&at("rel/limit")], limit);
    let above = home_at(&cloud, "/identity");
    assert_eq!(above.len(), below.len());
    assert_eq!(above[&at("rel/regions")], json!({"href": "/v3/regions"}));
}

#[test]
fn a_client_gets_what_it_accepts_most() {
    let cloud = cloud();
    let check = |accept: &str, expected: &str| {
        let answer = cloud.api.call("", "GET", "/identity/v3", &[("accept", accept)], &Json::Null);
        assert_eq!(answer.header("content-type"), Some(expected), "{accept}");
    };
    let (json, home) = ("application/json", "application/json-home");
    check("", json);
    check("*/*", json);
    check("text/html", json);
    check("application/json-home", home);
    check("application/json, application/json-home", json);
    check("application/json;q=0.5, application/json-home", home);
    check("application/json-home;q=0.5, application/json", json);
    check("application/json-home, */*", home);
    check("application/json-home;q=0", json);
}

/// Whatever is asked without a token and with junk in every place is refused, and never breaks anything.
#[test]
fn every_other_route_refuses_strangers() {
    let cloud = cloud();
    let service = crate::service(&cloud.api.store, &cloud.tokens);
    for (method, path) in service.routes.table() {
        let open = matches!(path.as_str(), "/" | "/v3" | "/v3/users/{user_id}/password")
            || matches!(path.as_str(), "/v3/OS-OAUTH1/request_token" | "/v3/OS-OAUTH1/access_token")
            || path.ends_with("/auth")
            || (method.as_str(), path.as_str()) == ("POST", "/v3/auth/tokens");
        let filled: String = path.split('{').enumerate().fold(String::new(), |so_far, (n, part)| {
            if n == 0 {
                part.to_owned()
            } else {
                format!("{so_far}x{}", part.split_once('}').map_or("", |(_, rest)| rest))
            }
        });
        let url = format!("/identity{filled}");
        let answer = cloud.api.call("", method.as_str(), &url, &[], &Json::Null);
        assert_eq!(answer.status == 401, !open, "{method} {path}: {}", answer.status);
        let admin = cloud.token(crate::tests::ADMIN);
        for body in [Json::Null, Json::from(7), serde_json::json!({"x": []})] {
            let answer = cloud.api.call(&admin, method.as_str(), &url, &[], &body);
            assert!(answer.status < 500, "{method} {path} {body}: {}", answer.body);
        }
    }
}
