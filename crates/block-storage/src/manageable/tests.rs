//! What operators have managed and leave to others, over the API, with a host that has disks.

use std::time::Duration;

use serde_json::{Value as Json, json};
use storage::{Adoption, GIB};
use testkit::{Answer, Api};

use crate::tests::{ADMIN, MEMBER, Node, OTHER, act, api, create, new_volume, status};
use crate::volume::HOST_TIME_MAX;

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];
const HOST: &str = "one@file#file";

struct World {
    api: Api,
    node: Node,
}

fn world() -> World {
    let api = api();
    let node = Node::join(&api, "one", 100);
    World { api, node }
}

impl World {
    fn work(&mut self) {
        self.node.work(&self.api);
    }

    fn volume(&mut self) -> String {
        let id = new_volume(&self.api, MEMBER);
        self.work();
        assert_eq!(status(&self.api, &id), "available");
        id
    }

    fn ask(&self, token: &str, method: &str, path: &str, body: &Json) -> Answer {
        self.api.call(token, method, &format!("/volume/v3/{path}"), &NEWEST, body)
    }

    fn unmanage(&self, id: &str) -> Answer {
        self.ask(ADMIN, "POST", &format!("volumes/{id}/action"), &json!({"os-unmanage": {}}))
    }

    fn manage(&self, body: Json) -> Answer {
        let mut volume = json!({"host": HOST});
        volume.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        self.ask(ADMIN, "POST", "manageable_volumes", &json!({ "volume": volume }))
    }

    /// The id of a volume that is managed by this body, once its host has done its part.
    fn managed(&mut self, body: Json) -> String {
        let answer = self.manage(body);
        assert_eq!(answer.status, 202, "{answer:?}");
        self.work();
        answer.body["volume"]["id"].as_str().unwrap().to_owned()
    }

    fn show(&self, id: &str) -> Json {
        self.ask(ADMIN, "GET", &format!("volumes/{id}"), &Json::Null).body["volume"].clone()
    }

    /// Names, sizes and what is said against them.
    fn listed(&self, query: &str) -> Vec<(String, i64, String)> {
        let path = format!("manageable_volumes/detail?host=one@file%23file{query}");
        let answer = self.ask(ADMIN, "GET", &path, &Json::Null);
        assert_eq!(answer.status, 200, "{answer:?}");
        let all = answer.body["manageable-volumes"].as_array().unwrap();
        let row = |entry: &Json| {
            let reason = entry["reason_not_safe"].as_str();
            assert_eq!(entry["safe_to_manage"], json!(reason.is_none()));
            let managed = entry["cinder_id"].as_str();
            assert_eq!(managed.is_some(), reason == Some("already managed"));
            let name = entry["reference"]["source-name"].as_str().unwrap().to_owned();
            (name, entry["size"].as_i64().unwrap(), reason.unwrap_or("-").to_owned())
        };
        all.iter().map(row).collect()
    }

    fn names(&self, query: &str) -> Vec<String> {
        self.listed(query).into_iter().map(|(name, ..)| name).collect()
    }

    fn gib_in_use(&self) -> i64 {
        let answer = self.ask(ADMIN, "GET", "os-quota-sets/admin?usage=true", &Json::Null);
        answer.body["quota_set"]["gigabytes"]["in_use"].as_i64().unwrap()
    }

