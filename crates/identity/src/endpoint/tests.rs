//! Endpoints as clients meet them, and the catalog made of them.

use serde_json::{Value as Json, json};

use super::model::{Incomplete, Substitutions, complete, is_address, with_address};
use crate::tests::{ADMIN, DEMO, check_golden, cloud, in_project};

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
fn what_is_an_address() {
    let check = |url: &str, expected: bool| assert_eq!(is_address(url), expected, "{url}");
    check("http://x", true);
    check("x-reef+v1.0:y", true);
    check("/v3/$(project_id)s", true);
    check("$(public_url)s/v3", true);
    check("$(project_id)s/v3", false);
    check("http:", false);
    check("://x", false);
    check("a b:c", false);
    check("", false);
}

#[test]
fn the_life_of_an_endpoint() {
    check_golden("endpoint/golden/life.http");
}

#[test]
fn refusals_look_as_keystone_s() {
    check_golden("endpoint/golden/refusals.http");
}

#[test]
fn a_catalog_shows_the_endpoints_that_its_scope_can_use() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let service = cloud.make("services", "service", json!({"type": "t"}));
    let body = json!({
        "service_id": service["id"], "interface": "public", "url": "http://x/$(project_id)s", "colour": "red",
    });
    let endpoint = cloud.make("endpoints", "endpoint", body);
    let path = format!("endpoints/{}", endpoint["id"].as_str().unwrap());
    let seen = |scope: Json| {
        let answer = cloud.login(ADMIN, "admin-secret", scope);
        let catalog = answer.body["token"]["catalog"].as_array().unwrap().clone();
        let entry = catalog.into_iter().find(|entry| entry["type"] == "t").unwrap();
        entry["endpoints"].as_array().unwrap().clone()
    };
    let system = json!({"system": {"all": true}});
    let project = cloud.get(&admin, "projects?name=admin").body["projects"][0]["id"].clone();
    let url = format!("http://x/{}", project.as_str().unwrap());
    let shown = seen(in_project(ADMIN));
    assert_eq!((shown.len(), &shown[0]["url"], &shown[0]["colour"]), (1, &json!(url), &json!("red")));
    assert_eq!((shown[0].get("service_id"), shown[0].get("enabled")), (None, None));
    assert_eq!(seen(system.clone()), Vec::<Json>::new());
    let change = |body: Json| {
        assert_eq!(cloud.call(&admin, "PATCH", &path, &json!({"endpoint": body})).status, 200);
    };
    change(json!({"url": "http://y"}));
    assert_eq!(seen(system.clone())[0]["url"], "http://y");
    change(json!({"enabled": false}));
    assert_eq!(seen(system), Vec::<Json>::new());
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
