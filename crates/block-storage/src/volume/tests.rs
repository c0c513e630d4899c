//! Volumes over the API in process, with a node that makes them.

use std::time::Duration;

use serde_json::{Value as Json, json};
use store::Tx;
use testkit::Api;
use types::{ServerId, VolumeId};

use crate::tests::{ADMIN, MEMBER, Node, OTHER, act, api, create, new_volume, status};
use crate::volume::{HOST_TIME_MAX, NewAttachment, PLACEMENT_TIME_MAX, VolumeDraft, WorkKey, ops};

fn path(id: &str) -> String {
    format!("/volume/v3/volumes/{id}")
}

#[test]
fn a_volume_lives_on_a_host() {
    let api = api();
    let mut small = Node::join(&api, "small", 10);
    let mut large = Node::join(&api, "large", 100);
    let id = new_volume(&api, MEMBER);
    assert_eq!(status(&api, &id), "creating");
    small.work(&api);
    large.work(&api);
    let seen = api.get(ADMIN, &path(&id)).body["volume"].clone();
    assert_eq!(
        (&seen["status"], &seen["os-vol-host-attr:host"]),
        (&json!("available"), &json!("large@file#file"))
    );
    let extend = |size: u32| json!({"os-extend": {"new_size": size}});
    assert_eq!(act(&api, MEMBER, &id, &extend(1)), 400);
    let endless = api.post(MEMBER, &format!("{}/action", path(&id)), &extend(70_000));
    assert_eq!(endless.status, 400);
    let why = endless.body["badRequest"]["message"].as_str().unwrap();
    assert!(why.contains("extend request: 70000") && why.contains("from 1 to 65536"), "{why}");
    assert_eq!(act(&api, MEMBER, &id, &extend(3)), 202);
    assert_eq!(status(&api, &id), "extending");
    assert_eq!(act(&api, MEMBER, &id, &extend(4)), 400);
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 400);
    large.work(&api);
    assert_eq!(api.get(MEMBER, &path(&id)).body["volume"]["size"], 3);
    large.refuses = Some("the disk is full");
    assert_eq!(act(&api, MEMBER, &id, &extend(4)), 202);
    large.work(&api);
    assert_eq!(status(&api, &id), "error_extending");
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 202);
    assert_eq!(status(&api, &id), "deleting");
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 202);
    large.work(&api);
    assert_eq!(status(&api, &id), "gone");
    assert_eq!(api.runner.sweep().unwrap(), []);
}

#[test]
fn no_extension_waits_for_somebodys_word() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let id = new_volume(&api, MEMBER);
    node.work(&api);
    let say = |token: &str, body: &Json| {
        let said =
            api.post(token, &format!("{}/action", path(&id)), &json!({"os-extend_volume_completion": body}));
        let text = said.body.as_object().and_then(|body| body.values().next()).cloned().unwrap_or_default();
        (said.status, text["message"].as_str().unwrap_or_default().to_owned())
    };
    let invalid = |text: &str| (400, format!("Invalid volume: {text}"));
    let idle = invalid("Volume is not being extended.");
    for body in [json!({}), json!({"error": null}), json!({"error": true}), json!({"error": "no"})] {
        assert_eq!(say(ADMIN, &body), idle, "{body}");
    }
    assert!(say(ADMIN, &json!({"error": 1})).1.contains("error is neither text nor a boolean"));
    assert!(say(ADMIN, &json!({"new_size": 2})).1.contains("new_size"));
    assert_eq!(say(MEMBER, &json!({})).0, 403);
    assert_eq!(act(&api, MEMBER, &id, &json!({"os-extend": {"new_size": 2}})), 202);
    // Its host's word alone counts.
    let waiting = invalid("Required volume admin metadata is malformed or missing.");
    for failed in [true, false] {
        assert_eq!(say(ADMIN, &json!({"error": failed})), waiting);
        assert_eq!(status(&api, &id), "extending");
    }
    node.work(&api);
    assert_eq!((status(&api, &id).as_str(), say(ADMIN, &json!({}))), ("available", idle));
}

