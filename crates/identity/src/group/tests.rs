//! Groups through the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn bad_groups() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let made = cloud.make("groups", "group", json!({"name": "g", "description": null, "extra": 1}));
    assert_eq!((&made["description"], made.get("extra")), (&Json::Null, None));
    let path = format!("groups/{}", made["id"].as_str().unwrap());
    let check = |token: &str, method: &str, path: &str, body: Json, status: u16| {
        let answer = cloud.call(token, method, path, &json!({"group": body}));
        assert_eq!(answer.status, status, "{method} {path} {body} {}", answer.body);
    };
    check(&admin, "POST", "groups", json!({}), 400);
    check(&admin, "POST", "groups", json!({"name": ""}), 400);
    check(&admin, "POST", "groups", json!({"name": "x".repeat(65)}), 400);
    check(&admin, "POST", "groups", json!({"name": "g"}), 409);
    check(&admin, "POST", "groups", json!({"name": "h", "domain_id": "nowhere"}), 404);
    check(&demo, "POST", "groups", json!({"name": "h"}), 403);
    check(&admin, "PATCH", &path, json!({}), 400);
    check(&admin, "PATCH", &path, json!({"id": "other"}), 400);
    check(&admin, "PATCH", &path, json!({"domain_id": "other"}), 400);
    check(&admin, "PATCH", &path, json!({"name": null}), 400);
    check(&demo, "PATCH", &path, json!({"name": "h"}), 403);
    check(&admin, "PATCH", "groups/nothing", json!({"name": "h"}), 404);
    check(&admin, "PUT", &format!("{path}/users/nobody"), Json::Null, 404);
    check(&demo, "DELETE", &path, Json::Null, 403);
    assert_eq!(cloud.get(&admin, &path).body["group"], made);
}

#[test]
fn golden() {
    crate::tests::check_golden("group/golden/life.http");
}
