//! Domains through the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, DEMO, cloud, login};

#[test]
fn life_of_a_domain() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let domain = cloud.make("domains", "domain", json!({"name": "d", "description": "x"}));
    let id = domain["id"].as_str().unwrap();
    let path = format!("domains/{id}");
    let project = cloud.make("projects", "project", json!({"name": "p", "domain_id": id}));
    let user = cloud.make("users", "user", json!({"name": "u", "domain_id": id, "password": "secret"}));
    let group = cloud.make("groups", "group", json!({"name": "g", "domain_id": id}));
    assert_eq!(cloud.get(&admin, "domains?name=d").body["domains"][0], domain);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 403);
    let off = cloud.call(&admin, "PATCH", &path, &json!({"domain": {"enabled": false, "name": "e"}}));
    assert_eq!((off.status, &off.body["domain"]["name"]), (200, &json!("e")));
    let mut body = login("u", "secret", Json::Null);
    body["auth"]["identity"]["password"]["user"]["domain"]["id"] = json!(id);
    assert_eq!(cloud.api.post("", "/identity/v3/auth/tokens", &body).status, 401);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    for (kind, gone) in [("domains", &domain), ("projects", &project), ("users", &user), ("groups", &group)] {
        let path = format!("{kind}/{}", gone["id"].as_str().unwrap());
        assert_eq!(cloud.get(&admin, &path).status, 404, "{path}");
    }
}

#[test]
fn every_get_has_a_head_and_other_methods_are_refused() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let me = cloud.get(&admin, "users?name=admin").body["users"][0]["id"].as_str().unwrap().to_owned();
    let project = cloud.get(&admin, "projects?name=admin").body["projects"][0]["id"].clone();
    let project = project.as_str().unwrap();
    for path in [
        "domains".to_owned(),
        "domains/default".to_owned(),
        "projects".to_owned(),
        format!("projects/{project}"),
        format!("projects/{project}/tags"),
        format!("projects/{project}/users/{me}/roles"),
        format!("OS-INHERIT/domains/default/users/{me}/roles/inherited_to_projects"),
        format!("users/{me}/projects"),
        format!("users/{me}/groups"),
        format!("system/users/{me}/roles"),
        "groups".to_owned(),
        "roles".to_owned(),
        "role_inferences".to_owned(),
        "role_assignments".to_owned(),
    ] {
        let (get, head) = (cloud.get(&admin, &path), cloud.call(&admin, "HEAD", &path, &Json::Null));
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert_eq!(head.body, Json::Null, "{path}");
        for answer in [&get, &head] {
            assert_eq!(answer.header("vary"), Some("X-Auth-Token"), "{path}");
            assert!(answer.header("x-openstack-request-id").is_some(), "{path}");
        }
        let refused = cloud.call(&admin, "TRACE", &path, &Json::Null);
        assert_eq!(refused.status, 405, "{path}");
        assert!(refused.header("allow").is_some_and(|allow| allow.contains("GET")), "{path}");
    }
    assert_eq!(cloud.call(&admin, "PUT", "domains/default", &json!({"domain": {}})).status, 405);
}

#[test]
fn bad_domains() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let check = |token: &str, body: Json, status: u16| {
        let answer = cloud.call(token, "POST", "domains", &json!({"domain": body}));
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    check(&admin, json!({"name": "Default"}), 409);
    check(&admin, json!({"name": "d", "explicit_domain_id": "default"}), 409);
    check(&admin, json!({"name": "d", "explicit_domain_id": "not an id"}), 400);
    check(&admin, json!({"name": null}), 400);
    check(&admin, json!({"name": "d", "enabled": 1}), 400);
    check(&admin, json!({"name": "d", "tags": ["a", "a"]}), 400);
    check(&admin, json!({"name": "d", "description": "x".repeat(256)}), 400);
    check(&demo, json!({"name": "d"}), 403);
    let empty = cloud.call(&admin, "PATCH", "domains/default", &json!({"domain": {}}));
    assert_eq!(empty.status, 400);
    assert_eq!(cloud.get(&demo, "domains").status, 403);
    assert_eq!(cloud.get(&demo, "domains/default").status, 200);
    assert_eq!(cloud.get(&admin, "domains/nothing").status, 404);
}

#[test]
fn golden() {
    crate::tests::check_golden("domain/golden/life.http");
}
