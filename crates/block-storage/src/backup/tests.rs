//! Backups over the API in process, with a node that copies.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
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

/// Puts a host's backup service into use, or out of it.
fn turn(api: &Api, verb: &str, host: &str) {
    let part = json!({"host": host, "binary": "cinder-backup"});
    assert_eq!(api.put(ADMIN, &format!("/volume/v3/os-services/{verb}"), &part).status, 200);
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
fn a_host_out_of_use_makes_no_backups() {
    let (api, mut node, volume) = ready();
    let turn = |verb: &str| turn(&api, verb, "one");
    turn("disable");
    let (code, id) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let refused = shown(&api, &id);
    let reason = json!("Service not found for creating backup.");
    assert_eq!((code, &refused["status"], &refused["fail_reason"]), (202, &json!("error"), &reason));
    assert_eq!((status(&api, &volume).as_str(), snapshots(&api)), ("available", 0));
    let messages = api.call(MEMBER, "GET", "/volume/v3/messages", &NEWEST, &Json::Null).body;
    assert_eq!(messages["messages"][0]["event_id"], "VOLUME_VOLUME_BACKUP_013_024");
    turn("enable");
    let (_, id) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    assert_eq!(state(&api, &id), "available");
}

#[test]
fn a_host_out_of_use_does_nothing_else_with_backups() {
    let (api, mut node, volume) = ready();
    let (_, id) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let record = json!({"backup-record": record_of(&api, &id)});
    let (one, reset) = (path(&id), json!({"os-reset_status": {"status": "error"}}));
    let asked = |code: u16, text: &str| {
        let into = |volume: &Json| json!({"restore": {"volume_id": volume}});
        for (method, rest, body) in [
            ("POST", "/restore", into(&Json::Null)),
            ("POST", "/restore", into(&json!(volume))),
            ("GET", "/export_record", Json::Null),
            ("POST", "/action", reset.clone()),
            ("POST", "/action", json!({"os-force_delete": null})),
            ("DELETE", "", Json::Null),
        ] {
            let answer = api.call(ADMIN, method, &format!("{one}{rest}"), &[], &body);
            assert_eq!(answer.status, code, "{method} {rest}: {answer:?}");
            assert!(answer.body.to_string().contains(text), "{answer:?}");
        }
        assert_eq!(api.post(ADMIN, "/volume/v3/backups/import_record", &record).status, 503);
        assert_eq!((state(&api, &id).as_str(), status(&api, &volume).as_str()), ("available", "available"));
        let volumes = api.get(MEMBER, "/volume/v3/volumes").body["volumes"].as_array().unwrap().len();
        assert_eq!(volumes, 1, "none for a backup that is not put back");
    };
    turn(&api, "disable", "one");
    asked(404, "Service cinder-backup could not be found.");
    let header = [("openstack-api-version", "volume 3.71")];
    let body = json!({"volume": {"backup_id": id}});
    let made = api.call(MEMBER, "POST", "/volume/v3/volumes", &header, &body);
    let new = made.body["volume"]["id"].as_str().unwrap().to_owned();
    node.work(&api);
    assert_eq!((status(&api, &new).as_str(), state(&api, &id).as_str()), ("error", "available"));
    // Another does what any can do, but not what the volume's has to do.
    let mut other = Node::join(&api, "other", 1);
    let restore = json!({"restore": {"volume_id": volume}});
    assert_eq!(api.post(MEMBER, &format!("{one}/restore"), &restore).status, 404);
    assert_eq!(api.delete(MEMBER, &one).status, 202);
    node.work(&api);
    assert_eq!(state(&api, &id), "deleting", "it is not for the one that is out of use");
    other.work(&api);
    assert_eq!(state(&api, &id), "gone");
}

#[test]
fn what_was_promised_is_done_out_of_use() {
    let (api, mut node, volume) = ready();
    let (_, id) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let restore = json!({"restore": {"volume_id": volume}});
    assert_eq!(api.post(MEMBER, &format!("{}/restore", path(&id)), &restore).status, 202);
    turn(&api, "disable", "one");
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), state(&api, &id).as_str()), ("available", "available"));
    turn(&api, "enable", "one");
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 202);
    turn(&api, "disable", "one");
    node.work(&api);
    assert_eq!(state(&api, &id), "gone");
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
    let list = api.get(MEMBER, "/volume/v3/backups/detail?sort=created_at:asc").body["backups"].clone();
    let told = |at: usize, id: &str, is_parent: bool| {
        let known = (&list[at]["id"], &list[at]["has_dependent_backups"]);
        assert_eq!(known, (&json!(id), &json!(is_parent)), "{list}");
    };
    told(0, &full, true);
    told(1, &added, false);
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
    let say = |colour: &str| {
        let path = format!("/volume/v3/volumes/{volume}/metadata");
        assert_eq!(api.put(MEMBER, &path, &json!({"metadata": {"colour": colour}})).status, 200);
    };
    let colour = |id: &str| {
        api.get(MEMBER, &format!("/volume/v3/volumes/{id}")).body["volume"]["metadata"]["colour"].clone()
    };
    say("blue");
    let (_, id) = back_up(&api, json!({"volume_id": volume}));
    say("red");
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

    assert_eq!(colour(&volume), "blue");

    let answer = restore(json!({"name": "again"}));
    let new = answer.body["restore"]["volume_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.body["restore"]["volume_name"], "again");
    for _ in 0..3 {
        node.work(&api);
    }
    assert_eq!((status(&api, &new).as_str(), state(&api, &id).as_str()), ("available", "available"));
    assert_eq!(colour(&new), "blue");
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

fn record_of(api: &Api, id: &str) -> Json {
    let answer = api.get(ADMIN, &format!("{}/export_record", path(id)));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["backup-record"].clone()
}

fn import(api: &Api, record: &Json) -> testkit::Answer {
    api.post(ADMIN, "/volume/v3/backups/import_record", &json!({"backup-record": record}))
}

/// What a record says, changed.
fn changed(record: &Json, change: impl FnOnce(&mut Json)) -> Json {
    let bytes = BASE64_STANDARD.decode(record["backup_url"].as_str().unwrap()).unwrap();
    let mut fields: Json = serde_json::from_slice(&bytes).unwrap();
    change(&mut fields);
    json!({"backup_service": "cinder.backup.drivers.cuttle", "backup_url": BASE64_STANDARD.encode(fields.to_string())})
}

#[test]
fn another_cloud_takes_in_a_backup_by_its_record() {
    let (api, mut node, volume) = ready();
    let (_, full) = back_up(&api, json!({"volume_id": volume, "name": "first"}));
    node.work(&api);
    let (_, added) = back_up(&api, json!({"volume_id": volume, "incremental": true}));
    assert_eq!(api.get(ADMIN, &format!("{}/export_record", path(&added))).status, 400, "it is being made");
    node.work(&api);
    assert_eq!(api.get(MEMBER, &format!("{}/export_record", path(&full))).status, 403);
    let (first, second) = (record_of(&api, &full), record_of(&api, &added));
    assert_eq!(import(&api, &first).status, 400, "it is there");

    let other = crate::tests::api();
    assert_eq!(import(&other, &first).status, 503, "nobody makes backups there");
    let mut far = Node::join(&other, "far", 10);
    assert_eq!(import(&other, &second).status, 400, "the one that it adds to comes first");
    let answer = import(&other, &first);
    assert_eq!((answer.status, &answer.body["backup"]["id"]), (201, &json!(full)));
    assert_eq!(state(&other, &full), "creating", "no host has seen it");
    far.work(&other);
    assert_eq!(import(&other, &second).status, 201);
    far.work(&other);
    let (before, after) = (shown(&api, &added), shown(&other, &added));
    for same in
        ["status", "volume_id", "size", "object_count", "is_incremental", "data_timestamp", "created_at"]
    {
        assert_eq!(after[same], before[same], "{same}");
    }
    assert_eq!(
        (&shown(&other, &full)["name"], &shown(&other, &full)["status"]),
        (&json!("first"), &json!("available"))
    );
    let used = other.call(ADMIN, "GET", "/volume/v3/limits", &[], &Json::Null).body;
    assert_eq!(used["limits"]["absolute"]["totalBackupsUsed"], 2);
}

#[test]
fn a_volume_may_have_grown_since_its_snapshot() {
    let (api, mut node, volume) = ready();
    let body = json!({"snapshot": {"volume_id": volume}});
    let snapshot = api.post(MEMBER, "/volume/v3/snapshots", &body).body["snapshot"]["id"].clone();
    node.work(&api);
    assert_eq!(crate::tests::act(&api, MEMBER, &volume, &json!({"os-extend": {"new_size": 2}})), 202);
    node.work(&api);
    let (_, id) = back_up(&api, json!({"volume_id": volume, "snapshot_id": snapshot}));
    node.work(&api);
    assert_eq!(shown(&api, &id)["size"], 2, "as the volume is");
    let other = crate::tests::api();
    let mut far = Node::join(&other, "far", 10);
    assert_eq!(import(&other, &record_of(&api, &id)).status, 201);
    far.work(&other);
    assert_eq!(state(&other, &id), "available");
}

#[test]
fn a_record_of_what_is_not_there_removes_nothing() {
    let (api, mut node, volume) = ready();
    let (_, id) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let record = record_of(&api, &id);
    let other = crate::tests::api();
    let mut far = Node::join(&other, "far", 10);
    for steps in 0..2 {
        // It is larger than it says, or a host does not find it.
        let told = changed(&record, |fields| fields["size"] = json!(2 - steps));
        assert_eq!(import(&other, &told).status, 201);
        far.refuses = (steps == 1).then_some("there is no backup");
        far.work(&other);
        assert_eq!(shown(&other, &id)["status"], "error");
        far.refuses = None;
        assert_eq!(other.delete(ADMIN, &path(&id)).status, 202);
        other.settle();
        assert_eq!(state(&other, &id), "gone", "without a host");
        far.work(&other);
    }
}

#[test]
fn what_two_backups_are_made_of_goes_with_the_last() {
    let (api, mut node, volume) = ready();
    let (_, first) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let second = runtime::new_uuid().to_string();
    let told = changed(&record_of(&api, &first), |fields| fields["id"] = json!(second));
    assert_eq!(import(&api, &told).status, 201);
    node.work(&api);
    assert_eq!(
        (shown(&api, &second)["status"].clone(), record_of(&api, &second)["backup_service"].clone()),
        (json!("available"), json!("cinder.backup.drivers.cuttle"))
    );
    // A record that came to nothing holds nothing back.
    let third = changed(&told, |fields| fields["id"] = json!(runtime::new_uuid().to_string()));
    (node.refuses, node.refuses_only) = (Some("no"), Some(agent_api::Kind::Copy));
    let third = import(&api, &third).body["backup"]["id"].as_str().unwrap().to_owned();
    node.work(&api);
    assert_eq!(state(&api, &third), "error");
    // A host that is asked to remove anything refuses.
    let delete = |node: &mut Node, id: &str| {
        assert_eq!(api.delete(ADMIN, &path(id)).status, 202);
        node.work(&api);
        state(&api, id)
    };
    assert_eq!(delete(&mut node, &first), "gone");
    assert_eq!(delete(&mut node, &second), "error_deleting");
    node.refuses = None;
    assert_eq!(
        api.post(
            ADMIN,
            &format!("{}/action", path(&second)),
            &json!({"os-reset_status": {"status": "error"}})
        )
        .status,
        202
    );
    assert_eq!(delete(&mut node, &second), "gone");
}

#[test]
fn records_that_are_none_are_refused() {
    let (api, mut node, volume) = ready();
    let (_, id) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let record = record_of(&api, &id);
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 202);
    node.work(&api);
    let check = |record: &Json, status: u16, text: &str| {
        let refused = import(&api, record);
        assert_eq!(refused.status, status, "{refused:?}");
        assert!(refused.body.to_string().contains(text), "{text}: {refused:?}");
        assert_eq!(state(&api, &id), "gone");
    };
    let url = |text: &str| json!({"backup_service": "cinder.backup.drivers.cuttle", "backup_url": text});
    check(&url("?"), 400, "is not a 'base64'");
    check(&url(&BASE64_STANDARD.encode("[]")), 400, "Can't parse backup record.");
    check(&url(&BASE64_STANDARD.encode("{}")), 400, "missing an id");
    let without = |name: &'static str| {
        changed(&record, move |fields| {
            fields.as_object_mut().unwrap().remove(name);
        })
    };
    check(&without("size"), 400, "missing size attribute");
    check(&without("object_count"), 400, "there are missing fields (object_count)");
    check(&changed(&record, |fields| fields["id"] = json!("../../etc")), 400, "Can't parse backup record.");
    let long = "x".repeat(256);
    for (name, value) in [
        ("size", json!(0)),
        ("status", json!("error")),
        ("deleted", json!(true)),
        ("deleted_at", json!("2026-11-27T00:00:00")),
        ("object_count", json!("many")),
        ("object_count", json!(-1)),
        ("service", json!("cinder.backup.drivers.swift.SwiftBackupDriver")),
        ("user_id", json!(7)),
        ("host", json!("one")),
        ("temp_volume_id", json!(volume)),
        ("restore_volume_id", json!(volume)),
        ("parent_id", json!("nobody")),
        ("data_timestamp", json!("soon")),
        ("container", json!(long)),
        ("display_name", json!(long)),
        ("metadata", json!({"": "nothing"})),
        ("metadata", json!({"k": long})),
        ("metadata", json!({"k": 1})),
        ("driver_info", json!("{}")),
        ("driver_info", json!({"of_another": null})),
        ("driver_info", json!({"of_volume": {"metadata": {}}})),
        ("driver_info", json!({"of_volume": {"metadata": {long.clone(): ""}, "image_metadata": {}}})),
        ("driver_info", json!({"of_volume": {"metadata": {}, "image_metadata": {}, "more": {}}})),
        ("colour", json!("blue")),
    ] {
        check(&changed(&record, |fields| fields[name] = value), 400, "Can't parse backup record.");
    }
    check(&json!({"backup_service": "cinder.backup.drivers.cuttle"}), 400, "backup_url");
    let member = api.post(MEMBER, "/volume/v3/backups/import_record", &json!({"backup-record": record}));
    assert_eq!(member.status, 403);
    assert_eq!(import(&api, &record).status, 201);
}

