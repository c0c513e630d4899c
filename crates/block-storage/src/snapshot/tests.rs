//! Snapshots over the API in process, with a node that makes them.

use serde_json::{Value as Json, json};
use testkit::Api;

use crate::tests::{ADMIN, MEMBER, Node, OTHER, act, api, create, new_volume, status};
use crate::volume::HOST_TIME_MAX;

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];

fn snap(api: &Api, volume: &str) -> (u16, String) {
    let answer = api.post(MEMBER, "/volume/v3/snapshots", &json!({"snapshot": {"volume_id": volume}}));
    (answer.status, answer.body["snapshot"]["id"].as_str().unwrap_or_default().to_owned())
}

fn path(id: &str) -> String {
    format!("/volume/v3/snapshots/{id}")
}

fn state(api: &Api, id: &str) -> String {
    let answer = api.get(ADMIN, &path(id));
    answer.body["snapshot"]["status"].as_str().unwrap_or("gone").to_owned()
}

fn ready(api: &Api, node: &mut Node) -> (String, String) {
    let volume = new_volume(api, MEMBER);
    node.work(api);
    let (_, snapshot) = snap(api, &volume);
    node.work(api);
    assert_eq!((status(api, &volume).as_str(), state(api, &snapshot).as_str()), ("available", "available"));
    (volume, snapshot)
}

/// The rows of snapshots, the hidden ones too.
fn rows(api: &Api) -> i64 {
    let count = |tx: &mut store::Tx<'_>| super::store::SNAPSHOTS.count(tx, &store::Select::all());
    api.store.read_blocking(count).unwrap()
}

#[test]
fn a_snapshot_is_made_by_its_volumes_host_and_keeps_the_volume() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let volume = new_volume(&api, MEMBER);
    assert_eq!(snap(&api, &volume).0, 400);
    node.work(&api);
    let (_, id) = snap(&api, &volume);
    assert_eq!(state(&api, &id), "creating");
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 400);
    node.work(&api);
    let shown = api.get(MEMBER, &path(&id)).body["snapshot"].clone();
    assert_eq!(
        (&shown["status"], &shown["os-extended-snapshot-attributes:progress"]),
        (&json!("available"), &json!("100%"))
    );
    assert_eq!(api.get(OTHER, &path(&id)).status, 404);
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{volume}")).status, 400);
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 202);
    assert_eq!(state(&api, &id), "deleting");
    node.work(&api);
    assert_eq!(state(&api, &id), "gone");
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{volume}")).status, 202);
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), rows(&api)), ("gone", 0));
    assert_eq!(api.runner.sweep().unwrap(), []);
}

#[test]
fn what_a_host_refuses_is_an_error_and_undone() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let (volume, _) = ready(&api, &mut node);
    node.refuses = Some("the disk is full");
    let (_, refused) = snap(&api, &volume);
    node.work(&api);
    assert_eq!(state(&api, &refused), "error");
    let messages = api.call(MEMBER, "GET", "/volume/v3/messages", &NEWEST, &Json::Null).body;
    assert_eq!(messages["messages"][0]["event_id"], "VOLUME_VOLUME_SNAPSHOT_009_013");
    node.refuses = None;
    node.silent = true;
    let (_, waiting) = snap(&api, &volume);
    node.work(&api);
    guard.advance(HOST_TIME_MAX);
    api.settle();
    assert_eq!(state(&api, &waiting), "error");
    node.silent = false;
    assert_eq!(api.delete(MEMBER, &path(&waiting)).status, 202);
    assert_eq!(api.delete(MEMBER, &path(&refused)).status, 202);
    node.work(&api);
    assert_eq!((state(&api, &waiting).as_str(), rows(&api)), ("gone", 1));
}

#[test]
fn an_operators_word_deletes_nothing() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let (_, id) = ready(&api, &mut node);
    for word in ["creating", "deleting", "error_deleting", "error"] {
        let body = json!({"os-reset_status": {"status": word}});
        assert_eq!(api.post(ADMIN, &format!("{}/action", path(&id)), &body).status, 202);
        node.work(&api);
        assert_eq!(state(&api, &id), word);
    }
    let force = json!({"os-force_delete": {}});
    assert_eq!(api.post(MEMBER, &format!("{}/action", path(&id)), &force).status, 403);
    assert_eq!(api.post(ADMIN, &format!("{}/action", path(&id)), &force).status, 202);
    node.work(&api);
    assert_eq!(state(&api, &id), "gone");
}

