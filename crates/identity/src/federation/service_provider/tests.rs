//! Service providers through the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn bad_service_providers() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let path = "OS-FEDERATION/service_providers/s";
    let check = |body: Json, status: u16| {
        let answer = cloud.call(&admin, "PUT", path, &json!({"service_provider": body}));
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    check(json!({"auth_url": "https://a/"}), 400);
    check(json!({"auth_url": "nourl", "sp_url": "https://b/"}), 400);
    check(json!({"auth_url": ":x", "sp_url": "https://b/"}), 400);
    check(json!({"auth_url": format!("https://{}", "a".repeat(225)), "sp_url": "https://b/"}), 400);
    check(json!({"auth_url": "https://a/", "sp_url": "https://b/", "x": 1}), 400);
    check(json!({"auth_url": "https://a/", "sp_url": "https://b/", "enabled": null}), 400);
    check(
        json!({"auth_url": "https://a/", "sp_url": "https://b/", "relay_state_prefix": "x".repeat(257)}),
        400,
    );
    let body = json!({"service_provider": {"auth_url": "https://a/", "sp_url": "https://b/"}});
    assert_eq!(cloud.call(&demo, "PUT", path, &body).status, 403);
    assert_eq!(cloud.call(&admin, "PUT", path, &body).status, 201);
    assert_eq!(cloud.get(&demo, path).status, 403);
    assert_eq!(cloud.get(&demo, "OS-FEDERATION/service_providers").status, 403);
    // Tokens tell of those that are enabled.
    let told = || cloud.login(DEMO, "demo-secret", Json::Null).body["token"]["service_providers"].clone();
    assert_eq!(told(), Json::Null);
    let patch = json!({"service_provider": {"enabled": true}});
    assert_eq!(cloud.call(&admin, "PATCH", path, &patch).status, 200);
    assert_eq!(told(), json!([{"id": "s", "auth_url": "https://a/", "sp_url": "https://b/"}]));
    assert_eq!(cloud.call(&demo, "DELETE", path, &Json::Null).status, 403);
}

#[test]
fn golden() {
    crate::tests::check_golden("federation/service_provider/golden/life.http");
}
