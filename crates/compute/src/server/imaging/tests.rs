//! Images of servers over the API in process, with a node that copies.

use std::time::Duration;

use agent_api::Kind;
use agent_api::compute::PowerSeen;
use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, MEMBER, OTHER, World};

fn image(world: &World, id: &str) -> Json {
    world.api.get(MEMBER, &format!("/image/v2/images/{id}")).body
}

fn image_status(world: &World, id: &str) -> String {
    image(world, id)["status"].as_str().unwrap_or("gone").to_owned()
}

/// Asks for an image; its id.
fn asked(world: &World, server: &str, action: &Json) -> String {
    let answer = world.post(MEMBER, &format!("/servers/{server}/action"), action);
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body["image_id"].as_str().unwrap().to_owned()
}

fn task(world: &World, server: &str) -> Json {
    world.field(server, "OS-EXT-STS:task_state")
}

/// How many moments the VM's document names, copies there are, and rows of images.
fn left(world: &World, server: &str) -> [usize; 3] {
    let count = |tx: &mut store::Tx<'_>| tx.rows("SELECT COUNT(*) FROM image_images", &[]);
    let images = world.api.store.read_blocking(count).unwrap()[0][0].int().unwrap();
    let held = world.vm(server).root_disk.map_or(0, |root| root.snapshots.len());
    [held, world.wanted(Kind::Copy), usize::try_from(images).unwrap()]
}

fn actions(world: &World, server: &str) -> Vec<(String, Json)> {
    let all = world.get(MEMBER, &format!("/servers/{server}/os-instance-actions")).body;
    let all = all["instanceActions"].as_array().unwrap().clone();
    all.iter().map(|one| (one["action"].as_str().unwrap().to_owned(), one["message"].clone())).collect()
}

#[test]
fn an_image_is_made_of_a_server_that_runs() {
    let world = World::new();
    let server = world.server(&world.draft("web"));
    world.is_slow.set(true);
    let body = json!({"createImage": {"name": "squid", "metadata": {"image_type": "test", "a": "b"}}});
    let id = asked(&world, &server, &body);
    assert_eq!(
        (image_status(&world, &id).as_str(), task(&world, &server)),
        ("queued", json!("image_snapshot_pending"))
    );
    world.api.settle();
    assert_eq!(
        (image_status(&world, &id).as_str(), task(&world, &server)),
        ("queued", json!("image_snapshot"))
    );
    world.converge();
    assert_eq!(
        (image_status(&world, &id).as_str(), task(&world, &server)),
        ("saving", json!("image_uploading"))
    );
    assert_eq!((world.field(&server, "status"), left(&world, &server)), (json!("ACTIVE"), [1, 1, 2]));
    for refused in [json!({"os-stop": null}), body.clone(), json!({"reboot": {"type": "HARD"}})] {
        assert_eq!(world.act(&server, &refused), 409, "{refused}");
    }
    world.is_slow.set(false);
    world.report_vms();
    assert_eq!((image_status(&world, &id).as_str(), task(&world, &server)), ("active", Json::Null));
    let made = image(&world, &id);
    let expected = json!({
        "name": "squid", "visibility": "private", "owner": "alpha", "disk_format": "qcow2", "container_format": "bare",
        "size": 512, "virtual_size": 1 << 30, "min_disk": 1, "min_ram": 0, "image_type": "test", "a": "b",
        "base_image_ref": world.image_id, "instance_uuid": server, "owner_id": "alpha", "image_location": "snapshot",
        "image_state": "available", "owner_project_name": "alpha", "owner_user_name": "member", "user_id": "member@alpha",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(made[key], *value, "{key}");
    }
    assert_eq!(left(&world, &server), [0, 0, 2]);
    assert!(actions(&world, &server).contains(&("createImage".to_owned(), Json::Null)));
    assert_eq!(world.api.runner.sweep().unwrap(), []);
    // A server of it knows the first image.
    let mut draft = world.draft("again");
    draft["server"]["imageRef"] = json!(id);
    let again = world.server(&draft);
    assert_eq!(world.field(&again, "image")["id"], json!(id));
    let second = asked(&world, &again, &json!({"createImage": {"name": "crab"}}));
    world.converge();
    assert_eq!(image(&world, &second)["base_image_ref"], json!(world.image_id));
    assert_eq!(
        (&image(&world, &second)["image_type"], &image(&world, &second)["a"]),
        (&json!("snapshot"), &json!("b"))
    );
}

#[test]
fn old_clients_are_told_an_address() {
    let world = World::new();
    let server = world.server(&world.draft("web"));
    let path = format!("/servers/{server}/action");
    let old = world.call(MEMBER, "2.44", "POST", &path, &json!({"createImage": {"name": "squid"}}));
    assert_eq!((old.status, &old.body), (202, &Json::Null));
    let images = world.api.get(MEMBER, "/image/v2/images?name=squid").body;
    let id = images["images"][0]["id"].as_str().unwrap();
    let location = old.header("location").unwrap();
    assert!(location.ends_with(&format!("/image/images/{id}")), "{location}");
    let metadata: serde_json::Map<String, Json> = (0..129).map(|n| (format!("k{n}"), json!("v"))).collect();
    let many = json!({"createImage": {"name": "squid", "metadata": metadata}});
    world.converge();
    assert_eq!(world.call(MEMBER, "2.38", "POST", &path, &many).status, 403);
    for wrong in
        [json!({}), json!({"name": ""}), json!({"name": "x", "y": 1}), json!({"name": "x", "metadata": 7})]
    {
        assert_eq!(world.act(&server, &json!({"createImage": wrong})), 400, "{wrong}");
    }
    for wrong in
        [json!({"name": "x", "backup_type": "d"}), json!({"name": "x", "backup_type": "d", "rotation": -1})]
    {
        assert_eq!(world.act(&server, &json!({"createBackup": wrong})), 400, "{wrong}");
    }
    assert_eq!(world.post(OTHER, &path, &json!({"createImage": {"name": "x"}})).status, 404);
    assert_eq!(left(&world, &server), [0, 0, 2]);
}

#[test]
fn a_deleted_image_stops_it() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let world = World::new();
    let server = world.server(&world.draft("web"));
    world.is_slow.set(true);
    for steps in 0..2 {
        let id = asked(&world, &server, &json!({"createImage": {"name": "squid"}}));
        if steps == 1 {
            world.converge();
        }
        assert_eq!(world.api.delete(MEMBER, &format!("/image/v2/images/{id}")).status, 204);
        guard.advance(Duration::from_secs(10));
        world.converge();
        assert_eq!((task(&world, &server), left(&world, &server)), (Json::Null, [0, 0, 1]), "{steps}");
    }
    assert_eq!(actions(&world, &server)[0], ("createImage".to_owned(), json!("Error")));
    assert_eq!(world.api.runner.sweep().unwrap(), []);
}

