//! Groups and their snapshots over the API in process, with a node that makes what they consist of.

use serde_json::{Value as Json, json};
use testkit::{Answer, Api};

use crate::tests::{ADMIN, MEMBER, Node, OTHER, api, golden, status};
use crate::volume::HOST_TIME_MAX;

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];

fn call(api: &Api, token: &str, (method, path): (&str, &str), body: &Json) -> Answer {
    api.call(token, method, &format!("/volume/v3/{path}"), &NEWEST, body)
}

/// Makes something by what is under `key`; its id.
fn made(api: &Api, (token, path, key): (&str, &str, &str), body: Json) -> String {
    let answer = call(api, token, ("POST", path), &json!({key: body}));
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body[key]["id"].as_str().unwrap().to_owned()
}

fn act(api: &Api, path: &str, body: &Json) -> u16 {
    call(api, MEMBER, ("POST", &format!("{path}/action")), body).status
}

/// The status of a group, or of a snapshot of one.
fn state(api: &Api, kind: &str, id: &str) -> String {
    let key = kind.trim_end_matches('s');
    let answer = call(api, ADMIN, ("GET", &format!("{kind}/{id}")), &Json::Null);
    answer.body[key]["status"].as_str().unwrap_or("gone").to_owned()
}

/// A group with two volumes.
fn group_of_two(api: &Api, node: &mut Node) -> (String, [String; 2]) {
    made(api, (ADMIN, "group_types", "group_type"), json!({"name": "kind"}));
    let body = json!({"group_type": "kind", "volume_types": ["default"]});
    let group = made(api, (MEMBER, "groups", "group"), body);
    let volume = || {
        let body = json!({"size": 1, "volume_type": "default", "group_id": group});
        made(api, (MEMBER, "volumes", "volume"), body)
    };
    let volumes = [volume(), volume()];
    node.work(api);
    (group, volumes)
}

fn snapshot_of(api: &Api, group: &str) -> String {
    let body = json!({"group_id": group, "name": "moment"});
    made(api, (MEMBER, "group_snapshots", "group_snapshot"), body)
}

/// The states of the snapshots that there are, also of those that nobody sees.
fn parts(api: &Api) -> Vec<&'static str> {
    let all = |tx: &mut store::Tx<'_>| {
        crate::snapshot::store::SNAPSHOTS.query(tx, &store::Select::all().order("id", store::Direction::Asc))
    };
    let mut found: Vec<_> =
        api.store.read_blocking(all).unwrap().iter().map(|one| one.phase.status()).collect();
    found.sort_unstable();
    found
}

fn delete_group(api: &Api, node: &mut Node, group: &str) {
    let body = json!({"delete": {"delete-volumes": true}});
    assert_eq!(act(api, &format!("groups/{group}"), &body), 202);
    node.work(api);
    assert_eq!(state(api, "groups", group), "gone");
}

#[test]
fn the_conversations() {
    golden(&api(), "group/golden/life.http");
    golden(&api(), "group/golden/legacy.http");
}

#[test]
fn a_snapshot_of_a_group_is_one_of_each_volume() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let (group, volumes) = group_of_two(&api, &mut node);
    let id = snapshot_of(&api, &group);
    assert_eq!((state(&api, "group_snapshots", &id), parts(&api).len()), ("creating".to_owned(), 2));
    node.work(&api);
    assert_eq!(state(&api, "group_snapshots", &id), "available");
    assert_eq!(parts(&api), ["available"; 2]);
    let listed = call(&api, MEMBER, ("GET", "snapshots/detail"), &Json::Null).body;
    let one = &listed["snapshots"][0];
    assert_eq!((&one["group_snapshot_id"], &one["name"]), (&json!(id), &json!("moment")));
    let path = format!("snapshots/{}", one["id"].as_str().unwrap());
    assert_eq!(call(&api, MEMBER, ("DELETE", &path), &Json::Null).status, 400);
    assert_eq!(act(&api, &format!("groups/{group}"), &json!({"delete": {"delete-volumes": true}})), 400);
    assert_eq!(call(&api, OTHER, ("DELETE", &format!("group_snapshots/{id}")), &Json::Null).status, 404);
    assert_eq!(call(&api, MEMBER, ("DELETE", &format!("group_snapshots/{id}")), &Json::Null).status, 202);
    assert_eq!(state(&api, "group_snapshots", &id), "deleting");
    node.work(&api);
    assert_eq!((state(&api, "group_snapshots", &id), parts(&api).len()), ("gone".to_owned(), 0));
    delete_group(&api, &mut node, &group);
    assert_eq!(volumes.map(|id| status(&api, &id)), ["gone"; 2]);
    assert_eq!(api.runner.sweep().unwrap(), []);
}

