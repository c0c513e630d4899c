//! EC2 keys through the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn a_member_has_keys_of_its_own() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let token = cloud.validate(&demo, &demo).body;
    let (user, project) = (token["token"]["user"]["id"].as_str().unwrap(), &token["token"]["project"]["id"]);
    let path = format!("users/{user}/credentials/OS-EC2");
    let make = |token: &str, path: &str, body: Json| cloud.call(token, "POST", path, &body);
    let made = make(&demo, &path, json!({"tenant_id": project}));
    assert_eq!(made.status, 201, "{made:?}");
    let key = &made.body["credential"];
    assert_eq!((&key["tenant_id"], &key["user_id"], &key["trust_id"]), (project, &json!(user), &Json::Null));
    let own = format!("{path}/{}", key["access"].as_str().unwrap());
    assert_eq!(cloud.get(&demo, &own).body["credential"], *key);
    assert_eq!(cloud.get(&admin, &path).body["credentials"], json!([key]));
    let stored = cloud.get(&demo, "credentials?type=ec2").body;
    let blob: Json = serde_json::from_str(stored["credentials"][0]["blob"].as_str().unwrap()).unwrap();
    assert_eq!((&blob["access"], &blob["secret"]), (&key["access"], &key["secret"]));
    assert_eq!(make(&demo, &path, json!({})).status, 404);
    assert_eq!(make(&demo, &path, json!({"tenant_id": "nowhere"})).status, 404);
    assert_eq!(make(&demo, &path, json!({"tenant_id": 1})).status, 400);
    let admins = cloud.validate(&admin, &admin).body["token"]["user"]["id"].as_str().unwrap().to_owned();
    let foreign = format!("users/{admins}/credentials/OS-EC2");
    assert_eq!(make(&demo, &foreign, json!({"tenant_id": project})).status, 403);
    assert_eq!(cloud.get(&demo, &foreign).status, 403);
    assert_eq!(make(&admin, "users/nobody/credentials/OS-EC2", json!({"tenant_id": project})).status, 404);
    let others = make(&admin, &foreign, json!({"tenant_id": project})).body["credential"]["access"].clone();
    let others = format!("{path}/{}", others.as_str().unwrap());
    assert_eq!(cloud.get(&demo, &others).status, 403, "the path does not make it one's own");
    assert_eq!(cloud.call(&demo, "DELETE", &others, &Json::Null).status, 403);
    assert_eq!(cloud.call(&demo, "DELETE", &own, &Json::Null).status, 204);
    assert_eq!(cloud.call(&demo, "DELETE", &own, &Json::Null).status, 404);
}

#[test]
fn golden() {
    crate::tests::check_golden("ec2_credential/golden/life.http");
}
