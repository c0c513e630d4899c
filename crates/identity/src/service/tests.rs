//! Services as clients meet them.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, check_golden, cloud, in_project};

#[test]
fn the_life_of_a_service() {
    check_golden("service/golden/life.http");
}

#[test]
fn refusals_look_as_keystone_s() {
    check_golden("service/golden/refusals.http");
}

#[test]
fn the_catalog_lists_enabled_services_even_without_endpoints() {
    let cloud = cloud();
    let service = cloud.make("services", "service", json!({"name": "n", "type": "t"}));
    let path = format!("services/{}", service["id"].as_str().unwrap());
    let seen = || {
        let answer = cloud.login(ADMIN, "admin-secret", in_project(ADMIN));
        let catalog = answer.body["token"]["catalog"].as_array().unwrap().clone();
        catalog.into_iter().find(|entry| entry["type"] == "t")
    };
    assert_eq!(seen(), Some(json!({"id": service["id"], "type": "t", "name": "n", "endpoints": []})));
    let admin = cloud.token(ADMIN);
    let switch = |enabled: bool| {
        let body = json!({"service": {"enabled": enabled}});
        assert_eq!(cloud.call(&admin, "PATCH", &path, &body).status, 200);
    };
    switch(false);
    assert_eq!(seen(), None);
    switch(true);
    assert!(seen().is_some());
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(seen(), None);
}