/// Has the type of [`group_of_two`] promise snapshots of one moment.
fn promise(api: &Api) {
    let kinds = call(api, ADMIN, ("GET", "group_types"), &Json::Null).body["group_types"].clone();
    let kind = kinds.as_array().unwrap().iter().find(|kind| kind["name"] == "kind").unwrap()["id"].clone();
    let specs = json!({"group_specs": {"consistent_group_snapshot_enabled": "<is> True"}});
    let path = format!("group_types/{}/group_specs", kind.as_str().unwrap());
    assert_eq!(call(api, ADMIN, ("POST", &path), &specs).status, 202);
}

#[test]
fn volumes_on_two_hosts_have_no_snapshots_of_one_moment() {
    let api = api();
    let mut nodes = [Node::join(&api, "one", 10), Node::join(&api, "two", 10)];
    let (group, volumes) = group_of_two(&api, &mut nodes[0]);
    nodes[1].work(&api);
    assert_eq!(volumes.map(|id| status(&api, &id)), ["available"; 2]);
    promise(&api);
    let body = json!({"group_snapshot": {"group_id": group}});
    let refused = call(&api, MEMBER, ("POST", "group_snapshots"), &body);
    assert_eq!((refused.status, parts(&api).len()), (400, 0), "{refused:?}");
    assert!(refused.body["badRequest"]["message"].as_str().unwrap().contains("on one host"), "{refused:?}");
}

#[test]
fn snapshots_of_one_moment_are_asked_for_together_and_fail_together() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let (group, _) = group_of_two(&api, &mut node);
    promise(&api);
    let id = snapshot_of(&api, &group);
    let wanted = node.wanted(&api);
    let together = |document: &agent_api::Document| document.body.as_ref().unwrap()["together"].clone();
    let sets: Vec<Json> = wanted.iter().map(together).collect();
    assert_eq!(sets.iter().map(|set| set.as_object().unwrap().len()).collect::<Vec<_>>(), [1, 1]);
    let [one, two] = [&sets[0], &sets[1]].map(|set| set.as_object().unwrap().values().next().unwrap());
    assert_eq!((one, one.as_object().unwrap().len()), (two, 2), "each says which they are");
    // The host can take one of the two, and not the other: there is no use in waiting for that.
    let mut wanted = wanted;
    let last = wanted.split_off(1);
    node.refuses = Some("the disk is full");
    node.report(wanted);
    node.refuses = None;
    api.settle();
    assert_eq!(
        (state(&api, "group_snapshots", &id).as_str(), parts(&api)),
        ("error", vec!["error", "error"])
    );
    node.report(last);
    node.work(&api);
    assert_eq!(call(&api, MEMBER, ("DELETE", &format!("group_snapshots/{id}")), &Json::Null).status, 202);
    node.work(&api);
    // Once they are made, nobody need know that they belong together.
    let id = snapshot_of(&api, &group);
    node.work(&api);
    assert_eq!(
        (state(&api, "group_snapshots", &id), parts(&api)),
        ("available".to_owned(), vec!["available"; 2])
    );
    let left = node.wanted(&api);
    assert!(left.iter().all(|document| together(document) == Json::Null), "{left:?}");
    assert_eq!(api.runner.sweep().unwrap(), []);
}

