//! Regions, services and endpoints.

use serde_json::{Value as Json, json};

use super::model::{Incomplete, Substitutions, complete, with_address};
use crate::tests::{ADMIN, DEMO, cloud, in_project};

#[test]
fn urls_are_completed() {
    let with = Substitutions { public_url: "http://c:1", project_id: Some("p"), user_id: None };
    let check = |url: &str, expected: Result<&str, Incomplete>| {
        assert_eq!(complete(url, &with), expected.map(str::to_owned), "{url}");
    };
    check("http://x/v1", Ok("http://x/v1"));
    check("$(public_url)s/v3/%(tenant_id)s/x", Ok("http://c:1/v3/p/x"));
    check("/v3/$(project_id)s", Ok("http://c:1/v3/p"));
    check("http://x/a%20b$", Ok("http://x/a%20b$"));
    check("http://x/$(user_id)s", Err(Incomplete::NeedsProject));
    check("http://x/$(galaxy)s", Err(Incomplete::Malformed));
    check("http://x/$(project_id", Err(Incomplete::Malformed));
    assert_eq!(with_address("$(public_url)s/$(project_id)s", "http://c"), "http://c/$(project_id)s");
}

#[test]
fn regions() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    assert_eq!(cloud.get(&demo, "regions").body["regions"][0]["id"], "RegionOne");
    let outer = cloud.make("regions", "region", json!({"description": "x"}));
    let put =
        cloud.call(&admin, "PUT", "regions/inner", &json!({"region": {"parent_region_id": outer["id"]}}));
    assert_eq!((put.status, &put.body["region"]["parent_region_id"]), (201, &outer["id"]));
    assert_eq!(cloud.call(&admin, "PUT", "regions/inner", &json!({"region": {}})).status, 409);
    let circle = json!({"region": {"parent_region_id": "inner"}});
    let path = format!("regions/{}", outer["id"].as_str().unwrap());
    assert_eq!(cloud.call(&admin, "PATCH", &path, &circle).status, 400);
    let orphan = json!({"region": {"parent_region_id": "nowhere"}});
    assert_eq!(cloud.call(&admin, "PATCH", &path, &orphan).status, 404);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, "regions/inner").status, 404);
    assert_eq!(cloud.call(&admin, "DELETE", "regions/RegionOne", &Json::Null).status, 403);
    assert_eq!(cloud.call(&demo, "POST", "regions", &json!({"region": {}})).status, 403);
    let long = json!({"region": {"id": "x".repeat(200)}});
    assert_eq!(cloud.call(&admin, "POST", "regions", &long).status, 400);
}

#[test]
fn services_and_endpoints() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    assert_eq!(cloud.get(&demo, "services").status, 403);
    let service = cloud.make("services", "service", json!({"name": "n", "type": "t", "description": "d"}));
    let id = service["id"].as_str().unwrap();
    assert_eq!(cloud.get(&admin, "services?type=t").body["services"], json!([service]));
    let body =
        json!({"service_id": id, "interface": "public", "region": "new", "url": "http://x/$(project_id)s"});
    let endpoint = cloud.make("endpoints", "endpoint", body);
    assert_eq!((&endpoint["region"], &endpoint["region_id"]), (&json!("new"), &json!("new")));
    assert_eq!(cloud.get(&admin, "regions/new").status, 200);
    let path = format!("endpoints/{}", endpoint["id"].as_str().unwrap());
    assert_eq!(cloud.get(&admin, &format!("endpoints?service_id={id}")).body["endpoints"], json!([endpoint]));
    let seen = |scope: Json| {
        let answer = cloud.login(ADMIN, "admin-secret", scope);
        let catalog = answer.body["token"]["catalog"].as_array().unwrap().clone();
        catalog.into_iter().find(|entry| entry["type"] == "t").map(|entry| entry["endpoints"].clone())
    };
    assert!(seen(in_project(ADMIN)).is_some());
    assert!(seen(json!({"system": {"all": true}})).is_none());
    let change = json!({"endpoint": {"url": "http://y", "interface": "admin", "region": "RegionOne"}});
    assert_eq!(cloud.call(&admin, "PATCH", &path, &change).status, 200);
    assert_eq!(seen(json!({"system": {"all": true}})).unwrap()[0]["url"], "http://y");
    let bad = |body: Json| {
        assert_eq!(cloud.call(&admin, "PATCH", &path, &json!({"endpoint": body})).status, 400, "{body}");
    };
    bad(json!({"url": "nonsense"}));
    bad(json!({"url": "http://x/$(galaxy)s"}));
    bad(json!({"interface": "secret"}));
    bad(json!({"service_id": "nothing"}));
    bad(json!({"region_id": "nowhere"}));
    let off = json!({"service": {"enabled": false}});
    assert_eq!(cloud.call(&admin, "PATCH", &format!("services/{id}"), &off).status, 200);
    assert!(seen(in_project(ADMIN)).is_none());
    assert_eq!(cloud.call(&admin, "DELETE", &format!("services/{id}"), &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &path).status, 404);
}

#[test]
fn a_validated_token_s_catalog_follows_changes_and_addresses() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let url = |host: &str| {
        let headers = [("x-subject-token", demo.as_str()), ("host", host)];
        let answer = cloud.api.call(&admin, "GET", "/identity/v3/auth/tokens", &headers, &Json::Null);
        let catalog = answer.body["token"]["catalog"].as_array().unwrap().clone();
        catalog.iter().find(|entry| entry["type"] == "image").map(|e| e["endpoints"][0]["url"].clone())
    };
    assert_eq!(url("cloud.test"), Some(json!("http://cloud.test/image")));
    let listed = cloud.get(&admin, "services?type=image").body;
    let path = format!("services/{}", listed["services"][0]["id"].as_str().unwrap());
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(url("cloud.test"), None);
}
