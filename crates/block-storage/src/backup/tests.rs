//! Backups over the API in process, with a node that copies.

use serde_json::{Value as Json, json};
use testkit::Api;

use crate::tests::{ADMIN, MEMBER, Node, OTHER, api, golden, new_volume, status};

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];

fn back_up(api: &Api, fields: Json) -> (u16, String) {
    let answer = api.post(MEMBER, "/volume/v3/backups", &json!({"backup": fields}));
    (answer.status, answer.body["backup"]["id"].as_str().unwrap_or_default().to_owned())
}

fn path(id: &str) -> String {
    format!("/volume/v3/backups/{id}")
}

fn shown(api: &Api, id: &str) -> Json {
    api.get(ADMIN, &path(id)).body["backup"].clone()
}

fn state(api: &Api, id: &str) -> String {
    shown(api, id)["status"].as_str().unwrap_or("gone").to_owned()
}

/// Snapshots, the hidden ones too.
fn snapshots(api: &Api) -> i64 {
    let count = |tx: &mut store::Tx<'_>| crate::snapshot::store::SNAPSHOTS.count(tx, &store::Select::all());
    api.store.read_blocking(count).unwrap()
}

fn ready() -> (Api, Node, String) {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let volume = new_volume(&api, MEMBER);
    node.work(&api);
    (api, node, volume)
}

#[test]
fn a_backup_is_written_by_a_host_and_leaves_the_volume_as_it_was() {
    let (api, mut node, volume) = ready();
    let (code, id) = back_up(&api, json!({"volume_id": volume, "name": "first"}));
    assert_eq!((code, state(&api, &id).as_str()), (202, "creating"));
    assert_eq!(status(&api, &volume), "backing-up");
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 400);
    node.work(&api);
    let backup = shown(&api, &id);
    assert_eq!(
        (&backup["status"], &backup["object_count"], &backup["is_incremental"]),
        (&json!("available"), &json!(3), &json!(false))
    );
    assert_eq!((status(&api, &volume).as_str(), snapshots(&api)), ("available", 0));
    assert_eq!(api.get(OTHER, &path(&id)).status, 404);
    // The volume may go; what it was is kept.
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{volume}")).status, 202);
    node.work(&api);
    assert_eq!(state(&api, &id), "available");
}

#[test]
fn an_incremental_backup_keeps_the_one_it_adds_to() {
    let (api, mut node, volume) = ready();
    let more = json!({"volume_id": volume, "incremental": true});
    assert_eq!(back_up(&api, more.clone()).0, 400);
    let (_, full) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let (_, added) = back_up(&api, more);
    node.work(&api);
    assert_eq!(shown(&api, &added)["is_incremental"], true);
    assert_eq!(shown(&api, &full)["has_dependent_backups"], true);
    assert_eq!(api.delete(MEMBER, &path(&full)).status, 400);
    for id in [&added, &full] {
        assert_eq!(api.delete(MEMBER, &path(id)).status, 202);
        assert_eq!(state(&api, id), "deleting");
        node.work(&api);
        assert_eq!(state(&api, id), "gone");
    }
}

#[test]
fn a_backup_of_a_snapshot_reads_that_and_keeps_it_meanwhile() {
    let (api, mut node, volume) = ready();
    let body = json!({"snapshot": {"volume_id": volume}});
    let made = api.post(MEMBER, "/volume/v3/snapshots", &body).body;
    let snapshot = made["snapshot"]["id"].as_str().unwrap().to_owned();
    node.work(&api);
    let (_, id) = back_up(&api, json!({"volume_id": volume, "snapshot_id": snapshot}));
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/snapshots/{snapshot}")).status, 202);
    api.settle();
    assert_eq!(snapshots(&api), 1, "it is read");
    node.work(&api);
    assert_eq!((state(&api, &id).as_str(), snapshots(&api)), ("available", 0));
}

#[test]
fn a_backup_is_put_back_into_a_volume_or_a_new_one() {
    let (api, mut node, volume) = ready();
    let (_, id) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let restore = |body: Json| api.post(MEMBER, &format!("{}/restore", path(&id)), &json!({"restore": body}));
    let answer = restore(json!({"volume_id": volume}));
    assert_eq!((answer.status, &answer.body["restore"]["volume_id"]), (202, &json!(volume)));
    assert_eq!(
        (status(&api, &volume).as_str(), state(&api, &id).as_str()),
        ("restoring-backup", "restoring")
    );
    assert_eq!(restore(json!({})).status, 400);
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), state(&api, &id).as_str()), ("available", "available"));

    let answer = restore(json!({"name": "again"}));
    let new = answer.body["restore"]["volume_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.body["restore"]["volume_name"], "again");
    for _ in 0..3 {
        node.work(&api);
    }
    assert_eq!((status(&api, &new).as_str(), state(&api, &id).as_str()), ("available", "available"));
}

#[test]
fn what_a_host_cannot_do_is_told() {
    let (api, mut node, volume) = ready();
    let (_, good) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let (_, bad) = back_up(&api, json!({"volume_id": volume}));
    // The snapshot is made, the copy is not.
    node.refuses_only = Some(agent_api::Kind::Copy);
    node.refuses = Some("no space");
    node.work(&api);
    let backup = shown(&api, &bad);
    assert_eq!(backup["status"], "error");
    assert!(backup["fail_reason"].as_str().unwrap().contains("no space"), "{backup}");
    let body = json!({"restore": {"volume_id": volume}});
    node.refuses = None;
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), snapshots(&api)), ("available", 0));
    api.post(MEMBER, &format!("{}/restore", path(&good)), &body);
    node.refuses = Some("a damaged object");
    node.work(&api);
    assert_eq!(
        (status(&api, &volume).as_str(), state(&api, &good).as_str()),
        ("error_restoring", "available")
    );
    node.refuses = None;
    assert_eq!(api.delete(MEMBER, &path(&bad)).status, 202);
    node.work(&api);
    assert_eq!(state(&api, &bad), "gone");
}

#[test]
fn later_versions_show_more() {
    let (api, mut node, volume) = ready();
    let body = json!({"backup": {"volume_id": volume, "metadata": {"k": "v"}}});
    let made = api.call(MEMBER, "POST", "/volume/v3/backups", &NEWEST, &body).body;
    let id = made["backup"]["id"].as_str().unwrap().to_owned();
    node.work(&api);
    let backup = api.call(ADMIN, "GET", &path(&id), &NEWEST, &Json::Null).body["backup"].clone();
    assert_eq!(backup["metadata"], json!({"k": "v"}));
    assert!(backup["os-backup-project-attr:project_id"].is_string() && backup["user_id"].is_string());
    assert!(shown(&api, &id).get("user_id").is_none());
}

#[test]
fn refusals() {
    let (api, _, _) = ready();
    golden(&api, "backup/golden/refusals.http");
}