#[test]
fn a_deleted_server_takes_it_along() {
    let world = World::new();
    let server = world.server(&world.draft("web"));
    world.is_slow.set(true);
    let id = asked(&world, &server, &json!({"createImage": {"name": "squid"}}));
    world.converge();
    assert_eq!(world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{server}"), &Json::Null).status, 204);
    world.converge();
    assert_eq!(world.get(MEMBER, &format!("/servers/{server}")).status, 404);
    assert_eq!((image_status(&world, &id).as_str(), world.wanted(Kind::Copy)), ("gone", 0));
    assert_eq!(world.api.runner.sweep().unwrap(), []);
}

#[test]
fn what_the_host_cannot_do_harms_no_server() {
    let world = World::new();
    let server = world.server(&world.draft("web"));
    let why = || Some("it is full".to_owned());
    for refusal in [&world.no_snapshots, &world.no_copies] {
        refusal.replace(why());
        let id = asked(&world, &server, &json!({"createImage": {"name": "squid"}}));
        world.converge();
        assert_eq!((image_status(&world, &id).as_str(), task(&world, &server)), ("gone", Json::Null));
        assert_eq!((world.field(&server, "status"), left(&world, &server)), (json!("ACTIVE"), [0, 0, 1]));
        assert_eq!(actions(&world, &server)[0], ("createImage".to_owned(), json!("Error")));
        refusal.replace(None);
        world.report_vms();
    }
    let list = world.get(ADMIN, &format!("/servers/{server}/os-instance-actions")).body;
    let request = list["instanceActions"][0]["request_id"].as_str().unwrap();
    let shown = world.get(ADMIN, &format!("/servers/{server}/os-instance-actions/{request}")).body;
    let details = shown["instanceAction"]["events"][0]["details"].as_str().unwrap();
    assert_eq!(details, "host node-1 cannot copy it: it is full");
}

#[test]
fn a_host_that_says_nothing_is_not_waited_for_for_ever() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let world = World::new();
    let server = world.server(&world.draft("web"));
    world.is_silent.set(true);
    let id = asked(&world, &server, &json!({"createImage": {"name": "squid"}}));
    world.converge();
    guard.advance(Duration::from_secs(601));
    world.converge();
    assert_eq!((image_status(&world, &id).as_str(), task(&world, &server)), ("gone", Json::Null));
    world.is_silent.set(false);
    world.report_vms();
    assert_eq!(left(&world, &server), [0, 0, 1]);
}

