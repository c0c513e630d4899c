//! Identity providers through the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn bad_identity_providers_change_nothing() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let put = |id: &str, body: Json, status: u16| {
        let path = format!("OS-FEDERATION/identity_providers/{id}");
        let answer = cloud.call(&admin, "PUT", &path, &json!({"identity_provider": body}));
        assert_eq!(answer.status, status, "{}", answer.body);
        answer.body
    };
    put("a", json!({"remote_ids": ["https://a", "https://b"]}), 201);
    put("b", json!({"remote_ids": ["https://c", "https://a"]}), 409);
    put("b", json!({"remote_ids": ["x", "x"]}), 400);
    put("b", json!({"remote_ids": ["x".repeat(256)]}), 400);
    put("b", json!({"remote_ids": "x"}), 400);
    put("b", json!({"domain_id": "nowhere"}), 404);
    put("b", json!({"enabled": "yes"}), 400);
    put("b", json!({"authorization_ttl": -1}), 400);
    put("b", json!({"authorization_ttl": i64::MAX}), 400);
    put("b", json!({"colour": "x"}), 400);
    put(&"b".repeat(65), json!({}), 400);
    let listed = cloud.get(&admin, "OS-FEDERATION/identity_providers").body;
    assert_eq!(listed["identity_providers"].as_array().unwrap().len(), 1);
    // The refused one kept neither its other remote id nor a domain.
    put("b", json!({"remote_ids": ["https://c"], "domain_id": "default"}), 201);
    let domains = cloud.get(&admin, "domains").body["domains"].as_array().unwrap().len();
    assert_eq!(domains, 2);
    let patch = json!({"identity_provider": {"remote_ids": ["https://b"]}});
    assert_eq!(cloud.call(&admin, "PATCH", "OS-FEDERATION/identity_providers/b", &patch).status, 409);
    let patch = json!({"identity_provider": {"remote_ids": []}});
    assert_eq!(cloud.call(&admin, "PATCH", "OS-FEDERATION/identity_providers/a", &patch).status, 200);
    put("c", json!({"remote_ids": ["https://b"]}), 201);
}

#[test]
fn what_an_identity_provider_is_asked_for_by_whom() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let path = "OS-FEDERATION/identity_providers/a";
    assert_eq!(cloud.call(&demo, "PUT", path, &json!({})).status, 403);
    assert_eq!(cloud.call(&admin, "PUT", path, &json!({})).status, 201);
    for (method, body) in [("GET", Json::Null), ("PATCH", json!({"identity_provider": {"enabled": true}}))] {
        assert_eq!(cloud.call(&demo, method, path, &body).status, 403, "{method}");
    }
    assert_eq!(cloud.get(&demo, "OS-FEDERATION/identity_providers").status, 403);
    assert_eq!(cloud.call(&demo, "DELETE", path, &Json::Null).status, 403);
}

#[test]
fn a_domain_takes_its_identity_providers_along() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let path = "OS-FEDERATION/identity_providers/a";
    let made = cloud.call(&admin, "PUT", path, &json!({"identity_provider": {"remote_ids": ["r"]}})).body;
    let domain = format!("domains/{}", made["identity_provider"]["domain_id"].as_str().unwrap());
    assert_eq!(cloud.call(&admin, "PATCH", &domain, &json!({"domain": {"enabled": false}})).status, 200);
    assert_eq!(cloud.call(&admin, "DELETE", &domain, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, path).status, 404);
    assert_eq!(
        cloud.call(&admin, "PUT", path, &json!({"identity_provider": {"remote_ids": ["r"]}})).status,
        201
    );
}

#[test]
fn golden() {
    crate::tests::check_golden("federation/identity_provider/golden/life.http");
    crate::tests::check_golden("federation/identity_provider/golden/protocols.http");
}