#[test]
fn what_another_program_wrote_is_an_error_that_says_so() {
    let api = api();
    let _node = Node::join(&api, "one", 10);
    let id = runtime::new_uuid().to_string();
    let foreign =
        json!({"id": id, "size": 3, "service_metadata": "volume_1/20261127/az_nova", "of": "swift"});
    let record = |service: Json| {
        let url = BASE64_STANDARD.encode(foreign.to_string());
        json!({"backup_service": service, "backup_url": url})
    };
    for service in [json!("x".repeat(256)), json!(null), json!(7)] {
        assert_eq!(import(&api, &record(service)).status, 400);
    }
    for service in ["cinder.backup.drivers.swift.SwiftBackupDriver", ""] {
        let answer = import(&api, &record(json!(service)));
        assert_eq!((answer.status, &answer.body["backup"]["id"]), (201, &json!(id)), "{answer:?}");
        let backup = shown(&api, &id);
        assert_eq!((&backup["status"], &backup["size"]), (&json!("error"), &json!(3)));
        let reason = backup["fail_reason"].as_str().unwrap();
        assert!(reason.contains(&format!("'{service}'")), "{reason}");
        assert_eq!(import(&api, &record(json!(service))).status, 400, "it is there");
        assert_eq!(api.delete(ADMIN, &path(&id)).status, 202);
        api.settle();
        assert_eq!(state(&api, &id), "gone", "without asking a host");
    }
}