#[test]
fn one_volume_that_cannot_be_snapshotted_spoils_it_and_nothing_is_left() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let (group, volumes) = group_of_two(&api, &mut node);
    let body = json!({"os-reset_status": {"status": "error"}});
    assert_eq!(crate::tests::act(&api, ADMIN, &volumes[1], &body), 202);
    let refused =
        call(&api, MEMBER, ("POST", "group_snapshots"), &json!({"group_snapshot": {"group_id": group}}));
    assert_eq!((refused.status, parts(&api).len()), (400, 0), "{refused:?}");
    let body = json!({"os-reset_status": {"status": "available"}});
    assert_eq!(crate::tests::act(&api, ADMIN, &volumes[1], &body), 202);
    let id = snapshot_of(&api, &group);
    // The host can take one of the two.
    let mut wanted = node.wanted(&api);
    let last = wanted.split_off(wanted.len() - 1);
    node.report(wanted);
    api.settle();
    assert_eq!(state(&api, "group_snapshots", &id), "creating");
    node.refuses = Some("the disk is full");
    node.report(last);
    node.refuses = None;
    node.work(&api);
    assert_eq!(
        (state(&api, "group_snapshots", &id).as_str(), parts(&api)),
        ("error", vec!["available", "error"])
    );
    let from = json!({"create-from-src": {"group_snapshot_id": id}});
    assert_eq!(call(&api, MEMBER, ("POST", "groups/action"), &from).status, 400);
    assert_eq!(call(&api, MEMBER, ("DELETE", &format!("group_snapshots/{id}")), &Json::Null).status, 202);
    node.work(&api);
    assert_eq!((state(&api, "group_snapshots", &id), parts(&api).len()), ("gone".to_owned(), 0));
    delete_group(&api, &mut node, &group);
}

#[test]
fn a_group_of_another_has_volumes_with_the_same_content() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let (group, _) = group_of_two(&api, &mut node);
    let snapshot = snapshot_of(&api, &group);
    node.work(&api);
    let from = |source: Json| {
        let answer = call(&api, MEMBER, ("POST", "groups/action"), &json!({"create-from-src": source}));
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body["group"]["id"].as_str().unwrap().to_owned()
    };
    let copy = from(json!({"group_snapshot_id": snapshot}));
    assert_eq!(state(&api, "groups", &copy), "creating");
    // What it is made of stays until it is made.
    let path = format!("group_snapshots/{snapshot}");
    assert_eq!(call(&api, MEMBER, ("DELETE", &path), &Json::Null).status, 400);
    node.work(&api);
    let shown = call(&api, MEMBER, ("GET", &format!("groups/{copy}?list_volume=true")), &Json::Null).body;
    let shown = &shown["group"];
    assert_eq!((&shown["status"], &shown["group_snapshot_id"]), (&json!("available"), &json!(snapshot)));
    assert_eq!(shown["volumes"].as_array().unwrap().len(), 2);
    let clone = from(json!({"source_group_id": group}));
    assert_eq!(parts(&api).len(), 4);
    node.work(&api);
    assert_eq!((state(&api, "groups", &clone).as_str(), parts(&api).len()), ("available", 2));
    for id in [&clone, &copy] {
        delete_group(&api, &mut node, id);
    }
    assert_eq!(call(&api, MEMBER, ("DELETE", &path), &Json::Null).status, 202);
    node.work(&api);
    delete_group(&api, &mut node, &group);
    assert_eq!((parts(&api).len(), api.runner.sweep().unwrap()), (0, vec![]));
}

#[test]
fn a_group_whose_volumes_cannot_be_made_is_in_error_and_goes() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let (group, _) = group_of_two(&api, &mut node);
    let body = json!({"create-from-src": {"source_group_id": group}});
    let answer = call(&api, MEMBER, ("POST", "groups/action"), &body);
    let copy = answer.body["group"]["id"].as_str().unwrap();
    // The moments are held, and then there is no room.
    let held = node.wanted(&api);
    node.report(held);
    let clones = node.wanted(&api);
    node.refuses = Some("the disk is full");
    node.report(clones);
    node.refuses = None;
    node.work(&api);
    assert_eq!(state(&api, "groups", copy), "error");
    delete_group(&api, &mut node, copy);
    assert_eq!((state(&api, "groups", &group).as_str(), parts(&api).len()), ("available", 0));
}