    /// Why a volume is in error, in the words of its row.
    fn fault(&self, id: &str) -> String {
        let id: types::VolumeId = id.parse().unwrap();
        let row = self
            .api
            .store
            .read_blocking(move |tx: &mut store::Tx<'_>| crate::volume::store::VOLUMES.load(tx, id));
        row.unwrap().unwrap().fault.clone().unwrap_or_default()
    }
}

fn refusal(answer: &Answer) -> (u16, String) {
    let fault = answer.body.as_object().and_then(|body| body.values().next().cloned()).unwrap_or_default();
    (answer.status, fault["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_volume_goes_and_comes_back() {
    let mut world = world();
    let old = world.volume();
    let name = format!("volume-{old}");
    assert_eq!(world.listed(""), [(name.clone(), 1, "already managed".to_owned())]);
    assert_eq!(world.unmanage(&old).status, 202);
    assert_eq!(world.show(&old)["status"], "unmanaging");
    world.work();
    assert_eq!(status(&world.api, &old), "gone");
    assert_eq!(world.listed(""), [(name.clone(), 1, "-".to_owned())]);

    let body =
        json!({"ref": {"source-name": name}, "name": "back", "bootable": true, "metadata": {"k": "v"}});
    let new = world.managed(body);
    let shown = world.show(&new);
    assert_eq!(
        (&shown["status"], &shown["size"], &shown["bootable"]),
        (&json!("available"), &json!(1), &json!("true"))
    );
    assert_eq!((&shown["name"], &shown["metadata"]), (&json!("back"), &json!({"k": "v"})));
    assert_eq!(shown["os-vol-host-attr:host"], HOST);
    assert_eq!(world.listed(""), [(format!("volume-{new}"), 1, "already managed".to_owned())]);
    assert_eq!(world.gib_in_use(), 1);
    // It is a volume as any other from now on, and goes as one.
    assert_eq!(act(&world.api, ADMIN, &new, &json!({"os-extend": {"new_size": 3}})), 202);
    world.work();
    assert_eq!(status(&world.api, &new), "available");
    assert_eq!(world.ask(ADMIN, "DELETE", &format!("volumes/{new}"), &Json::Null).status, 202);
    world.work();
    assert_eq!(status(&world.api, &new), "gone");
    assert_eq!(world.listed(""), []);
    assert_eq!(storage::VolumeBackend::observe_volumes(&world.node.disks).unwrap(), []);
}

#[test]
fn a_disk_is_named_in_several_ways() {
    let mut world = world();
    let old = world.volume();
    world.unmanage(&old);
    world.node.disks.put_unmanaged("a disk", GIB + 1);
    world.work();
    for reference in [json!({"source-id": old}), json!("a disk")] {
        let id = world.managed(json!({"ref": reference}));
        assert_eq!(status(&world.api, &id), "available", "{reference}");
    }
    // 1 GiB and 1 GiB and a byte.
    assert_eq!(world.gib_in_use(), 3);
    // What gets the name afterwards is another disk, also where a volume is lost.
    world.node.disks.put_unmanaged("a disk", GIB);
    for id in storage::VolumeBackend::observe_volumes(&world.node.disks).unwrap() {
        storage::VolumeBackend::remove_volume(&world.node.disks, id).unwrap();
    }
    world.node.again(&world.api, agent_api::Kind::Volume);
    assert!(world.listed("").contains(&("a disk".to_owned(), 1, "-".to_owned())));
}

#[test]
fn what_cannot_be_managed_stays_what_it_is() {
    let mut world = world();
    world.node.disks.put_unmanaged("disk", 3 * GIB);
    let types = [
        ("elsewhere", json!({"volume_backend_name": "other"})),
        ("small", json!({"provisioning:max_vol_size": "2"})),
    ];
    for (name, specs) in types {
        let body = json!({"volume_type": {"name": name, "extra_specs": specs}});
        assert_eq!(world.ask(ADMIN, "POST", "types", &body).status, 200);
    }
    let body = json!({"quota_set": {"gigabytes": 2}});
    let check = |world: &mut World, body: Json, why: &str, told: &str| {
        let id = world.managed(body);
        let messages = world.ask(ADMIN, "GET", &format!("messages?resource_uuid={id}"), &Json::Null).body;
        let messages = messages["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert_eq!(messages[0]["user_message"], told);
        let shown = world.show(&id);
        assert_eq!((&shown["status"], &shown["size"]), (&json!("error"), &json!(0)), "{why}");
        assert!(world.fault(&id).contains(why), "{} is not {why}", world.fault(&id));
        assert_eq!(world.names(""), ["disk"]);
        assert_eq!(world.gib_in_use(), 0);
        assert_eq!(world.ask(ADMIN, "DELETE", &format!("volumes/{id}"), &Json::Null).status, 202);
        world.work();
        assert_eq!(status(&world.api, &id), "gone");
        assert_eq!(world.names(""), ["disk"]);
    };
    let failed = "create volume from backend storage:Driver failed to create the volume.";
    let nowhere = "schedule allocate volume:Could not find any available weighted backend.";
    let quota = "create volume from backend storage:Not enough quota resource for operation.";
    check(&mut world, json!({"ref": {"source-name": "nothing"}}), "nothing called \"nothing\"", failed);
    check(&mut world, json!({"ref": {"x": "y"}}), "neither source-name nor source-id", failed);
    check(
        &mut world,
        json!({"ref": "disk", "volume_type": "elsewhere"}),
        "not what its type demands",
        nowhere,
    );
    check(&mut world, json!({"ref": "disk", "volume_type": "small"}), "maximum allowable size", failed);
    assert_eq!(world.ask(ADMIN, "PUT", "os-quota-sets/admin", &body).status, 200);
    check(&mut world, json!({"ref": "disk"}), "exceeds allowed", quota);
}

#[test]
fn what_is_asked_amiss_is_refused_at_once() {
    let mut world = world();
    let volume = world.volume();
    let body = json!({"volume_type": {"name": "secret"}});
    let secret = world.ask(ADMIN, "POST", "types", &body).body["volume_type"]["id"].clone();
    let encryption = json!({"encryption": {
        "provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": 256,
    }});
    let path = format!("types/{}/encryption", secret.as_str().unwrap());
    assert_eq!(world.ask(ADMIN, "POST", &path, &encryption).status, 200);
    let named = |name: &str| json!({"ref": {"source-name": name}});
    let with = |key: &str, value: Json| {
        let mut body = named("x");
        body[key] = value;
        body
    };
    let check = |body: Json, status: u16, why: &str| {
        let (code, message) = refusal(&world.manage(body));
        assert!(code == status && message.contains(why), "{code} {message}");
    };
    let managed = "Invalid volume: Unable to manage existing volume. The volume is already managed";
    check(named(&format!("volume-{volume}")), 400, managed);
    check(json!({"ref": {"source-id": volume}}), 400, managed);
    check(
        with("volume_type", json!("none")),
        400,
        "Invalid volume type: Cannot find requested 'none' volume type",
    );
    check(
        with("volume_type", json!("secret")),
        400,
        "Managing to an encrypted volume type is not supported.",
    );
    check(with("host", json!("two@file")), 400, "Host 'two@file' not found");
    check(with("cluster", json!("some")), 400, "One and only one of cluster and host must be set.");
    check(with("availability_zone", json!("moon")), 400, "Availability zone 'moon' is invalid");
    check(with("size", json!(1)), 400, "size");
    check(with("metadata", json!({"k": 1})), 400, "metadata.k");
    check(json!({"ref": 7}), 400, "ref");
    let old = [("openstack-api-version", "volume 3.15")];
    let body = json!({"volume": {"ref": "x"}});
    let answer = world.api.call(ADMIN, "POST", "/volume/v3/manageable_volumes", &old, &body);
    assert_eq!(refusal(&answer), (400, "Invalid input received: Host field is missing.".to_owned()));
    assert_eq!(world.ask(MEMBER, "POST", "os-volume-manage", &body).status, 403);
    world.ask(ADMIN, "PUT", "os-services/disable", &json!({"host": "one@file", "binary": "cinder-volume"}));
    let (code, message) = refusal(&world.manage(named("x")));
    assert_eq!((code, message.as_str()), (400, "Service is unavailable at this time."));
    let listed = world.ask(ADMIN, "GET", "os-volume-manage?host=one@file", &Json::Null);
    assert_eq!(listed.status, 400);
    assert_eq!(world.show(&volume)["status"], "available");
}

#[test]
fn only_a_volume_that_is_idle_is_left_to_others() {
    let mut world = world();
    let volume = world.volume();
    assert_eq!(act(&world.api, MEMBER, &volume, &json!({"os-unmanage": null})), 403);
    assert_eq!(act(&world.api, OTHER, &volume, &json!({"os-unmanage": null})), 404);
    let body = json!({"snapshot": {"volume_id": volume}});
    let snapshot = world.ask(MEMBER, "POST", "snapshots", &body).body["snapshot"]["id"].clone();
    world.work();
    assert!(refusal(&world.unmanage(&volume)).1.contains("have snapshots"));
    let path = format!("snapshots/{}", snapshot.as_str().unwrap());
    assert_eq!(world.ask(MEMBER, "DELETE", &path, &Json::Null).status, 202);
    world.work();
    assert_eq!(act(&world.api, MEMBER, &volume, &json!({"os-reserve": {}})), 202);
    assert_eq!(world.unmanage(&volume).status, 400);
    assert_eq!(act(&world.api, MEMBER, &volume, &json!({"os-unreserve": {}})), 202);
    // As long as it is read for a clone, too.
    let clone = create(&world.api, MEMBER, &json!({"size": 1, "source_volid": volume}));
    assert_eq!((clone.status, world.unmanage(&volume).status), (202, 400));
    world.work();
    assert_eq!(act(&world.api, ADMIN, &volume, &json!({"os-reset_status": {"status": "unmanaging"}})), 400);
    assert_eq!(world.unmanage(&volume).status, 202);
    world.work();
    assert_eq!(status(&world.api, &volume), "gone");
    // A volume that was never anywhere is simply gone.
    world.node.refuses = Some("no");
    let failed = new_volume(&world.api, MEMBER);
    world.work();
    assert_eq!(status(&world.api, &failed), "error");
    world.node.refuses = None;
    assert_eq!(world.unmanage(&failed).status, 202);
    world.work();
    assert_eq!(status(&world.api, &failed), "gone");
}

#[test]
fn a_host_that_is_away_leaves_a_volume_to_others_later() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let mut world = world();
    world.node.disks.put_unmanaged("disk", GIB);
    let managed = world.managed(json!({"ref": "disk"}));
    assert_eq!(status(&world.api, &managed), "available");
    world.node.away = true;
    assert_eq!(world.unmanage(&managed).status, 202);
    world.work();
    guard.advance(HOST_TIME_MAX + Duration::from_secs(1));
    world.work();
    assert_eq!(status(&world.api, &managed), "unmanaging");
    assert_eq!(world.fault(&managed), "host one has not left it to others");
    world.node.away = false;
    assert_eq!(world.node.again(&world.api, agent_api::Kind::Volume), 1);
    assert_eq!(status(&world.api, &managed), "gone");
    world.node.report(Vec::new());
    assert_eq!(world.names(""), [format!("volume-{managed}")]);
}

#[test]
fn a_volume_that_its_host_took_in_too_late_is_left_to_others_again() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let mut world = world();
    world.node.disks.put_unmanaged("disk", GIB);
    let id = world.manage(json!({"ref": "disk"})).body["volume"]["id"].as_str().unwrap().to_owned();
    // It looks, and hears the size; then it takes the disk in, and nobody hears of that.
    let looked = world.node.wanted(&world.api);
    world.node.report(looked);
    let taken = world.node.wanted(&world.api);
    assert_eq!(taken.len(), 1);
    let disks = world.node.disks.clone();
    disks.ensure_managed(id.parse().unwrap(), "disk", GIB).unwrap();
    guard.advance(HOST_TIME_MAX + Duration::from_secs(1));
    world.api.settle();
    assert_eq!(world.show(&id)["status"], "error");
    world.node.report(Vec::new());
    world.work();
    let left = format!("volume-{id}");
    assert!(disks.find_unmanaged(&left).is_ok());
    assert_eq!(world.ask(ADMIN, "DELETE", &format!("volumes/{id}"), &Json::Null).status, 202);
    world.work();
    assert_eq!(status(&world.api, &id), "gone");
    assert!(disks.find_unmanaged(&left).is_ok());
    let again = world.managed(json!({"ref": left}));
    assert_eq!(status(&world.api, &again), "available");
}

#[test]
fn a_disk_becomes_one_volume() {
    let mut world = world();
    world.node.disks.put_unmanaged("disk", GIB);
    let both: Vec<String> = [(); 2]
        .iter()
        .map(|()| world.manage(json!({"ref": "disk"})).body["volume"]["id"].as_str().unwrap().to_owned())
        .collect();
    world.work();
    let mut statuses: Vec<String> = both.iter().map(|id| status(&world.api, id)).collect();
    statuses.sort();
    assert_eq!(statuses, ["available", "error"]);
    assert_eq!(storage::VolumeBackend::observe_volumes(&world.node.disks).unwrap().len(), 1);
    // And by force it goes as what it is.
    for id in &both {
        assert_eq!(act(&world.api, ADMIN, id, &json!({"os-force_delete": {}})), 202);
    }
    world.work();
    assert_eq!(world.listed(""), []);
}

#[test]
fn a_volume_that_is_deleted_while_it_is_managed_leaves_the_disk() {
    let mut world = world();
    world.node.disks.put_unmanaged("disk", GIB);
    let id = world.manage(json!({"ref": "disk"})).body["volume"]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ask(ADMIN, "DELETE", &format!("volumes/{id}"), &Json::Null).status, 400);
    let looked = world.node.wanted(&world.api);
    world.node.report(looked);
    assert_eq!(act(&world.api, ADMIN, &id, &json!({"os-force_delete": {}})), 202);
    world.work();
    assert_eq!(status(&world.api, &id), "gone");
    assert_eq!(world.names(""), ["disk"]);
}

#[test]
fn lists_come_in_order_and_in_parts() {
    let world = world();
    for (name, gib) in [("a", 2), ("b", 1), ("c", 2)] {
        world.node.disks.put_unmanaged(name, gib * GIB);
    }
    let check = |query: &str, expected: &[&str]| assert_eq!(world.names(query), expected, "{query}");
    check("", &["c", "b", "a"]);
    check("&sort=reference:asc", &["a", "b", "c"]);
    check("&sort=size:asc,reference:desc", &["b", "c", "a"]);
    check("&sort_key=size&sort_dir=desc", &["a", "c", "b"]);
    check("&limit=2", &["c", "b"]);
    check("&limit=0", &[]);
    check("&offset=1&limit=1", &["b"]);
    check("&marker=%7B%22source-name%22:%20%22c%22%7D", &["b", "a"]);
    check("&marker=%7B%22source-name%22:%20%22c%22%7D&offset=1", &["a"]);
    let refused = |query: &str| {
        let path = format!("manageable_volumes?host=one@file{query}");
        refusal(&world.ask(ADMIN, "GET", &path, &Json::Null))
    };
    for (query, why) in [
        ("&sort=name", "Invalid sort keys passed: name"),
        ("&sort=size:up", "Invalid sort dirs passed: up"),
        ("&limit=-1", "limit param must be positive"),
        ("&marker=x", "marker x can not be analysed, please use json like format"),
        ("&marker=%7B%7D", "marker not found: {}"),
        ("&cluster=some", "One and only one of cluster and host must be set."),
    ] {
        let (status, message) = refused(query);
        assert!(status == 400 && message.contains(why), "{query}: {status} {message}");
    }
    let clusters = world.ask(ADMIN, "GET", "manageable_volumes?cluster=some", &Json::Null);
    assert_eq!(refusal(&clusters), (404, "Service cinder-volume could not be found.".to_owned()));
    let path = "/volume/v3/os-volume-manage?host=one@file&cluster=ignored";
    assert_eq!(world.api.get(ADMIN, path).body["manageable-volumes"].as_array().unwrap().len(), 3);
}

#[test]
fn snapshots_go_and_come_back() {
    let mut world = world();
    let volume = world.volume();
    let body = json!({"snapshot": {"volume_id": volume}});
    let old =
        world.ask(MEMBER, "POST", "snapshots", &body).body["snapshot"]["id"].as_str().unwrap().to_owned();
    world.work();
    let listed = |world: &World| {
        let answer = world.ask(ADMIN, "GET", "manageable_snapshots/detail?host=one@file", &Json::Null);
        answer.body["manageable-snapshots"].clone()
    };
    let source = json!({"source-name": format!("volume-{volume}")});
    assert_eq!(
        listed(&world),
        json!([{
            "reference": {"source-name": format!("snapshot-{old}")}, "size": 1, "safe_to_manage": false,
            "reason_not_safe": "already managed", "cinder_id": old, "extra_info": null, "source_reference": source,
        }])
    );
    let path = format!("snapshots/{old}/action");
    assert_eq!(world.ask(MEMBER, "POST", &path, &json!({"os-unmanage": null})).status, 403);
    assert_eq!(world.ask(ADMIN, "POST", &path, &json!({"os-unmanage": null})).status, 202);
    let shown = world.ask(ADMIN, "GET", &format!("snapshots/{old}"), &Json::Null);
    assert_eq!(shown.body["snapshot"]["status"], "unmanaging");
    world.work();
    assert_eq!(world.ask(ADMIN, "GET", &format!("snapshots/{old}"), &Json::Null).status, 404);
    let name = format!("_snapshot-{old}");
    assert_eq!(
        listed(&world),
        json!([{
            "reference": {"source-name": name}, "size": 1, "safe_to_manage": true,
            "reason_not_safe": null, "cinder_id": null, "extra_info": null, "source_reference": source,
        }])
    );
    // Nothing that is done with the volume removes it.
    assert_eq!(act(&world.api, ADMIN, &volume, &json!({"os-extend": {"new_size": 2}})), 202);
    world.work();
    assert_eq!(listed(&world).as_array().unwrap().len(), 1);

    let manage = |world: &mut World, reference: Json| {
        let body = json!({"snapshot": {"volume_id": volume, "ref": reference, "name": "back"}});
        let answer = world.ask(ADMIN, "POST", "manageable_snapshots", &body);
        assert_eq!(answer.status, 202, "{answer:?}");
        world.work();
        answer.body["snapshot"]["id"].as_str().unwrap().to_owned()
    };
    let status_of = |world: &World, id: &str| {
        let shown = world.ask(ADMIN, "GET", &format!("snapshots/{id}"), &Json::Null);
        shown.body["snapshot"]["status"].as_str().unwrap_or("gone").to_owned()
    };
    for reference in [json!({"source-name": "nothing"}), json!(null)] {
        let failed = manage(&mut world, reference);
        assert_eq!(status_of(&world, &failed), "error");
        assert_eq!(world.ask(ADMIN, "DELETE", &format!("snapshots/{failed}"), &Json::Null).status, 202);
        world.work();
        assert_eq!(status_of(&world, &failed), "gone");
    }
    let new = manage(&mut world, json!({"source-name": name}));
    assert_eq!(status_of(&world, &new), "available");
    assert_eq!(listed(&world)[0]["cinder_id"], json!(new));
    assert_eq!(world.ask(ADMIN, "DELETE", &format!("snapshots/{new}"), &Json::Null).status, 202);
    world.work();
    assert_eq!((status_of(&world, &new).as_str(), listed(&world)), ("gone", json!([])));
}

#[test]
fn a_snapshot_that_its_host_took_in_too_late_is_left_again() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let mut world = world();
    let volume = world.volume();
    let body = json!({"snapshot": {"volume_id": volume}});
    let old =
        world.ask(ADMIN, "POST", "snapshots", &body).body["snapshot"]["id"].as_str().unwrap().to_owned();
    world.work();
    world.ask(ADMIN, "POST", &format!("snapshots/{old}/action"), &json!({"os-unmanage": {}}));
    world.work();
    let body = json!({"snapshot": {"volume_id": volume, "ref": {"source-id": old}}});
    let new = world.ask(ADMIN, "POST", "os-snapshot-manage", &body).body["snapshot"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // Nobody hears that it was taken in.
    world.node.wanted(&world.api);
    let disks = world.node.disks.clone();
    let at = storage::Snapshot { volume: volume.parse().unwrap(), id: new.parse().unwrap() };
    disks.ensure_snapshot_managed(at, &format!("_snapshot-{old}")).unwrap();
    guard.advance(HOST_TIME_MAX + Duration::from_secs(1));
    world.work();
    let shown = world.ask(ADMIN, "GET", &format!("snapshots/{new}"), &Json::Null);
    assert_eq!(shown.body["snapshot"]["status"], "error");
    let names = |disks: &storage::fake::Fake| disks.observe_unmanaged_snapshots(at.volume).unwrap();
    assert_eq!(names(&disks)[0].name, format!("_snapshot-{new}"));
    assert_eq!(world.ask(ADMIN, "DELETE", &format!("snapshots/{new}"), &Json::Null).status, 202);
    world.work();
    assert_eq!(names(&disks).len(), 1);
}