#[test]
fn a_volume_is_made_of_a_backup() {
    let (api, mut node, volume) = ready();
    let (_, id) = back_up(&api, json!({"volume_id": volume}));
    node.work(&api);
    let make = |version: &str, body: Json| {
        let header = [("openstack-api-version", version)];
        api.call(MEMBER, "POST", "/volume/v3/volumes", &header, &json!({"volume": body}))
    };
    assert_eq!(make("volume 3.47", json!({"backup_id": id, "size": 1, "source_volid": volume})).status, 400);
    let gone = make("volume 3.47", json!({"backup_id": "2f3dd6ae-2c22-4b37-8f3c-7a4a4ad84a4a"}));
    assert_eq!(gone.status, 404);
    let old = make("volume 3.46", json!({"backup_id": id, "size": 1}));
    assert_eq!(
        (old.status, state(&api, &id).as_str()),
        (202, "available"),
        "what it does not know it ignores"
    );
    let answer = make("volume 3.47", json!({"backup_id": id}));
    assert_eq!((answer.status, &answer.body["volume"]["size"]), (202, &json!(1)), "{answer:?}");
    let new = answer.body["volume"]["id"].as_str().unwrap().to_owned();
    assert_eq!((status(&api, &new).as_str(), state(&api, &id).as_str()), ("creating", "restoring"));
    assert_eq!(make("volume 3.47", json!({"backup_id": id})).status, 400, "it is being read");
    node.refuses_only = Some(agent_api::Kind::Copy);
    node.refuses = Some("it is full");
    node.work(&api);
    assert_eq!((status(&api, &new).as_str(), state(&api, &id).as_str()), ("error", "available"));
    node.refuses = None;
    let answer = make("volume 3.71", json!({"backup_id": id, "size": 3}));
    let new = answer.body["volume"]["id"].as_str().unwrap().to_owned();
    // The volume first, which nobody may take for whole meanwhile.
    let documents = node.wanted(&api);
    node.report(documents);
    api.settle();
    assert_eq!(status(&api, &new), "restoring-backup");
    node.work(&api);
    assert_eq!((status(&api, &new).as_str(), state(&api, &id).as_str()), ("available", "available"));
    assert_eq!(make("volume 3.71", json!({"backup_id": id, "size": 0})).status, 400);
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