#[test]
fn a_group_stays_until_its_last_volume_is_gone() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let (group, volumes) = group_of_two(&api, &mut node);
    let delete = json!({"delete": {"delete-volumes": true}});
    assert_eq!(act(&api, &format!("groups/{group}"), &delete), 202);
    let late = json!({"volume": {"size": 1, "volume_type": "default", "group_id": group}});
    assert_eq!(call(&api, MEMBER, ("POST", "volumes"), &late).status, 400);
    let asked = node.wanted(&api);
    guard.advance(HOST_TIME_MAX);
    api.settle();
    assert_eq!(state(&api, "groups", &group), "error_deleting");
    assert_eq!(status(&api, &volumes[0]), "error_deleting");
    // An operator's word brings nothing back.
    let word = json!({"reset_status": {"status": "available"}});
    let path = format!("groups/{group}/action");
    assert_eq!(call(&api, ADMIN, ("POST", &path), &word).status, 202);
    node.report(asked);
    api.settle();
    assert_eq!(state(&api, "groups", &group), "gone");
}

#[test]
fn volumes_of_a_group_are_not_offered_and_join_no_other() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let (group, volumes) = group_of_two(&api, &mut node);
    let offer = json!({"transfer": {"volume_id": volumes[0]}});
    assert_eq!(call(&api, MEMBER, ("POST", "volume-transfers"), &offer).status, 400);
    let body = json!({"group_type": "kind", "volume_types": ["default"]});
    let other = made(&api, (MEMBER, "groups", "group"), body);
    let change = |group: &str, change: Json| {
        call(&api, MEMBER, ("PUT", &format!("groups/{group}")), &json!({"group": change})).status
    };
    assert_eq!(change(&other, json!({"add_volumes": volumes[0]})), 400);
    let both = volumes.join(",");
    assert_eq!(change(&group, json!({"remove_volumes": both, "name": "empty"})), 202);
    assert_eq!(change(&other, json!({"add_volumes": both})), 202);
    let found = call(&api, MEMBER, ("GET", &format!("volumes?group_id={other}")), &Json::Null).body;
    assert_eq!(found["volumes"].as_array().unwrap().len(), 2);
    assert_eq!(act(&api, &format!("groups/{group}"), &json!({"delete": {}})), 202);
    delete_group(&api, &mut node, &other);
}

#[test]
fn a_type_stays_that_a_group_takes() {
    let api = api();
    made(&api, (ADMIN, "group_types", "group_type"), json!({"name": "kind"}));
    let fast = call(&api, ADMIN, ("POST", "types"), &json!({"volume_type": {"name": "fast"}})).body;
    let fast = fast["volume_type"]["id"].as_str().unwrap();
    let body = json!({"group_type": "kind", "volume_types": [fast, "default"]});
    let group = made(&api, (MEMBER, "groups", "group"), body);
    let path = format!("types/{fast}");
    assert_eq!(call(&api, ADMIN, ("DELETE", &path), &Json::Null).status, 400);
    assert_eq!(act(&api, &format!("groups/{group}"), &json!({"delete": {}})), 202);
    api.settle();
    assert_eq!(call(&api, ADMIN, ("DELETE", &path), &Json::Null).status, 202);
}

#[test]
fn groups_have_a_quota() {
    let api = api();
    made(&api, (ADMIN, "group_types", "group_type"), json!({"name": "kind"}));
    let limit = json!({"quota_set": {"groups": 1}});
    assert_eq!(call(&api, ADMIN, ("PUT", "os-quota-sets/alpha"), &limit).status, 200);
    let body = json!({"group": {"group_type": "kind", "volume_types": ["default"]}});
    assert_eq!(call(&api, MEMBER, ("POST", "groups"), &body).status, 202);
    let refused = call(&api, MEMBER, ("POST", "groups"), &body);
    assert_eq!(refused.status, 413, "{refused:?}");
}
