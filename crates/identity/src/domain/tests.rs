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
    check(&demo, json!({"name": "d"}), 403);
    assert_eq!(cloud.get(&demo, "domains").status, 403);
    assert_eq!(cloud.get(&demo, "domains/default").status, 200);
    assert_eq!(cloud.get(&admin, "domains/nothing").status, 404);
}