#[test]
fn a_guest_that_ends_meanwhile_is_copied_all_the_same() {
    let world = World::new();
    let server = world.server(&world.draft("web"));
    world.is_slow.set(true);
    let id = asked(&world, &server, &json!({"createImage": {"name": "squid"}}));
    world.converge();
    world.happens(&server, |vm| vm.power = PowerSeen::Shutdown);
    assert_eq!(
        (world.field(&server, "status"), task(&world, &server)),
        (json!("SHUTOFF"), json!("image_uploading"))
    );
    world.is_slow.set(false);
    world.report_vms();
    assert_eq!((image_status(&world, &id).as_str(), task(&world, &server)), ("active", Json::Null));
    let off = asked(&world, &server, &json!({"createImage": {"name": "crab"}}));
    world.converge();
    assert_eq!(
        (image_status(&world, &off).as_str(), world.field(&server, "status")),
        ("active", json!("SHUTOFF"))
    );
}

#[test]
fn an_administrators_image_is_the_owners_too() {
    let world = World::new();
    let server = world.server(&world.draft("web"));
    let path = format!("/servers/{server}/action");
    let made = world.post(ADMIN, &path, &json!({"createImage": {"name": "squid"}}));
    world.converge();
    let id = made.body["image_id"].as_str().unwrap();
    let seen = image(&world, id);
    assert_eq!(
        (&seen["owner"], &seen["visibility"], &seen["owner_id"]),
        (&json!("admin"), &json!("shared"), &json!("alpha"))
    );
}

#[test]
fn backups_replace_older_ones() {
    let world = World::new();
    let server = world.server(&world.draft("web"));
    let backup = |kind: &str, keep: u32| {
        let body = json!({"createBackup": {"name": "b", "backup_type": kind, "rotation": keep}});
        let id = asked(&world, &server, &body);
        assert_eq!(task(&world, &server), "image_backup");
        world.converge();
        id
    };
    let weekly = backup("weekly", 1);
    let all: Vec<String> = (0..3).map(|_| backup("daily", 2)).collect();
    let statuses: Vec<String> = all.iter().map(|id| image_status(&world, id)).collect();
    assert_eq!(statuses, ["gone", "active", "active"]);
    let made = image(&world, &all[2]);
    assert_eq!((&made["image_type"], &made["backup_type"]), (&json!("backup"), &json!("daily")));
    backup("daily", 0);
    assert_eq!(image_status(&world, &all[2]), "gone");
    assert_eq!(image_status(&world, &weekly), "active");
    assert!(actions(&world, &server).contains(&("createBackup".to_owned(), Json::Null)));
    let path = format!("/servers/{server}/action");
    let body = json!({"createBackup": {"name": "b", "backup_type": "x", "rotation": "0"}});
    let old = world.call(MEMBER, "2.44", "POST", &path, &body);
    assert_eq!((old.status, old.header("location")), (202, None));
}

#[test]
fn who_insists_on_written_caches_is_refused_while_it_runs() {
    let world = World::new();
    let patch = br#"[{"op": "add", "path": "/os_require_quiesce", "value": "yes"}]"#.to_vec();
    let headers = [("content-type", "application/openstack-images-v2.1-json-patch")];
    assert_eq!(
        world
            .api
            .send(ADMIN, "PATCH", &format!("/image/v2/images/{}", world.image_id), &headers, patch)
            .status,
        200
    );
    let server = world.server(&world.draft("web"));
    assert_eq!(world.act(&server, &json!({"createImage": {"name": "squid"}})), 409);
    assert_eq!(world.act(&server, &json!({"os-stop": null})), 202);
    world.converge();
    asked(&world, &server, &json!({"createImage": {"name": "squid"}}));
}

/// A server that boots from a volume and has another.
fn of_volumes(world: &World) -> String {
    let mapping = |from: &str, id: Option<&str>, boot: i32| {
        let mut one =
            json!({"source_type": from, "destination_type": "volume", "volume_size": 2, "boot_index": boot});
        if let Some(id) = id {
            one["uuid"] = json!(id);
        }
        one
    };
    let draft = json!({"server": {
        "name": "big", "flavorRef": "42", "networks": "none",
        "block_device_mapping_v2": [mapping("image", Some(&world.image_id), 0), mapping("blank", None, -1)],
    }});
    world.server(&draft)
}

