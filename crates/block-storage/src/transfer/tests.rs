//! Transfers over the API in process.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, MEMBER, Node, OTHER, act, api, new_volume, status};

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];

#[test]
fn a_volume_changes_hands_with_its_snapshots_for_the_key_alone() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let id = new_volume(&api, MEMBER);
    let call = |token: &str, method: &str, path: &str, body: Json| {
        api.call(token, method, &format!("/volume/v3/{path}"), &NEWEST, &body)
    };
    let offer = || call(MEMBER, "POST", "volume-transfers", json!({"transfer": {"volume_id": id}}));
    assert_eq!(offer().status, 400);
    node.work(&api);
    let snapshot = call(MEMBER, "POST", "snapshots", json!({"snapshot": {"volume_id": id}})).body;
    let snapshot = format!("snapshots/{}", snapshot["snapshot"]["id"].as_str().unwrap());
    assert_eq!(offer().status, 400);
    node.work(&api);
    let made = offer().body["transfer"].clone();
    assert_eq!(status(&api, &id), "awaiting-transfer");
    assert_eq!(offer().status, 400);
    let path = format!("volume-transfers/{}", made["id"].as_str().unwrap());
    let accept = |token: &str, key: &str| {
        call(token, "POST", &format!("{path}/accept"), json!({"accept": {"auth_key": key}})).status
    };
    let key = made["auth_key"].as_str().unwrap();
    assert_eq!(call(OTHER, "GET", &path, Json::Null).status, 404);
    assert!(call(MEMBER, "GET", &path, Json::Null).body["transfer"].get("auth_key").is_none());
    assert_eq!(accept(OTHER, "0123456789abcdef"), 400);
    assert_eq!(accept("reader@beta", key), 403);
    let limit = |snapshots: i64| {
        let body = json!({"quota_set": {"snapshots": snapshots}});
        assert_eq!(api.put(ADMIN, "/volume/v3/os-quota-sets/beta", &body).status, 200);
    };
    limit(0);
    assert_eq!(accept(OTHER, key), 413);
    limit(5);
    assert_eq!(accept(OTHER, key), 202);
    assert_eq!((accept(OTHER, key), call(MEMBER, "GET", &path, Json::Null).status), (404, 404));
    let volume = format!("volumes/{id}");
    for path in [&volume, &snapshot] {
        let seen = [MEMBER, OTHER].map(|token| call(token, "GET", path, Json::Null).status);
        assert_eq!(seen, [404, 200], "{path}");
    }
}

#[test]
fn an_offer_ends_with_itself_or_with_the_volume() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let id = new_volume(&api, MEMBER);
    node.work(&api);
    let transfers = "/volume/v3/os-volume-transfer";
    let offer = || {
        let made = api.post(MEMBER, transfers, &json!({"transfer": {"volume_id": id, "name": "gift"}}));
        format!("{transfers}/{}", made.body["transfer"]["id"].as_str().unwrap())
    };
    let first = offer();
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{id}")).status, 400);
    let count = |query: &str| {
        api.get(MEMBER, &format!("{transfers}{query}")).body["transfers"].as_array().unwrap().len()
    };
    assert_eq!([count(""), count("?name=gift"), count("?name=x"), count("?odd=1")], [1, 1, 0, 0]);
    assert_eq!(api.delete(OTHER, &first).status, 404);
    assert_eq!((api.delete(MEMBER, &first).status, status(&api, &id).as_str()), (202, "available"));
    let second = offer();
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-force_delete": {}})), 202);
    node.work(&api);
    assert_eq!((api.get(MEMBER, &second).status, status(&api, &id).as_str()), (404, "gone"));
}

#[test]
fn conversations_are_as_reviewed() {
    testkit::check_golden(&api(), concat!(env!("CARGO_MANIFEST_DIR"), "/src/transfer/golden/refusals.http"));
}
