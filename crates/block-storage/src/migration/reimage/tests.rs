//! Images that are put into volumes, over the API, with a host that copies them.

use agent_api::Kind;
use agent_api::block::{Copy, CopyFrom, CopyTo, Elsewhere, Volume as Document, VolumeSource};
use serde_json::{Value as Json, json};
use testkit::Api;

use crate::migration::tests::{NEWEST, World, key, refusal, secret_type, words, world};
use crate::tests::{ADMIN, MEMBER, OTHER, act, create, new_image, status};

impl World {
    fn reimage(&self, body: &Json) -> (u16, String) {
        refusal(&self.ask(MEMBER, &json!({"os-reimage": body})))
    }

    fn view(&self) -> Json {
        self.api.get(MEMBER, &format!("/volume/v3/volumes/{}", self.volume)).body["volume"].clone()
    }

    /// The status, and the id of the image that it says it is of.
    fn image(&self) -> (String, Option<String>) {
        let view = self.view();
        let image = view["volume_image_metadata"]["image_id"].as_str().map(str::to_owned);
        (view["status"].as_str().unwrap_or("gone").to_owned(), image)
    }

    fn last_copy(&self) -> Copy {
        let path = "SELECT body FROM node_documents WHERE kind = 'copy'";
        let rows = self.api.store.read_blocking(|tx: &mut store::Tx<'_>| tx.rows(path, &[])).unwrap();
        serde_json::from_str(rows.last().unwrap()[0].text().unwrap()).unwrap()
    }

    fn reset(&self, status: &str) -> u16 {
        act(&self.api, ADMIN, &self.volume, &json!({"os-reset_status": {"status": status}}))
    }

    /// Nothing is left over, and the volume has its own bytes alone.
    fn check_tidy(&self) {
        assert_eq!((self.told(), self.left()), ((Some("fast"), None), [0, 0, 0]));
        assert_eq!(self.disks(), [self.volume.parse().unwrap()]);
        assert_eq!(self.api.runner.sweep().unwrap(), []);
    }
}

fn image_with(api: &Api, body: &Json) -> String {
    let image = new_image(api);
    let headers = [("content-type", "application/openstack-images-v2.1-json-patch")];
    let path = format!("/image/v2/images/{image}");
    assert_eq!(api.call(MEMBER, "PATCH", &path, &headers, body).status, 200);
    image
}

#[test]
fn an_image_takes_the_place_of_what_a_volume_holds() {
    let mut world = world();
    let first = new_image(&world.api);
    let made =
        create(&world.api, MEMBER, &json!({"size": 1, "imageRef": first, "metadata": {"own": "word"}}));
    world.volume = made.body["volume"]["id"].as_str().unwrap().to_owned();
    world.node.work(&world.api);
    assert_eq!(world.image(), ("available".to_owned(), Some(first.clone())));
    assert_eq!(act(&world.api, MEMBER, &world.volume, &json!({"os-set_bootable": {"bootable": false}})), 200);
    let said = json!({"os-set_image_metadata": {"metadata": {"old": "word"}}});
    assert_eq!(act(&world.api, MEMBER, &world.volume, &said), 200);
    let others = world.disks().len() - 1;

    let image = image_with(&world.api, &json!([{"op": "add", "path": "/os_distro", "value": "squid"}]));
    world.node.slow = true;
    let wanted = json!({"image_id": image});
    assert_eq!(world.reimage(&wanted), (202, String::new()));
    assert_eq!(world.image(), ("downloading".to_owned(), Some(first.clone())));
    world.settle();
    // Until it is whole the volume is what it was, and nobody gets it.
    assert_eq!(world.image(), ("downloading".to_owned(), Some(first)));
    let there = world.told().1.unwrap();
    assert!(there.wanted && !there.replaces && there.backend == "fast", "{there:?}");
    let copy = world.last_copy();
    assert!(matches!(&copy.from, CopyFrom::Image(from) if from.id.to_string() == image), "{copy:?}");
    let volume = world.volume.parse().unwrap();
    assert_eq!((&copy.to, copy.sealed), (&CopyTo::Elsewhere(volume), false));
    assert_eq!(world.disks().len(), others + 2);
    for id in [there.id.unwrap(), types::VolumeId(copy.id.0)] {
        assert_eq!(world.offers(id), (400, 0), "{id} is offered for being managed");
    }
    for body in [
        json!({"os-reserve": {}}),
        json!({"os-extend": {"new_size": 2}}),
        json!({"os-retype": {"new_type": "slow", "migration_policy": "on-demand"}}),
        json!({"os-migrate_volume": {"host": "one@slow#slow"}}),
        json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdb"}}),
        json!({"os-volume_upload_image": {"image_name": "i", "force": true}}),
        json!({"os-reset_status": {"status": "downloading"}}),
        json!({"os-unmanage": {}}),
    ] {
        assert_eq!(act(&world.api, ADMIN, &world.volume, &body), 400, "{body}");
    }
    assert_eq!(world.reimage(&wanted).0, 400);
    let snapshot = json!({"snapshot": {"volume_id": world.volume, "force": true}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).status, 400);
    assert_eq!(create(&world.api, MEMBER, &json!({"source_volid": world.volume})).status, 400);

    world.node.slow = false;
    assert_eq!(world.node.again(&world.api, Kind::Copy), 1);
    world.settle();
    assert_eq!(world.image(), ("available".to_owned(), Some(image)));
    let view = world.view();
    let said = &view["volume_image_metadata"];
    assert_eq!((said["os_distro"].as_str(), &said["old"]), (Some("squid"), &Json::Null));
    assert_eq!((&view["bootable"], &view["metadata"]["own"]), (&json!("true"), &json!("word")));
    assert_eq!(world.seen()[1..], words(["default", "one@fast#fast", "-"]));
    assert_eq!((world.told(), world.left()), ((Some("fast"), None), [0, 0, 0]));
    assert_eq!(world.disks().len(), others + 1);
    // It shares nothing any more with what it was made of, so that its host makes it of nothing again.
    let document: &Document = &world.node.volumes[&world.volume];
    assert_eq!(document.source, VolumeSource::Blank);
}

#[test]
fn one_that_is_reserved_or_in_error_gets_an_image() {
    let mut world = world();
    let wanted = json!({"image_id": new_image(&world.api)});
    let attachment = json!({"attachment": {"volume_uuid": world.volume, "instance_uuid": world.volume}});
    let newest = |method: &str, path: &str, body: &Json| world.api.call(MEMBER, method, path, &NEWEST, body);
    let held = newest("POST", "/volume/v3/attachments", &attachment).body["attachment"]["id"].clone();
    let held = format!("/volume/v3/attachments/{}", held.as_str().unwrap());
    let text = format!(
        "Invalid volume: Volume {} status must be available or error, but current status is reserved.",
        world.volume
    );
    assert_eq!(world.reimage(&wanted), (400, text));
    let also = json!({"image_id": wanted["image_id"], "reimage_reserved": "true"});
    assert_eq!(world.reimage(&also), (202, String::new()));
    // Whoever holds it gets no further meanwhile.
    let connector = json!({"attachment": {"connector": {"host": "far"}}});
    assert_eq!(newest("PUT", &held, &connector).status, 409);
    world.settle();
    assert_eq!(world.seen()[0], "reserved");
    world.check_tidy();
    let newest = |method: &str, path: &str, body: &Json| world.api.call(MEMBER, method, path, &NEWEST, body);
    assert_eq!(newest("PUT", &held, &connector).status, 200);
    assert_eq!(world.reimage(&also).0, 400);
    assert_eq!(newest("DELETE", &held, &Json::Null).status, 200);

    assert_eq!(world.reset("error"), 202);
    assert_eq!(world.reimage(&wanted).0, 202);
    world.settle();
    assert_eq!(world.seen()[0], "available");
    world.check_tidy();
}

#[test]
fn who_holds_it_lets_go_while_it_gets_an_image() {
    let mut world = world();
    let wanted = json!({"image_id": new_image(&world.api), "reimage_reserved": true});
    let attachment = json!({"attachment": {"volume_uuid": world.volume, "instance_uuid": world.volume}});
    let made = world.api.call(MEMBER, "POST", "/volume/v3/attachments", &NEWEST, &attachment);
    let held = format!("/volume/v3/attachments/{}", made.body["attachment"]["id"].as_str().unwrap());
    assert_eq!(world.reimage(&wanted).0, 202);
    assert_eq!(world.api.call(MEMBER, "DELETE", &held, &NEWEST, &Json::Null).status, 200);
    assert_eq!(world.seen()[0], "downloading");
    world.settle();
    assert_eq!(world.seen()[0], "available");
    world.check_tidy();
}

#[test]
fn what_the_host_refuses_leaves_the_volume_what_it_was() {
    for kind in [Kind::Copy, Kind::Volume] {
        let mut world = world();
        secret_type(&world.api, "secret", &json!({}));
        let made = create(&world.api, MEMBER, &json!({"size": 1, "volume_type": "secret"}));
        world.api.delete(MEMBER, &format!("/volume/v3/volumes/{}", world.volume));
        world.volume = made.body["volume"]["id"].as_str().unwrap().to_owned();
        world.settle();
        let (image, old) = (new_image(&world.api), key(&world));
        (world.node.refuses, world.node.refuses_only) = (Some("the disk is full"), Some(kind));
        let wanted = json!({"image_id": image});
        assert_eq!(world.reimage(&wanted).0, 202);
        match kind {
            Kind::Copy => world.settle(),
            // Its host says nothing of what is beside it until it is too late.
            _ => {
                for _ in 0..130 {
                    world.settle();
                    world.node.again(&world.api, Kind::Volume);
                }
            }
        }
        assert_eq!(world.image(), ("error".to_owned(), None), "{kind:?}");
        assert_eq!(key(&world), old);
        let messages = world.api.call(MEMBER, "GET", "/volume/v3/messages", &NEWEST, &Json::Null);
        let message = &messages.body["messages"][0];
        assert_eq!(message["resource_uuid"], world.volume.as_str());
        assert!(message["event_id"].as_str().unwrap().contains("_016_"), "{message}");
        world.node.refuses = None;
        world.node.again(&world.api, Kind::Volume);
        world.settle();
        world.check_tidy();
        // It can be had again, once its host is up.
        world.node.report(Vec::new());
        assert_eq!(world.reimage(&wanted), (202, String::new()));
        world.settle();
        assert_eq!(world.image(), ("available".to_owned(), Some(image)));
        assert_ne!(key(&world), old, "what lay there before could still be read");
        world.check_tidy();
    }
}

#[test]
fn an_operator_ends_it_and_it_goes_with_its_volume() {
    for deleted in [false, true] {
        let mut world = world();
        let wanted = json!({"image_id": new_image(&world.api)});
        world.node.slow = true;
        assert_eq!(world.reimage(&wanted).0, 202);
        world.settle();
        if deleted {
            assert_eq!(act(&world.api, ADMIN, &world.volume, &json!({"os-force_delete": {}})), 202);
            world.settle();
            assert_eq!((status(&world.api, &world.volume).as_str(), world.left()), ("gone", [0, 0, 0]));
            assert_eq!(world.disks(), []);
            continue;
        }
        assert_eq!(world.reset("available"), 202);
        world.settle();
        assert_eq!(world.image(), ("available".to_owned(), None));
        world.check_tidy();
    }
}

#[test]
fn nobody_gets_a_volume_whose_place_an_image_is_taking() {
    let mut world = world();
    let image = new_image(&world.api);
    world.node.slow = true;
    assert_eq!(world.reimage(&json!({"image_id": image})).0, 202);
    world.settle();
    world.node.slow = false;
    (world.node.refuses, world.node.refuses_only) = (Some("it does not answer"), Some(Kind::Volume));
    world.node.again(&world.api, Kind::Copy);
    world.settle();
    assert_eq!((world.image(), world.disks().len()), (("downloading".to_owned(), Some(image.clone())), 2));
    for status in ["available", "in-use", "downloading"] {
        assert_eq!(world.reset(status), 400, "{status}");
    }
    assert_eq!(act(&world.api, ADMIN, &world.volume, &json!({"os-reserve": {}})), 400);
    world.node.refuses = None;
    world.node.again(&world.api, Kind::Volume);
    world.settle();
    assert_eq!(world.image(), ("available".to_owned(), Some(image)));
    world.check_tidy();
}

#[test]
fn an_encrypted_image_is_copied_as_it_is() {
    let mut world = world();
    secret_type(&world.api, "secret", &json!({}));
    let made = create(&world.api, MEMBER, &json!({"size": 1, "volume_type": "secret"}));
    let plain = std::mem::replace(&mut world.volume, made.body["volume"]["id"].as_str().unwrap().to_owned());
    world.settle();
    let body = json!({"os-volume_upload_image": {"image_name": "i", "disk_format": "raw"}});
    let image = world.ask(MEMBER, &body).body["os-volume_upload_image"]["image_id"].clone();
    world.settle();
    let of_image = world.api.get(MEMBER, &format!("/image/v2/images/{}", image.as_str().unwrap())).body;
    assert_eq!(of_image["status"], "active");
    let old = key(&world);
    world.node.slow = true;
    assert_eq!(world.reimage(&json!({"image_id": image})), (202, String::new()));
    world.settle();
    assert!(world.last_copy().sealed);
    let told: Elsewhere = world.told().1.unwrap();
    let told = told.anew.unwrap().encryption.unwrap().key_id.to_string();
    world.node.slow = false;
    world.node.again(&world.api, Kind::Copy);
    world.settle();
    assert_eq!(world.seen()[0], "available");
    let new = key(&world);
    assert_eq!((&new, new != old), (&Some(told), true));
    // Whoever asks for what is encrypted must not get another, nor the other way round.
    world.volume = plain;
    let (code, text) = world.reimage(&json!({"image_id": image}));
    assert!(code == 400 && text.contains("encrypted otherwise"), "{text}");
}

#[test]
fn what_cannot_be_put_in_is_refused_and_changes_nothing() {
    let mut world = world();
    let image = new_image(&world.api);
    let check = |world: &World, body: &Json, status: u16, text: &str| {
        let before = (world.seen(), world.left(), world.view());
        let answer = world.reimage(body);
        assert!(answer.0 == status && answer.1.contains(text), "{answer:?}");
        assert_eq!((world.seen(), world.left(), world.view()), before);
    };
    check(&world, &json!({}), 400, "image_id");
    check(&world, &json!({"image_id": "squid"}), 400, "image_id");
    check(&world, &json!({"image_id": image, "reimage_reserved": "perhaps"}), 400, "reimage_reserved");
    check(&world, &json!({"image_id": image, "more": 1}), 400, "more");
    check(&world, &json!({"image_id": world.volume}), 404, &world.volume);
    let large = image_with(&world.api, &json!([{"op": "replace", "path": "/min_disk", "value": 2}]));
    check(&world, &json!({"image_id": large}), 400, "cannot be smaller than the image minDisk size 2GB.");
    let body = json!({"name": "empty", "disk_format": "raw", "container_format": "bare"});
    let empty = world.api.post(MEMBER, "/image/v2/images", &body).body["id"].clone();
    check(&world, &json!({"image_id": empty}), 400, "is not active");
    let path = format!("/volume/v3/volumes/{}/action", world.volume);
    let body = json!({"os-reimage": {"image_id": image}});
    assert_eq!(world.ask(OTHER, &body).status, 404);
    let older = [("openstack-api-version", "volume 3.67")];
    assert_eq!(world.api.call(MEMBER, "POST", &path, &older, &body).status, 404);

    let attach = json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdb"}});
    assert_eq!(act(&world.api, ADMIN, &world.volume, &attach), 202);
    let wanted = json!({"image_id": image, "reimage_reserved": true});
    check(&world, &wanted, 400, "must be available or error or reserved, but current status is in-use.");
    // An operator's word changes the status, not who has it.
    assert_eq!(world.reset("error"), 202);
    check(&world, &wanted, 409, "detach it first");
    assert_eq!(act(&world.api, ADMIN, &world.volume, &json!({"os-detach": {}})), 202);
    let server = world.enter();
    assert_eq!(world.reset("available"), 202);
    check(&world, &wanted, 409, "detach it first");
    world.leave(server);
    assert_eq!(world.reset("available"), 202);
    let snapshot = json!({"snapshot": {"volume_id": world.volume}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).status, 202);
    check(&world, &wanted, 400, "Volume must not have snapshots.");

    let limit = json!({"quota_set": {"gigabytes": -1}});
    assert_eq!(world.api.put(ADMIN, "/volume/v3/os-quota-sets/alpha", &limit).status, 200);
    let made = create(&world.api, MEMBER, &json!({"size": 1500}));
    world.volume = made.body["volume"]["id"].as_str().unwrap().to_owned();
    world.settle();
    check(&world, &wanted, 400, "has no room for another of its size");
    // One that was never made is nowhere.
    world.node.refuses = Some("it is full");
    let made = create(&world.api, MEMBER, &json!({"size": 1}));
    world.volume = made.body["volume"]["id"].as_str().unwrap().to_owned();
    world.settle();
    assert_eq!(world.seen()[0], "error");
    check(&world, &wanted, 400, "was never made");
}