#[test]
fn what_cannot_be_made_says_why() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let fault = |id: &str| {
        let id: VolumeId = id.parse().unwrap();
        let read = api.store.read_blocking(move |tx: &mut Tx<'_>| super::store::VOLUMES.load(tx, id));
        read.unwrap().unwrap().fault.clone().unwrap_or_default()
    };
    let nowhere = new_volume(&api, MEMBER);
    api.settle();
    assert_eq!(status(&api, &nowhere), "creating");
    guard.advance(PLACEMENT_TIME_MAX);
    api.settle();
    assert_eq!(status(&api, &nowhere), "error");
    assert!(fault(&nowhere).contains("no host is up"));
    assert_eq!(api.delete(MEMBER, &path(&nowhere)).status, 202);
    api.settle();
    assert_eq!(status(&api, &nowhere), "gone");

    let mut node = Node::join(&api, "one", 10);
    node.refuses = Some("the image is refused: it is encrypted");
    let refused = new_volume(&api, MEMBER);
    node.work(&api);
    assert_eq!(status(&api, &refused), "error");
    assert!(fault(&refused).contains("it is encrypted"), "{}", fault(&refused));

    node.silent = true;
    let waiting = new_volume(&api, MEMBER);
    node.work(&api);
    guard.advance(HOST_TIME_MAX);
    api.settle();
    assert_eq!(status(&api, &waiting), "error");
    assert!(fault(&waiting).contains("did not make it"));
    assert_eq!(api.delete(MEMBER, &path(&waiting)).status, 202);
    api.settle();
    guard.advance(HOST_TIME_MAX + Duration::from_secs(1));
    api.settle();
    assert_eq!(status(&api, &waiting), "error_deleting");
}