#[test]
fn an_image_of_volumes_names_snapshots_and_servers_are_made_of_it() {
    let world = World::new();
    let server = of_volumes(&world);
    assert_eq!(world.field(&server, "status"), "ACTIVE");
    let id = asked(&world, &server, &json!({"createImage": {"name": "squid", "metadata": {"a": "b"}}}));
    world.converge();
    let made = image(&world, &id);
    assert_eq!((&made["status"], &made["size"], &made["a"]), (&json!("active"), &json!(0), &json!("b")));
    assert_eq!((&made["bdm_v2"], &made["root_device_name"]), (&json!("True"), &json!("/dev/vda")));
    let mappings: Json = serde_json::from_str(made["block_device_mapping"].as_str().unwrap()).unwrap();
    assert_eq!(mappings.as_array().unwrap().len(), 2);
    assert_eq!((&mappings[0]["boot_index"], &mappings[0]["volume_size"]), (&json!(0), &json!(2)));
    assert_eq!((&mappings[1]["boot_index"], &mappings[1]["device_name"]), (&Json::Null, &json!("/dev/vdb")));
    let snapshots = world.api.get(MEMBER, "/volume/v3/snapshots").body;
    assert_eq!(snapshots["snapshots"].as_array().unwrap().len(), 2);
    assert_eq!(snapshots["snapshots"][0]["name"], "snapshot for squid");
    let file = world.api.get(MEMBER, &format!("/image/v2/images/{id}/file"));
    assert_eq!(file.status, 200, "{file:?}");
    let backup = json!({"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}});
    assert_eq!(world.act(&server, &backup), 400);

    // Servers of it have volumes like those, however it is asked for.
    let mut draft = world.draft("again");
    draft["server"]["imageRef"] = json!(id);
    let again = world.server(&draft);
    assert_eq!(
        (world.field(&again, "status"), &world.field(&again, "image")["id"]),
        (json!("ACTIVE"), &json!(id))
    );
    let volumes = world.field(&again, "os-extended-volumes:volumes_attached");
    assert_eq!(volumes.as_array().unwrap().len(), 2);
    assert!(world.vm(&again).root_disk.is_none());
    let boot = json!({"server": {
        "name": "third", "flavorRef": "42", "networks": "none", "block_device_mapping_v2": [{
            "source_type": "image", "destination_type": "volume", "volume_size": 2, "boot_index": 0, "uuid": id,
        }],
    }});
    let third = world.server(&boot);
    assert_eq!(world.field(&third, "status"), "ACTIVE");
    assert_eq!(world.vm(&third).volumes.len(), 2);
    let volume = json!({"volume": {"size": 2, "imageRef": id}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/volumes", &volume).status, 400, "it is empty");
    assert_eq!(world.api.runner.sweep().unwrap(), []);
}

#[test]
fn images_of_volumes_mind_the_limit_of_snapshots() {
    let world = World::new();
    let server = of_volumes(&world);
    let limits = json!({"quota_set": {"snapshots": 1}});
    let set = world.api.call(ADMIN, "PUT", "/volume/v3/os-quota-sets/alpha", &[], &limits);
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(world.act(&server, &json!({"createImage": {"name": "squid"}})), 403);
    let snapshots = world.api.get(MEMBER, "/volume/v3/snapshots").body;
    assert_eq!((snapshots["snapshots"].as_array().unwrap().len(), actions(&world, &server).len()), (0, 1));
}

#[test]
fn a_mapping_that_is_wrong_is_refused() {
    let world = World::new();
    let check = |mapping: &str, text: &str| {
        let draft = json!({
            "name": "odd", "disk_format": "raw", "container_format": "bare", "block_device_mapping": mapping, "bdm_v2": "true",
        });
        let id = world.api.post(MEMBER, "/image/v2/images", &draft).body["id"].as_str().unwrap().to_owned();
        let octets = [("content-type", "application/octet-stream")];
        let file = format!("/image/v2/images/{id}/file");
        assert_eq!(world.api.send(MEMBER, "PUT", &file, &octets, vec![0; 512]).status, 204);
        let mut draft = world.draft("web");
        draft["server"]["imageRef"] = json!(id);
        let refused = world.post(MEMBER, "/servers", &draft);
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.body.to_string().contains(text), "{refused:?}");
    };
    check("7", "is no list");
    check("[7]", "is no list of objects");
    check(r#"[{"source_type": "snapshot", "snapshot_id": "x"}]"#, "no UUID");
    check(r#"[{"source_type": "blank", "destination_type": "local"}]"#, "not built");
    check(r#"[{"source_type": "image"}]"#, "disk of nothing");
    let gone = "2f3dd6ae-2c22-4b37-8f3c-7a4a4ad84a4a";
    let text = format!(r#"[{{"source_type": "snapshot", "snapshot_id": "{gone}", "boot_index": 0}}]"#);
    check(&text, gone);
    let two = format!(
        r#"[{{"source_type": "snapshot", "snapshot_id": "{gone}", "boot_index": 0}},
            {{"source_type": "volume", "volume_id": "{gone}", "boot_index": 0}}]"#
    );
    check(&two, "Boot sequence");
}
