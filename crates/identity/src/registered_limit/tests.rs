//! Registered limits as clients meet them.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, check_golden, cloud};

#[test]
fn the_life_of_a_registered_limit() {
    check_golden("registered_limit/golden/life.http");
}

#[test]
fn refusals_look_as_keystone_s() {
    check_golden("registered_limit/golden/refusals.http");
}

#[test]
fn a_batch_is_made_whole_or_not_at_all() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let service = cloud.make("services", "service", json!({"type": "t"}));
    let limit = |name: &str| json!({"service_id": service["id"], "resource_name": name, "default_limit": 1});
    let made = |names: &[&str]| {
        let batch: Vec<Json> = names.iter().map(|name| limit(name)).collect();
        cloud.call(&admin, "POST", "registered_limits", &json!({"registered_limits": batch}))
    };
    assert_eq!(made(&["a", "b", "a"]).status, 409);
    assert_eq!(cloud.get(&admin, "registered_limits").body["registered_limits"], json!([]));
    let answer = made(&["b", "a"]);
    assert_eq!(answer.status, 201);
    let names = |n: usize| answer.body["registered_limits"][n]["resource_name"].clone();
    assert_eq!([names(0), names(1)], ["b", "a"]);
    assert!(answer.body.get("links").is_none());
}

#[test]
fn what_is_limited_stays() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let service = cloud.make("services", "service", json!({"type": "t"}));
    cloud.make("regions", "region", json!({"id": "r"}));
    let body = json!({"registered_limits": [
        {"service_id": service["id"], "region_id": "r", "resource_name": "n", "default_limit": 1},
    ]});
    let limit = cloud.call(&admin, "POST", "registered_limits", &body).body["registered_limits"][0].clone();
    let service = format!("services/{}", service["id"].as_str().unwrap());
    let limit = format!("registered_limits/{}", limit["id"].as_str().unwrap());
    let delete = |path: &str| cloud.call(&admin, "DELETE", path, &Json::Null).status;
    assert_eq!((delete(&service), delete("regions/r")), (403, 403));
    assert_eq!(delete(&limit), 204);
    assert_eq!((delete(&service), delete("regions/r")), (204, 204));
}