#[test]
fn a_host_whose_storage_does_not_answer_is_waited_for() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    node.away = true;
    let id = new_volume(&api, MEMBER);
    node.work(&api);
    assert_eq!(status(&api, &id), "creating");
    node.away = false;
    node.again(&api, agent_api::Kind::Volume);
    assert_eq!(status(&api, &id), "available");
    node.away = true;
    let backup = json!({"backup": {"volume_id": id}});
    let backup = api.post(MEMBER, "/volume/v3/backups", &backup).body["backup"]["id"].clone();
    let backup = format!("/volume/v3/backups/{}", backup.as_str().unwrap());
    let backup_status = || api.get(MEMBER, &backup).body["backup"]["status"].clone();
    node.work(&api);
    assert_eq!((status(&api, &id), backup_status()), ("backing-up".to_owned(), json!("creating")));
    node.away = false;
    node.again(&api, agent_api::Kind::Volume);
    assert_eq!((status(&api, &id), backup_status()), ("available".to_owned(), json!("available")));
    // Not for ever.
    node.away = true;
    let id = new_volume(&api, MEMBER);
    node.work(&api);
    guard.advance(HOST_TIME_MAX);
    api.settle();
    assert_eq!(status(&api, &id), "error");
    let key: VolumeId = id.parse().unwrap();
    let row = api.store.read_blocking(move |tx: &mut Tx<'_>| super::store::VOLUMES.load(tx, key));
    let fault = row.unwrap().unwrap().fault.clone().unwrap();
    assert!(fault.contains("within 600 s: the cluster does not answer"), "{fault}");
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    let api = api();
    let check = |body: Json, expected: u16| {
        let answer = create(&api, MEMBER, &body);
        assert_eq!(answer.status, expected, "{body}: {answer:?}");
    };
    check(json!({}), 400);
    check(json!({"size": 0}), 400);
    check(json!({"size": -1}), 400);
    check(json!({"size": 1.5}), 400);
    check(json!({"size": "huge"}), 400);
    check(json!({"size": u64::MAX}), 400);
    check(json!({"size": 1, "name": 7}), 400);
    check(json!({"size": 1, "name": "x".repeat(256)}), 400);
    check(json!({"size": 1, "metadata": []}), 400);
    check(json!({"size": 1, "metadata": {"k": 1}}), 400);
    check(json!({"size": 1, "metadata": {"": "v"}}), 400);
    check(json!({"size": 1, "volume_type": "odd"}), 404);
    check(json!({"size": 1, "availability_zone": "moon"}), 400);
    check(json!({"size": 1, "imageRef": "odd"}), 400);
    check(json!({"size": 1, "imageRef": "4b8c6b16-97ad-4b4f-9f5c-62f6b0b7d1aa"}), 400);
    check(json!({"size": 1, "snapshot_id": "4b8c6b16-97ad-4b4f-9f5c-62f6b0b7d1aa"}), 404);
    check(json!({"size": 1, "multiattach": true}), 400);
    check(json!({"size": 1001}), 413);
    check(json!("volume"), 400);
    check(json!({"size": "1", "name": null, "snapshot_id": null, "imageRef": null, "metadata": {}}), 202);
    assert_eq!(api.post(MEMBER, "/volume/v3/volumes", &json!({})).status, 400);
    assert_eq!(api.send(MEMBER, "POST", "/volume/v3/volumes", &[], b"{".to_vec()).status, 400);
    assert_eq!(create(&api, "reader@alpha", &json!({"size": 1})).status, 403);
    assert_eq!(create(&api, "", &json!({"size": 1})).status, 401);
    let id = new_volume(&api, MEMBER);
    for (body, expected) in [
        (json!({}), 400),
        (json!([]), 400),
        (json!({"os-odd": {}}), 400),
        (json!({"os-extend": {}}), 400),
        (json!({"os-extend": {"new_size": "x"}}), 400),
        (json!({"os-extend": 7}), 400),
        (json!({"os-set_bootable": {"bootable": "maybe"}}), 400),
        (json!({"os-set_bootable": null}), 400),
        (json!({"os-attach": {"mountpoint": "/dev/vdb"}}), 400),
        (json!({"os-attach": {"instance_uuid": "x", "mountpoint": "/dev/vdb"}}), 400),
        (json!({"os-detach": {"attachment_id": "x"}}), 400),
        (json!({"os-reset_status": {"status": "error"}}), 403),
        (json!({"os-force_delete": {}}), 403),
    ] {
        assert_eq!(act(&api, MEMBER, &id, &body), expected, "{body}");
    }
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-reset_status": {"status": "odd"}})), 400);
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-reset_status": {}})), 400);
    let shared = json!({"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}});
    assert_eq!(api.post(ADMIN, "/volume/v3/types", &shared).status, 200);
    assert_eq!(create(&api, MEMBER, &json!({"size": 1, "volume_type": "shared"})).status, 202);
    for (method, path) in [("GET", path(&id)), ("DELETE", path(&id)), ("GET", path("squid"))] {
        assert_eq!(api.call(OTHER, method, &path, &[], &Json::Null).status, 404);
    }
    assert_eq!(act(&api, OTHER, &id, &json!({"os-set_bootable": {"bootable": true}})), 404);
    assert_eq!(api.get(MEMBER, "/volume/v3/beta/volumes").status, 400);
    let too_new = [("openstack-api-version", "volume 3.72")];
    assert_eq!(api.call(MEMBER, "GET", "/volume/v3/volumes", &too_new, &Json::Null).status, 406);
}

fn ready_volume(api: &Api, node: &mut Node) -> String {
    let id = new_volume(api, MEMBER);
    node.work(api);
    assert_eq!(status(api, &id), "available");
    id
}

#[test]
fn operators_find_attachments_by_project() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let id = ready_volume(&api, &mut node);
    let newest = [("openstack-api-version", "volume 3.71")];
    let body = json!({"attachment": {"volume_uuid": id, "instance_uuid": runtime::new_uuid()}});
    let made = api.call(MEMBER, "POST", "/volume/v3/attachments", &newest, &body);
    assert_eq!(made.status, 200);
    let list = |who: &str, query: &str| {
        let path = format!("/volume/v3/attachments?{query}");
        let answer = api.call(who, "GET", &path, &newest, &Json::Null);
        (answer.status, answer.body["attachments"].as_array().map(Vec::len))
    };
    assert_eq!(list(ADMIN, "all_tenants=1&project_id=alpha"), (200, Some(1)));
    assert_eq!(list(ADMIN, "all_tenants=1&project_id=beta"), (200, Some(0)));
    assert_eq!(list(ADMIN, "project_id=alpha"), (200, Some(0)), "not without asking for all");
    assert_eq!(list(MEMBER, "all_tenants=1&project_id=alpha").0, 400);
}

#[test]
fn a_volume_is_in_one_server_at_a_time() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let id = ready_volume(&api, &mut node);
    let volume: VolumeId = id.parse().unwrap();
    let caller = testkit::caller(MEMBER).unwrap();
    let [first, second] = [ServerId(runtime::new_uuid()), ServerId(runtime::new_uuid())];
    let reserve = |server: ServerId| {
        let caller = caller.clone();
        api.store.write_blocking(move |tx: &mut Tx<'_>| ops::reserve(&caller, tx, volume, server).map(|_| ()))
    };
    let attach = |server: ServerId| {
        let device = "/dev/vdb".to_owned();
        let new = NewAttachment { server_id: server, device, host: "one".into(), watcher: None };
        api.store.write_blocking(move |tx: &mut Tx<'_>| ops::attach(tx, volume, new.clone()).map(|_| ()))
    };
    let detach = |server: ServerId| {
        api.store.write_blocking(move |tx: &mut Tx<'_>| ops::detach(tx, volume, server)).unwrap();
    };
    reserve(first).unwrap();
    assert_eq!(status(&api, &id), "reserved");
    assert!(reserve(second).is_err() && attach(second).is_err());
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 400);
    attach(first).unwrap();
    attach(first).unwrap();
    assert!(attach(second).is_err());
    let seen = api.get(MEMBER, &path(&id)).body["volume"].clone();
    assert_eq!(seen["status"], "in-use");
    assert_eq!(seen["attachments"][0]["server_id"], first.to_string());
    assert_eq!(seen["attachments"][0]["device"], "/dev/vdb");
    assert_eq!(seen["attachments"][0]["host_name"], Json::Null);
    for body in [json!({"os-detach": {}}), json!({"os-begin_detaching": {}})] {
        assert_eq!(act(&api, MEMBER, &id, &body), 409, "{body}");
    }
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-force_detach": {}})), 409);
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-force_delete": {}})), 400);
    // An operator's word changes the status, not who has the disk.
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-reset_status": {"status": "available"}})), 202);
    assert!(reserve(second).is_err());
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 400);
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-reset_status": {"status": "in-use"}})), 202);
    detach(second);
    assert_eq!(status(&api, &id), "in-use");
    let begin = caller.clone();
    api.store.write_blocking(move |tx: &mut Tx<'_>| ops::begin_detach(&begin, tx, volume, first)).unwrap();
    assert_eq!(status(&api, &id), "detaching");
    detach(first);
    detach(first);
    assert_eq!(status(&api, &id), "available");
    reserve(second).unwrap();
    api.store.write_blocking(move |tx: &mut Tx<'_>| ops::unreserve(tx, volume, second)).unwrap();
    assert_eq!(status(&api, &id), "available");
    assert_eq!(api.delete(MEMBER, &path(&id)).status, 202);
    node.work(&api);
    assert_eq!(status(&api, &id), "gone");
}

#[test]
fn a_watcher_is_kicked_when_its_volume_is_ready() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let caller = testkit::caller(MEMBER).unwrap();
    let server = ServerId(runtime::new_uuid());
    let volume = api
        .store
        .write_blocking(move |tx: &mut Tx<'_>| {
            let watcher = Some(WorkKey { kind: "test::server".to_owned(), id: server.to_string() });
            let draft = VolumeDraft {
                size_gib: Some(2),
                host: Some("one".into()),
                watcher,
                ..VolumeDraft::default()
            };
            let volume = ops::create_for_boot(&caller, tx, draft)?;
            ops::reserve(&caller, tx, volume.id, server)?;
            Ok::<_, crate::Error>(volume.into_inner())
        })
        .unwrap();
    assert!(volume.bootable && !volume.made);
    node.work(&api);
    assert_eq!(status(&api, &volume.id.to_string()), "reserved");
    let pending = api.store.read_blocking(store::work::pending).unwrap();
    assert_eq!(
        pending.iter().map(|(kind, id, _)| (kind.as_str(), id.as_str())).collect::<Vec<_>>(),
        [("test::server", server.to_string().as_str())]
    );
}

#[test]
fn clients_hold_volumes_by_actions_and_attachments() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let id = ready_volume(&api, &mut node);
    let check = |body: Json, expected: u16, then: &str| {
        assert_eq!(act(&api, MEMBER, &id, &body), expected, "{body}");
        assert_eq!(status(&api, &id), then, "{body}");
    };
    check(json!({"os-unreserve": {}}), 202, "available");
    check(json!({"os-roll_detaching": {}}), 202, "available");
    check(json!({"os-detach": {}}), 202, "available");
    check(json!({"os-begin_detaching": {}}), 400, "available");
    check(json!({"os-reserve": {}}), 202, "attaching");
    check(json!({"os-reserve": {}}), 400, "attaching");
    check(json!({"os-unreserve": {}}), 202, "available");
    let server = runtime::new_uuid().to_string();
    check(
        json!({"os-attach": {"instance_uuid": server, "mountpoint": "/dev/vdc", "mode": "x"}}),
        400,
        "available",
    );
    check(json!({"os-attach": {"instance_uuid": server, "mountpoint": "/dev/vdc"}}), 202, "in-use");
    check(json!({"os-begin_detaching": {}}), 202, "detaching");
    check(json!({"os-roll_detaching": {}}), 202, "in-use");
    let shown = api.get(MEMBER, &format!("/volume/v3/volumes/{id}")).body["volume"].clone();
    let held = &shown["attachments"][0];
    assert_eq!((&held["server_id"], &held["device"]), (&json!(server), &json!("/dev/vdc")));
    assert_eq!(shown["metadata"], json!({"attached_mode": "rw", "readonly": "False"}));
    // As Cinder does, who is not there anyway is let go.
    check(json!({"os-detach": {"attachment_id": server}}), 202, "in-use");
    check(json!({"os-detach": {"odd": 1}}), 400, "in-use");
    check(json!({"os-detach": {}}), 202, "available");
    check(json!({"os-update_readonly_flag": {"readonly": true}}), 202, "available");
    check(json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdc"}}), 400, "available");
    check(json!({"os-update_readonly_flag": {"readonly": false}}), 202, "available");
    check(json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdc"}}), 202, "in-use");
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-reset_status": {"status": "error"}})), 202);
    let force = json!({"os-force_detach": {"connector": null, "attachment_id": null}});
    assert_eq!((act(&api, ADMIN, &id, &force), status(&api, &id).as_str()), (202, "available"));
    let new = [("openstack-api-version", "volume 3.27")];
    let call = |method: &str, path: &str, body: Json| api.call(MEMBER, method, path, &new, &body);
    let attachments = "/volume/v3/attachments";
    assert_eq!(api.get(MEMBER, attachments).status, 404);
    assert_eq!(call("POST", attachments, json!({"attachment": {}})).status, 400);
    let made = call("POST", attachments, json!({"attachment": {"volume_uuid": id, "instance_uuid": server}}));
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(status(&api, &id), "reserved");
    let own = format!("{attachments}/{}", made.body["attachment"]["id"].as_str().unwrap());
    assert_eq!(call("GET", &own, Json::Null).body["attachment"]["instance"], server);
    assert_eq!(call("GET", attachments, Json::Null).body["attachments"].as_array().unwrap().len(), 1);
    assert_eq!(api.call(OTHER, "GET", &own, &new, &Json::Null).status, 404);
    assert_eq!(api.call(OTHER, "DELETE", &own, &new, &Json::Null).status, 404);
    assert_eq!(call("DELETE", &own, Json::Null).status, 200);
    assert_eq!(call("DELETE", &own, Json::Null).status, 404);
    assert_eq!(status(&api, &id), "available");
}

#[test]
fn an_attachment_is_made_connected_and_completed() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let id = ready_volume(&api, &mut node);
    let new = [("openstack-api-version", "volume 3.54")];
    let call = |method: &str, path: &str, body: Json| {
        api.call(MEMBER, method, &format!("/volume/v3/attachments{path}"), &new, &body)
    };
    let create = |more: Json| {
        let mut body = json!({"volume_uuid": id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call("POST", "", json!({"attachment": body}))
    };
    assert_eq!(create(json!({"mode": "x"})).status, 400);
    assert_eq!(create(json!({"connector": "x"})).status, 400);
    let made = create(json!({"mode": "ro"}));
    assert_eq!(made.body["attachment"]["attach_mode"], "ro", "{made:?}");
    let own = format!("/{}", made.body["attachment"]["id"].as_str().unwrap());
    let shown = || call("GET", &own, Json::Null).body["attachment"].clone();
    assert_eq!(call("PUT", &own, json!({"attachment": {"connector": {}}})).status, 400);
    let connector = json!({"host": "far", "mountpoint": "/dev/sdb", "initiator": "iqn", "mode": "rw"});
    let told = call("PUT", &own, json!({"attachment": {"connector": connector}}));
    let info = &told.body["attachment"]["connection_info"];
    assert_eq!((told.status, &info["access_mode"]), (200, &json!("ro")), "{told:?}");
    assert_eq!((status(&api, &id).as_str(), &shown()["status"]), ("attaching", &json!("attaching")));
    assert_eq!(shown()["connection_info"], *info);
    // The SDK sends the id along, which Cinder does not look at.
    for what in [json!(null), json!(own)] {
        assert_eq!(call("POST", &format!("{own}/action"), json!({"os-complete": what})).status, 204);
        assert_eq!((status(&api, &id).as_str(), &shown()["status"]), ("in-use", &json!("attached")));
    }
    let listed = |query: &str| {
        let found = call("GET", query, Json::Null).body["attachments"].clone();
        found.as_array().unwrap().len()
    };
    assert_eq!((listed("?attach_status=attached"), listed("?attach_status=reserved")), (1, 0));
    let volume = api.get(ADMIN, &format!("/volume/v3/volumes/{id}")).body["volume"].clone();
    let held = &volume["attachments"][0];
    assert_eq!((&held["host_name"], &held["device"]), (&json!("far"), &json!("/dev/sdb")));
    assert_eq!(call("DELETE", &own, Json::Null).status, 200);
    assert_eq!(status(&api, &id), "available");
    // All at once, and given back by the action of old.
    let made = create(json!({"connector": {"host": "far"}}));
    assert_eq!((made.status, status(&api, &id).as_str()), (200, "attaching"), "{made:?}");
    assert_eq!(act(&api, MEMBER, &id, &json!({"os-detach": {}})), 202);
    assert_eq!(status(&api, &id), "available");
}

#[test]
fn an_operators_word_about_a_volume_stays() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let id = ready_volume(&api, &mut node);
    for word in ["creating", "extending", "reverting", "maintenance", "attaching"] {
        assert_eq!(act(&api, ADMIN, &id, &json!({"os-reset_status": {"status": word}})), 202);
        node.work(&api);
        assert_eq!((status(&api, &id).as_str(), api.runner.sweep().unwrap()), (word, vec![]));
    }
    assert_eq!(act(&api, ADMIN, &id, &json!({"os-force_delete": {}})), 202);
    node.work(&api);
    assert_eq!(status(&api, &id), "gone");
}

#[test]
fn an_image_becomes_a_volume() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let body = json!({"name": "disk", "disk_format": "raw", "container_format": "bare", "min_disk": 2, "os_distro": "debian"});
    let image = api.post(MEMBER, "/image/v2/images", &body).body["id"].as_str().unwrap().to_owned();
    let ask = |size: u32, token: &str| create(&api, token, &json!({"size": size, "imageRef": image}));
    assert_eq!(ask(2, MEMBER).status, 400);
    let headers = [("content-type", "application/octet-stream")];
    let file = format!("/image/v2/images/{image}/file");
    assert_eq!(api.send(MEMBER, "PUT", &file, &headers, vec![7; 2048]).status, 204);
    assert_eq!(ask(1, MEMBER).status, 400);
    assert_eq!(ask(2, OTHER).status, 400);
    let made = ask(2, MEMBER);
    assert_eq!(made.status, 202, "{made:?}");
    let id = made.body["volume"]["id"].as_str().unwrap();
    node.work(&api);
    let seen = api.get(MEMBER, &path(id)).body["volume"].clone();
    assert_eq!((&seen["status"], &seen["bootable"]), (&json!("available"), &json!("true")));
    assert_eq!(seen["volume_image_metadata"]["image_id"], image);
    assert_eq!(seen["volume_image_metadata"]["os_distro"], "debian");
    let set = json!({"os-set_image_metadata": {"metadata": {"k": "v"}}});
    assert_eq!(act(&api, MEMBER, id, &set), 200);
    assert_eq!(act(&api, MEMBER, id, &json!({"os-unset_image_metadata": {"key": "k"}})), 200);
    assert_eq!(act(&api, MEMBER, id, &json!({"os-unset_image_metadata": {"key": "k"}})), 404);
}

#[test]
fn lists_filter_sort_and_page() {
    let api = api();
    for (name, size) in [("a", 3), ("b", 1), ("c", 2)] {
        let body = json!({"name": name, "size": size, "metadata": {"k": name, "of": "three"}});
        assert_eq!(create(&api, MEMBER, &body).status, 202);
    }
    new_volume(&api, OTHER);
    let names = |token: &str, query: &str| {
        let answer = api.get(token, &format!("/volume/v3/volumes/detail?{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let volumes = answer.body["volumes"].as_array().unwrap().clone();
        volumes.iter().map(|volume| volume["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("")
    };
    assert_eq!(names(MEMBER, "sort=name:asc"), "abc");
    assert_eq!(names(MEMBER, "sort=size"), "acb");
    assert_eq!(names(MEMBER, "sort_key=size&sort_dir=asc"), "bca");
    assert_eq!(names(MEMBER, "name=b"), "b");
    assert_eq!(names(MEMBER, "status=available"), "");
    assert_eq!(names(MEMBER, "metadata=%7B'k':'c'%7D"), "c");
    assert_eq!(names(MEMBER, "metadata=x"), "");
    assert_eq!(names(ADMIN, "all_tenants=1&user_id=member@beta"), "squid");
    assert_eq!(names(ADMIN, "all_tenants=1&attach_status=detached&sort=name:asc"), "abcsquid");
    assert_eq!(names(ADMIN, "all_tenants=1&glance_metadata=%7B'a':'b'%7D"), "");
    assert_eq!(names(ADMIN, "all_tenants=1&migration_status=error"), "");
    assert_eq!(names(ADMIN, "all_tenants=1&consumes_quota=true&name~=squ"), "squid");
    assert_eq!(names(MEMBER, "sort=name:asc&offset=1&limit=1"), "b");
    assert_eq!(names(MEMBER, "all_tenants=1&sort=name:asc"), "abc");
    assert_eq!(names(ADMIN, ""), "");
    assert_eq!(names(ADMIN, "all_tenants=1&project_id=beta"), "squid");
    assert_eq!(names(MEMBER, "odd=1&sort=name:asc"), "abc");
    for bad in ["limit=x", "sort=odd", "sort=name:up", "bootable=maybe", "offset=-1"] {
        assert_eq!(api.get(MEMBER, &format!("/volume/v3/volumes?{bad}")).status, 400, "{bad}");
    }
    assert_eq!(api.get(MEMBER, "/volume/v3/volumes?marker=odd").status, 404);
    let newest = [("openstack-api-version", "volume latest")];
    for bad in ["odd=1", "created_at=soon", "name~=a"] {
        let strict = api.call(MEMBER, "GET", &format!("/volume/v3/volumes?{bad}"), &newest, &Json::Null);
        assert_eq!(strict.status, 400, "{bad}");
    }
    let counted = api.call(MEMBER, "GET", "/volume/v3/volumes?with_count=true&limit=1", &newest, &Json::Null);
    assert_eq!(counted.body["count"], 3);
    // What no column tells is counted as well, and in every part of the list alike.
    let first = counted.body["volumes"][0]["id"].as_str().unwrap();
    let path = format!("/volume/v3/volumes?with_count=true&marker={first}&metadata=%7B'of':'three'%7D");
    let rest = api.call(MEMBER, "GET", &path, &newest, &Json::Null).body;
    assert_eq!((rest["volumes"].as_array().map(Vec::len), &rest["count"]), (Some(2), &json!(3)));
    let summary = api.call(MEMBER, "GET", "/volume/v3/volumes/summary", &newest, &Json::Null).body;
    assert_eq!(
        (&summary["volume-summary"]["total_size"], &summary["volume-summary"]["total_count"]),
        (&json!(6), &json!(3))
    );
    let mut path = "/volume/v3/alpha/volumes?limit=2&sort=name:asc".to_owned();
    let mut seen = String::new();
    loop {
        let page = api.get(MEMBER, &path).body;
        for volume in page["volumes"].as_array().unwrap() {
            seen.push_str(volume["name"].as_str().unwrap());
        }
        match page["volumes_links"][0]["href"].as_str() {
            Some(next) => path = next.strip_prefix("http://cloud.test").unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, "abc");
}

#[test]
fn metadata_is_read_and_written() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let id = ready_volume(&api, &mut node);
    let metadata = format!("{}/metadata", path(&id));
    let key = |name: &str| format!("{metadata}/{name}");
    assert_eq!(api.post(MEMBER, &metadata, &json!({"metadata": {"a": "1", "b": "2"}})).status, 200);
    assert_eq!(
        api.put(MEMBER, &metadata, &json!({"metadata": {"a": "3"}})).body["metadata"],
        json!({"a": "3"})
    );
    assert_eq!(api.put(MEMBER, &key("c"), &json!({"meta": {"c": "4"}})).body["meta"], json!({"c": "4"}));
    assert_eq!(api.put(MEMBER, &key("c"), &json!({"meta": {"d": "4"}})).status, 400);
    assert_eq!(api.put(MEMBER, &key("c"), &json!({"meta": {"c": "4", "d": "5"}})).status, 400);
    assert_eq!(api.put(MEMBER, &key("c"), &json!({"meta": {"c": 4}})).status, 400);
    assert_eq!(api.post(MEMBER, &metadata, &json!({"metadata": 1})).status, 400);
    assert_eq!(api.post(MEMBER, &metadata, &json!({})).status, 400);
    assert_eq!(api.get(MEMBER, &key("a")).body["meta"], json!({"a": "3"}));
    assert_eq!(api.delete(MEMBER, &key("a")).status, 200);
    assert_eq!(api.delete(MEMBER, &key("a")).status, 404);
    assert_eq!(api.get(MEMBER, &key("a")).status, 404);
    assert_eq!(api.get(OTHER, &metadata).status, 404);
    let read_only = json!({"os-update_readonly_flag": {"readonly": true}});
    assert_eq!(act(&api, MEMBER, &id, &read_only), 202);
    assert_eq!(api.get(MEMBER, &metadata).body["metadata"], json!({"c": "4", "readonly": "True"}));
    let name = json!({"volume": {"name": "octopus", "description": null}});
    assert_eq!(api.put(MEMBER, &path(&id), &name).body["volume"]["name"], "octopus");
    assert_eq!(api.put(MEMBER, &path(&id), &json!({"volume": {"name": 7}})).status, 400);
}

#[test]
fn conversations_are_as_reviewed() {
    testkit::check_golden(&api(), concat!(env!("CARGO_MANIFEST_DIR"), "/src/volume/golden/life.http"));
}
