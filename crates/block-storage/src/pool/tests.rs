//! Pools over the API.

use serde_json::{Value as Json, json};
use testkit::Api;

use crate::tests::{ADMIN, MEMBER, Node, api, create, golden, new_volume, status};

#[test]
fn conversations_are_as_reviewed() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    new_volume(&api, "member@alpha");
    node.work(&api);
    golden(&api, "pool/golden/life.http");
}

fn new_type(api: &Api, backend: &str) {
    let body = json!({"name": backend, "extra_specs": {"volume_backend_name": backend}});
    assert_eq!(api.post(ADMIN, "/volume/v3/types", &json!({"volume_type": body})).status, 200);
}

#[test]
fn a_demand_without_a_value_is_met_by_no_backend() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let body = json!({"volume_type": {"name": "odd", "extra_specs": {"colour": null}}});
    assert_eq!(api.post(ADMIN, "/volume/v3/types", &body).status, 200);
    let made = create(&api, MEMBER, &json!({"size": 1, "volume_type": "odd"}));
    node.work(&api);
    assert_eq!(status(&api, made.body["volume"]["id"].as_str().unwrap()), "error");
}

#[test]
fn room_is_that_of_a_backend() {
    let api = api();
    let mut node = Node::join_over(&api, "one", &[("fast", 1), ("slow", 100)]);
    new_type(&api, "fast");
    new_type(&api, "slow");
    let ask = |size: u32, kind: &str| {
        let made = create(&api, MEMBER, &json!({"size": size, "volume_type": kind}));
        made.body["volume"]["id"].as_str().unwrap().to_owned()
    };
    let (slow, fast, large) = (ask(30, "slow"), ask(15, "fast"), ask(6, "fast"));
    node.work(&api);
    assert_eq!([&slow, &fast, &large].map(|id| status(&api, id)), ["available", "available", "error"]);
    let pools = api.get(ADMIN, "/volume/v3/scheduler-stats/get_pools?detail=true").body["pools"].clone();
    let told = |pool: &Json| {
        let about = &pool["capabilities"];
        let numbers = ["allocated_capacity_gb", "total_capacity_gb"].map(|key| about[key].as_i64().unwrap());
        (pool["name"].as_str().unwrap().to_owned(), numbers)
    };
    let told: Vec<_> = pools.as_array().unwrap().iter().map(told).collect();
    assert_eq!(told, [("one@fast#fast".to_owned(), [15, 1]), ("one@slow#slow".to_owned(), [30, 100])]);
    let hosts = |backend: &str| {
        let found = api.get(ADMIN, &format!("/volume/v3/os-hosts/one@{backend}"));
        found.body["host"][0]["resource"]["total_volume_gb"].clone()
    };
    assert_eq!((hosts("fast"), hosts("slow")), (json!("15"), json!("30")));
    let about = api.get(ADMIN, "/volume/v3/capabilities/one@slow").body;
    assert_eq!((&about["pool_name"], &about["volume_backend_name"]), (&json!("slow"), &json!("slow")));
    let message = api.call(
        MEMBER,
        "GET",
        "/volume/v3/messages",
        &[("openstack-api-version", "volume 3.71")],
        &Json::Null,
    );
    let text = "schedule allocate volume:Could not find any available weighted backend.";
    assert_eq!(message.body["messages"][0]["user_message"], text);
}
