//! Credentials as clients meet them.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn life_of_a_credential() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let project = cloud.get(&demo, "auth/projects").body["projects"][0]["id"].clone();
    let body = json!({"credential": {
        "type": "ec2", "project_id": project, "blob": "{\"access\": \"a\", \"secret\": \"s\"}",
    }});
    let made = cloud.call(&demo, "POST", "credentials", &body);
    assert_eq!(made.status, 201, "{}", made.body);
    let path = format!("credentials/{}", made.body["credential"]["id"].as_str().unwrap());
    assert_eq!(cloud.call(&demo, "POST", "credentials", &body).status, 409);
    assert_eq!(cloud.get(&demo, "credentials?type=ec2").body["credentials"].as_array().unwrap().len(), 1);
    let others = cloud.make("credentials", "credential", json!({"type": "cert", "blob": "x"}));
    let foreign = format!("credentials/{}", others["id"].as_str().unwrap());
    assert_eq!(cloud.get(&demo, "credentials").body["credentials"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.get(&admin, "credentials").body["credentials"].as_array().unwrap().len(), 2);
    assert_eq!(cloud.get(&demo, &foreign).status, 403);
    let change = cloud.call(&demo, "PATCH", &path, &json!({"credential": {"blob": "new"}}));
    assert_eq!((change.status, &change.body["credential"]["blob"]), (200, &json!("new")));
    let give = json!({"credential": {"user_id": others["user_id"]}});
    assert_eq!(cloud.call(&demo, "PATCH", &path, &give).status, 403);
    let bad = |body: Json, status: u16| {
        let answer = cloud.call(&demo, "POST", "credentials", &json!({"credential": body}));
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    bad(json!({"type": "ec2", "blob": "{\"access\": \"b\"}"}), 400);
    bad(json!({"type": "ec2", "blob": "no json", "project_id": "p"}), 400);
    bad(json!({"type": "cert"}), 400);
    bad(json!({"type": "cert", "blob": "x", "project_id": "nothing"}), 404);
    bad(json!({"type": "cert", "blob": "x", "user_id": others["user_id"]}), 403);
    assert_eq!(cloud.call(&demo, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &path).status, 404);
}