#[test]
fn a_clone_waits_for_its_source_and_the_source_for_it() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let (volume, snapshot) = ready(&api, &mut node);
    assert_eq!(create(&api, OTHER, &json!({"snapshot_id": snapshot})).status, 404);
    let both = json!({"snapshot_id": snapshot, "source_volid": volume});
    assert_eq!(create(&api, MEMBER, &both).status, 400);
    let made = create(&api, MEMBER, &json!({"snapshot_id": snapshot, "size": 2})).body["volume"].clone();
    let clone = create(&api, MEMBER, &json!({"source_volid": volume})).body["volume"].clone();
    assert_eq!((&made["snapshot_id"], &clone["source_volid"]), (&json!(snapshot), &json!(volume)));
    assert_eq!((&made["size"], &clone["size"]), (&json!(2), &json!(1)));
    let [made, clone] = [&made, &clone].map(|v| v["id"].as_str().unwrap().to_owned());
    // Deleted at once, the snapshot stays until the volume is made.
    assert_eq!(api.delete(MEMBER, &path(&snapshot)).status, 202);
    api.settle();
    assert_eq!((state(&api, &snapshot).as_str(), rows(&api)), ("deleting", 2));
    node.work(&api);
    assert_eq!([&made, &clone, &volume].map(|id| status(&api, id)), ["available"; 3]);
    assert_eq!((state(&api, &snapshot).as_str(), rows(&api)), ("gone", 0));
    // The source can go while a clone of it is being made.
    let late = create(&api, MEMBER, &json!({"source_volid": volume})).body["volume"]["id"].clone();
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{volume}")).status, 202);
    api.settle();
    assert_eq!(status(&api, &volume), "deleting");
    node.work(&api);
    api.settle();
    assert_eq!(status(&api, late.as_str().unwrap()), "available");
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), rows(&api)), ("gone", 0));
    assert_eq!(api.runner.sweep().unwrap(), []);
}

#[test]
fn a_volume_goes_back_to_its_newest_snapshot() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let (volume, old) = ready(&api, &mut node);
    let (_, new) = snap(&api, &volume);
    node.work(&api);
    let revert = |snapshot: &str| {
        let path = format!("/volume/v3/volumes/{volume}/action");
        let body = json!({"revert": {"snapshot_id": snapshot}});
        api.call(MEMBER, "POST", &path, &NEWEST, &body).status
    };
    assert_eq!(act(&api, MEMBER, &volume, &json!({"revert": {"snapshot_id": new}})), 404);
    assert_eq!(revert(&old), 400);
    assert_eq!(revert(&new), 202);
    assert_eq!((status(&api, &volume).as_str(), state(&api, &new).as_str()), ("reverting", "restoring"));
    assert_eq!(revert(&new), 409);
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), state(&api, &new).as_str()), ("available", "available"));
    node.refuses = Some("no");
    assert_eq!(revert(&new), 202);
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), state(&api, &new).as_str()), ("error", "available"));
}

#[test]
fn quotas_count_snapshots_and_cascades_take_them() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let quota =
        |limits: Json| api.put(ADMIN, "/volume/v3/os-quota-sets/alpha", &json!({"quota_set": limits}));
    let (volume, _) = ready(&api, &mut node);
    assert_eq!(quota(json!({"gigabytes": 2})).status, 200);
    let over = api.post(MEMBER, "/volume/v3/snapshots", &json!({"snapshot": {"volume_id": volume}}));
    assert_eq!(over.status, 413);
    let text = over.body["overLimit"]["message"].as_str().unwrap();
    assert!(text.contains("Requested 1G, quota is 2G and 2G has been consumed"), "{text}");
    assert_eq!(quota(json!({"gigabytes": 9, "snapshots": 1})).status, 200);
    assert_eq!(snap(&api, &volume).0, 413);
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{volume}?cascade=true")).status, 202);
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), rows(&api)), ("gone", 0));
}

#[test]
fn conversations_are_as_reviewed() {
    testkit::check_golden(&api(), concat!(env!("CARGO_MANIFEST_DIR"), "/src/snapshot/golden/refusals.http"));
}
