//! Migrations and retypes over the API, with a host that has two backends.

use std::time::Duration;

use agent_api::Kind;
use agent_api::block::Elsewhere;
use runtime::SimulationGuard;
use serde_json::{Value as Json, json};
use storage::VolumeBackend;
use testkit::{Answer, Api};
use types::{ServerId, VolumeId};

use crate::tests::{ADMIN, MEMBER, Node, OTHER, act, api, create, new_volume, status};
use crate::volume::{NewAttachment, ops as volumes};

pub(super) const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];

pub(super) struct World {
    pub(super) guard: SimulationGuard,
    pub(super) api: Api,
    pub(super) node: Node,
    pub(super) volume: String,
}

/// A volume on the first of two backends, and a type `slow` that asks for the second.
pub(super) fn world() -> World {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let mut node = Node::join_over(&api, "one", &[("fast", 100), ("slow", 100)]);
    let volume = new_volume(&api, MEMBER);
    node.work(&api);
    new_type(&api, "slow", &json!({"volume_backend_name": "slow"}));
    World { guard, api, node, volume }
}

pub(super) fn new_type(api: &Api, name: &str, specs: &Json) -> String {
    let made =
        api.post(ADMIN, "/volume/v3/types", &json!({"volume_type": {"name": name, "extra_specs": specs}}));
    made.body["volume_type"]["id"].as_str().unwrap().to_owned()
}

/// A type whose volumes are encrypted, so if `more` says nothing else.
pub(super) fn secret_type(api: &Api, name: &str, more: &Json) {
    let kind = new_type(api, name, &json!({}));
    let mut encryption = json!({"provider": "luks", "control_location": "front-end"});
    encryption.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let path = format!("/volume/v3/types/{kind}/encryption");
    assert_eq!(api.post(ADMIN, &path, &json!({"encryption": encryption})).status, 200);
}

impl World {
    pub(super) fn ask(&self, token: &str, body: &Json) -> Answer {
        let path = format!("/volume/v3/volumes/{}/action", self.volume);
        self.api.call(token, "POST", &path, &NEWEST, body)
    }

    fn retype(&self, body: Json) -> (u16, String) {
        refusal(&self.ask(MEMBER, &json!({"os-retype": body})))
    }

    fn migrate(&self, body: Json) -> (u16, String) {
        refusal(&self.ask(ADMIN, &json!({"os-migrate_volume": body})))
    }

    /// Status, type, place and migration, as an administrator sees them.
    pub(super) fn seen(&self) -> [String; 4] {
        let view = self.api.get(ADMIN, &format!("/volume/v3/volumes/{}", self.volume)).body["volume"].clone();
        let word = |key: &str| view[key].as_str().unwrap_or("-").to_owned();
        assert_eq!(view["migration_status"], view["os-vol-mig-status-attr:migstat"]);
        ["status", "volume_type", "os-vol-host-attr:host", "migration_status"].map(word)
    }

    /// How many migrations, snapshots and copies there are.
    pub(super) fn left(&self) -> [i64; 3] {
        let tables =
            ["block_storage_migrations", "block_storage_snapshots", "node_documents WHERE kind = 'copy'"];
        tables.map(|table| {
            let count = move |tx: &mut store::Tx<'_>| tx.rows(&format!("SELECT COUNT(*) FROM {table}"), &[]);
            self.api.store.read_blocking(count).unwrap()[0][0].int().unwrap()
        })
    }

    /// What comes of managing this as a volume where others see it, and how often it is offered for that.
    pub(super) fn offers(&self, id: VolumeId) -> (u16, usize) {
        let name = storage::name_of_volume(id);
        self.node.disks.put_unmanaged(&name, storage::GIB);
        let body = json!({"volume": {"host": "one@fast#fast", "ref": {"source-name": name}}});
        let code = self.api.post(ADMIN, "/volume/v3/os-volume-manage", &body).status;
        let list = self.api.get(ADMIN, "/volume/v3/os-volume-manage?host=one@fast%23fast").body.to_string();
        self.node.disks.take_unmanaged(&name);
        (code, list.matches(&name).count())
    }

    /// What lies on the host's disks.
    pub(super) fn disks(&self) -> Vec<VolumeId> {
        self.node.disks.observe_volumes().unwrap()
    }

    /// Until nobody has anything to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..3 {
            self.guard.advance(Duration::from_secs(5));
            self.node.work(&self.api);
        }
    }

    /// Where the host was last told that the volume is, and what it was told of another backend.
    pub(super) fn told(&self) -> (Option<&str>, Option<Elsewhere>) {
        let document = &self.node.volumes[&self.volume];
        (document.backend.as_deref(), document.elsewhere.clone())
    }

    fn usage(&self, name: &str) -> i64 {
        let path = "/volume/v3/os-quota-sets/alpha?usage=true";
        self.api.get(ADMIN, path).body["quota_set"][name]["in_use"].as_i64().unwrap()
    }
}

pub(super) fn refusal(answer: &Answer) -> (u16, String) {
    let text = answer.body.as_object().and_then(|body| body.values().next());
    let text = text.and_then(|fault| fault["message"].as_str());
    (answer.status, text.unwrap_or_default().to_owned())
}

pub(super) fn words<const N: usize>(words: [&str; N]) -> [String; N] {
    words.map(str::to_owned)
}

#[test]
fn a_type_of_the_same_backend_counts_at_once_also_in_a_server() {
    let mut world = world();
    let kind = new_type(&world.api, "bound", &json!({"volume_backend_name": "fast"}));
    let body = json!({"qos_specs": {"name": "few", "consumer": "front-end", "total_iops_sec": "500"}});
    let qos = world.api.post(ADMIN, "/volume/v3/qos-specs", &body).body["qos_specs"]["id"].clone();
    let path = format!("/volume/v3/qos-specs/{}/associate?vol_type_id={kind}", qos.as_str().unwrap());
    assert_eq!(world.api.get(ADMIN, &path).status, 202);
    let snapshot = json!({"snapshot": {"volume_id": world.volume}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).status, 202);
    world.node.work(&world.api);
    let attach = json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdb"}});
    assert_eq!(act(&world.api, ADMIN, &world.volume, &attach), 202);
    assert_eq!(world.node.volumes[&world.volume].limits, [].into());

    assert_eq!(world.retype(json!({"new_type": "bound"})), (202, String::new()));
    assert_eq!(world.seen(), words(["in-use", "bound", "one@fast#fast", "-"]));
    world.node.work(&world.api);
    assert_eq!(world.node.volumes[&world.volume].limits, [("iops-total".to_owned(), 500)].into());
    let counts = ["volumes_bound", "gigabytes_bound", "snapshots_bound", "volumes_default"];
    assert_eq!(counts.map(|name| world.usage(name)), [1, 2, 1, 0]);
    assert_eq!(world.retype(json!({"new_type": "default", "migration_policy": "never"})).0, 202);
    world.node.work(&world.api);
    assert_eq!(world.node.volumes[&world.volume].limits, [].into());
}

#[test]
fn a_type_of_another_backend_moves_the_volume() {
    let mut world = world();
    world.node.slow = true;
    let wanted = json!({"new_type": "slow", "migration_policy": "on-demand"});
    assert_eq!(world.retype(wanted.clone()), (202, String::new()));
    assert_eq!(world.seen(), words(["retyping", "default", "one@fast#fast", "starting"]));
    // What it is about to be is what it was when that was asked.
    for (method, rest, body) in [
        ("DELETE", "", Json::Null),
        ("POST", "/encryption", json!({"encryption": {"provider": "luks", "control_location": "front-end"}})),
    ] {
        let types = world.api.get(ADMIN, "/volume/v3/types").body["volume_types"].clone();
        let of = types.as_array().unwrap().iter().find(|one| one["name"] == "slow").unwrap()["id"].clone();
        let path = format!("/volume/v3/types/{}{rest}", of.as_str().unwrap());
        assert_eq!(world.api.call(ADMIN, method, &path, &[], &body).status, 400, "{method} {rest}");
    }
    assert_eq!(["volumes_default", "volumes_slow", "gigabytes_slow"].map(|n| world.usage(n)), [1, 1, 1]);
    assert_eq!(world.usage("volumes"), 1);
    world.settle();
    assert_eq!(world.seen(), words(["retyping", "default", "one@fast#fast", "migrating"]));
    let there = |wanted| Elsewhere { backend: "slow".to_owned(), wanted, ..Elsewhere::default() };
    assert_eq!(world.told(), (Some("fast"), Some(there(true))));
    // Nothing else is done to it meanwhile.
    assert_eq!(world.retype(wanted).0, 400);
    assert_eq!(world.migrate(json!({"host": "one@slow#slow"})).0, 400);
    assert_eq!(act(&world.api, MEMBER, &world.volume, &json!({"os-extend": {"new_size": 2}})), 400);
    assert_eq!(act(&world.api, ADMIN, &world.volume, &json!({"os-force_delete": {}})), 400);
    let snapshot = json!({"snapshot": {"volume_id": world.volume, "force": true}});
    let refused = refusal(&world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot));
    let text = "Invalid volume: Snapshot cannot be created while volume is migrating.";
    assert_eq!(refused, (400, text.to_owned()));

    world.node.slow = false;
    let copies = world.node.again(&world.api, Kind::Copy);
    assert_eq!(copies, 1);
    world.settle();
    assert_eq!(world.seen(), words(["available", "slow", "one@slow#slow", "success"]));
    assert_eq!((world.told(), world.left()), ((Some("slow"), None), [0, 0, 0]));
    assert_eq!(["volumes_default", "volumes_slow", "gigabytes_slow"].map(|n| world.usage(n)), [0, 1, 1]);
    assert_eq!(world.api.runner.sweep().unwrap(), []);
    // It can go on, or back, and goes at last.
    assert_eq!(world.retype(json!({"new_type": "default", "migration_policy": "never"})).0, 202);
    assert_eq!(world.migrate(json!({"host": "one@fast", "lock_volume": "true"})), (202, String::new()));
    assert_eq!(status(&world.api, &world.volume), "maintenance");
    world.settle();
    assert_eq!(world.seen(), words(["available", "default", "one@fast#fast", "success"]));
    assert_eq!(world.api.delete(MEMBER, &format!("/volume/v3/volumes/{}", world.volume)).status, 202);
    world.settle();
    assert_eq!(status(&world.api, &world.volume), "gone");
}

#[test]
fn who_takes_the_volume_ends_its_migration() {
    let mut world = world();
    world.node.slow = true;
    assert_eq!(world.migrate(json!({"host": "one@slow#slow"})), (202, String::new()));
    // The type asks for no backend, so that only the default would do.
    assert_eq!(world.seen(), words(["available", "default", "one@fast#fast", "error"]));
    assert_eq!(world.retype(json!({"new_type": "slow", "migration_policy": "on-demand"})).0, 202);
    world.settle();
    // An operator's word ends it too.
    let said = json!({"os-reset_status": {"status": "available"}});
    assert_eq!(act(&world.api, ADMIN, &world.volume, &said), 202);
    world.settle();
    assert_eq!(world.seen(), words(["available", "default", "one@fast#fast", "error"]));
    assert_eq!((world.told(), world.left()), ((Some("fast"), None), [0, 0, 0]));
    assert_eq!(world.api.runner.sweep().unwrap(), []);
}

#[test]
fn a_locked_volume_is_not_taken_and_another_is() {
    let mut world = world();
    world.node.slow = true;
    new_type(&world.api, "both", &json!({}));
    let answer = create(&world.api, MEMBER, &json!({"size": 1, "volume_type": "slow"}));
    world.volume = answer.body["volume"]["id"].as_str().unwrap().to_owned();
    world.node.work(&world.api);
    assert_eq!(world.seen(), words(["available", "slow", "one@slow#slow", "-"]));
    assert_eq!(world.retype(json!({"new_type": "both", "migration_policy": "never"})).0, 202);
    let to = |lock: bool| json!({"host": "one@fast#fast", "lock_volume": lock, "force_host_copy": true});
    let take = json!({"os-reserve": {}});
    assert_eq!(world.migrate(to(true)).0, 202);
    world.settle();
    assert_eq!(act(&world.api, MEMBER, &world.volume, &take), 400);
    world.node.slow = false;
    world.node.again(&world.api, Kind::Copy);
    world.settle();
    assert_eq!(world.seen(), words(["available", "both", "one@fast#fast", "success"]));

    let answer = create(&world.api, MEMBER, &json!({"size": 1, "volume_type": "slow"}));
    world.volume = answer.body["volume"]["id"].as_str().unwrap().to_owned();
    world.node.work(&world.api);
    assert_eq!(world.retype(json!({"new_type": "both"})).0, 202);
    world.node.slow = true;
    assert_eq!(world.migrate(to(false)).0, 202);
    world.settle();
    assert_eq!(world.seen(), words(["available", "both", "one@slow#slow", "migrating"]));
    assert_eq!(act(&world.api, MEMBER, &world.volume, &take), 202);
    world.settle();
    assert_eq!(world.seen(), words(["attaching", "both", "one@slow#slow", "error"]));
    assert_eq!((world.told(), world.left()), ((Some("slow"), None), [0, 0, 0]));
}

/// Nothing is left of a retype whose host refuses what it is told by a document of this kind.
fn check_undone(world: &mut World, kind: Kind, new_type: &str) {
    (world.node.refuses, world.node.refuses_only) = (Some("the disk is full"), Some(kind));
    assert_eq!(world.retype(json!({"new_type": new_type, "migration_policy": "on-demand"})).0, 202);
    world.settle();
    assert_eq!(world.seen(), words(["available", "default", "one@fast#fast", "error"]));
    world.node.refuses = None;
    world.node.again(&world.api, Kind::Volume);
    world.settle();
    assert_eq!((world.told(), world.left()), ((Some("fast"), None), [0, 0, 0]), "{kind:?}");
}

#[test]
fn what_the_host_refuses_is_undone() {
    for kind in [Kind::Copy, Kind::Volume] {
        let mut world = world();
        check_undone(&mut world, kind, "slow");
        assert_eq!(world.usage("volumes_slow"), 0);
    }
}

#[test]
fn a_volume_that_goes_takes_its_migration_with_it() {
    let mut world = world();
    world.node.slow = true;
    assert_eq!(world.retype(json!({"new_type": "slow", "migration_policy": "on-demand"})).0, 202);
    world.settle();
    let said = json!({"os-reset_status": {"status": "error", "migration_status": "none"}});
    assert_eq!(act(&world.api, ADMIN, &world.volume, &said), 202);
    assert_eq!(act(&world.api, ADMIN, &world.volume, &json!({"os-force_delete": {}})), 202);
    world.settle();
    assert_eq!((status(&world.api, &world.volume).as_str(), world.left()), ("gone", [0, 0, 0]));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let world = world();
    let before = (world.seen(), world.left());
    let type_of = |name: &str| json!({"new_type": name, "migration_policy": "on-demand"});
    let check = |answer: (u16, String), status: u16, text: &str| {
        assert_eq!(answer.0, status, "{answer:?}");
        assert!(answer.1.contains(text), "{answer:?}");
    };
    check(world.retype(json!({"new_type": "slow"})), 400, "Retype requires migration but is not allowed.");
    check(world.retype(type_of("default")), 400, "Retype needs volume to be in available or in-use state");
    check(world.retype(type_of("odd")), 404, "Volume type with name odd could not be found.");
    check(world.retype(json!({"new_type": "slow", "migration_policy": "x"})), 400, "migration_policy");
    check(world.retype(json!({"new_type": "slow", "more": 1})), 400, "more");
    new_type(&world.api, "large", &json!({"provisioning:min_vol_size": "5"}));
    check(world.retype(type_of("large")), 400, "less than the minimum required size");
    new_type(&world.api, "nowhere", &json!({"volume_backend_name": "nowhere"}));
    check(world.retype(type_of("nowhere")), 400, "No valid backend was found.");
    secret_type(&world.api, "secret", &json!({}));
    check(world.retype(json!({"new_type": "secret"})), 400, "Retype requires migration but is not allowed.");
    secret_type(&world.api, "newer", &json!({"provider": "luks2"}));
    check(world.retype(type_of("newer")), 400, "demands an encryption that cannot be had here");
    let limit = json!({"quota_set": {"volumes_slow": 0}});
    assert_eq!(world.api.put(ADMIN, "/volume/v3/os-quota-sets/alpha", &limit).status, 200);
    check(world.retype(type_of("slow")), 413, "volumes_slow");
    let limit = json!({"quota_set": {"volumes_slow": -1}});
    assert_eq!(world.api.put(ADMIN, "/volume/v3/os-quota-sets/alpha", &limit).status, 200);
    let foreign = world.ask(OTHER, &json!({"os-retype": {"new_type": "slow"}}));
    assert_eq!(foreign.status, 404);

    check(world.migrate(json!({"host": "two@slow#slow"})), 400, "No available service named 'two@slow#slow'");
    check(world.migrate(json!({"host": "one@slow#odd"})), 400, "No available service named 'one@slow#odd'");
    check(world.migrate(json!({"cluster": "c"})), 400, "No available service named 'c'");
    check(world.migrate(json!({"host": "a", "cluster": "c"})), 400, "One and only one of cluster and host");
    check(world.migrate(json!({"host": "one@fast"})), 400, "must be different than the current one");
    check(world.migrate(json!({"host": "one@slow", "lock_volume": "x"})), 400, "lock_volume");
    assert_eq!((world.seen(), world.left()), before);

    let attach = json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdb"}});
    assert_eq!(act(&world.api, ADMIN, &world.volume, &attach), 202);
    check(world.retype(type_of("slow")), 400, "attached to anything but a server");
    check(world.retype(type_of("secret")), 400, "detach it first");
    assert_eq!(act(&world.api, ADMIN, &world.volume, &json!({"os-detach": {}})), 202);
    let snapshot = json!({"snapshot": {"volume_id": world.volume}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).status, 202);
    check(world.retype(type_of("slow")), 400, "Volume must not have snapshots.");
    check(world.retype(type_of("secret")), 400, "Volume must not have snapshots.");
    check(world.migrate(json!({"host": "one@slow"})), 400, "have snapshots");
}

/// The id of the key that a volume is encrypted with, as users see it.
pub(super) fn key(world: &World) -> Option<String> {
    let path = format!("/volume/v3/volumes/{}", world.volume);
    let view = world.api.call(MEMBER, "GET", &path, &NEWEST, &Json::Null).body["volume"].clone();
    assert_eq!(view["encrypted"].as_bool(), Some(view["encryption_key_id"].is_string()));
    let told = &world.node.volumes[&world.volume].encryption;
    let key = view["encryption_key_id"].as_str().map(str::to_owned);
    assert_eq!(told.as_ref().map(|told| told.key_id.to_string()), key);
    key
}

#[test]
fn a_volume_is_encrypted_where_it_is_and_decrypted_again() {
    let mut world = world();
    secret_type(&world.api, "secret", &json!({}));
    secret_type(&world.api, "secreter", &json!({"cipher": "aes-xts-plain64", "key_size": 512}));
    let mut keys = vec![key(&world)];
    assert_eq!(keys, [None]);
    for (new, bits) in [("secret", Some(256)), ("secreter", Some(512)), ("default", None)] {
        let old = world.seen()[1].clone();
        world.node.slow = true;
        let wanted = json!({"new_type": new, "migration_policy": "on-demand"});
        assert_eq!(world.retype(wanted.clone()), (202, String::new()));
        world.settle();
        // Until what was copied has taken its place it is what it was, and nobody gets it.
        assert_eq!(
            world.seen(),
            ["retyping".to_owned(), old, "one@fast#fast".to_owned(), "migrating".to_owned()]
        );
        assert_eq!(key(&world), *keys.last().unwrap());
        let there = world.told().1.unwrap();
        assert!(there.wanted && !there.replaces && there.backend == "fast", "{there:?}");
        let encryption = there.anew.unwrap().encryption;
        assert_eq!(encryption.as_ref().map(|encryption| encryption.key_size_bits), bits);
        assert_eq!(world.disks().len(), 2);
        assert_eq!(world.retype(wanted).0, 400);
        assert_eq!(act(&world.api, MEMBER, &world.volume, &json!({"os-reserve": {}})), 400);
        assert_eq!(world.offers(there.id.unwrap()), (400, 0));
        world.node.slow = false;
        assert_eq!(world.node.again(&world.api, Kind::Copy), 1);
        world.settle();
        assert_eq!(world.seen(), words(["available", new, "one@fast#fast", "success"]));
        assert_eq!((world.told(), world.left()), ((Some("fast"), None), [0, 0, 0]));
        assert_eq!(world.disks(), [world.volume.parse().unwrap()]);
        let key = key(&world);
        assert_eq!(key, encryption.map(|encryption| encryption.key_id.to_string()));
        assert!(key.is_none() || !keys.contains(&key), "{key:?} is another volume's");
        keys.push(key);
        assert_eq!(world.api.runner.sweep().unwrap(), []);
    }
}

#[test]
fn a_volume_is_encrypted_on_its_way_to_another_backend() {
    let mut world = world();
    secret_type(&world.api, "secret", &json!({}));
    let specs = json!({"extra_specs": {"volume_backend_name": "slow"}});
    let types = world.api.get(ADMIN, "/volume/v3/types").body["volume_types"].clone();
    let kind = types.as_array().unwrap().iter().find(|known| known["name"] == "secret").unwrap();
    let path = format!("/volume/v3/types/{}/extra_specs", kind["id"].as_str().unwrap());
    assert_eq!(world.api.post(ADMIN, &path, &specs).status, 200);
    assert_eq!(world.retype(json!({"new_type": "secret", "migration_policy": "on-demand"})).0, 202);
    world.settle();
    assert_eq!(world.seen(), words(["available", "secret", "one@slow#slow", "success"]));
    assert_eq!((world.told(), world.left()), ((Some("slow"), None), [0, 0, 0]));
    assert!(key(&world).is_some());
}

#[test]
fn an_encryption_that_fails_leaves_the_volume_as_it_was() {
    for kind in [Kind::Copy, Kind::Volume] {
        let mut world = world();
        secret_type(&world.api, "secret", &json!({}));
        check_undone(&mut world, kind, "secret");
        assert_eq!((key(&world), world.disks().len()), (None, 1));
    }
}

#[test]
fn nobody_gets_a_volume_whose_place_is_being_taken() {
    for deleted in [false, true] {
        let mut world = world();
        secret_type(&world.api, "secret", &json!({}));
        world.node.slow = true;
        assert_eq!(world.retype(json!({"new_type": "secret", "migration_policy": "on-demand"})).0, 202);
        world.settle();
        world.node.slow = false;
        (world.node.refuses, world.node.refuses_only) = (Some("it does not answer"), Some(Kind::Volume));
        world.node.again(&world.api, Kind::Copy);
        world.settle();
        assert_eq!(world.seen(), words(["retyping", "secret", "one@fast#fast", "completing"]));
        // Old bytes and new ones are there, and a key for either.
        assert_eq!((world.disks().len(), world.left()[0]), (2, 1));
        let reset =
            |status: &str| json!({"os-reset_status": {"status": status, "attach_status": "detached"}});
        for body in [json!({"os-reserve": {}}), reset("available"), json!({"os-force_delete": {}})] {
            assert_eq!(act(&world.api, ADMIN, &world.volume, &body), 400, "{body}");
        }
        if deleted {
            assert_eq!(act(&world.api, ADMIN, &world.volume, &reset("error")), 202);
            assert_eq!(world.api.delete(MEMBER, &format!("/volume/v3/volumes/{}", world.volume)).status, 202);
        }
        world.node.refuses = None;
        world.node.again(&world.api, Kind::Volume);
        world.settle();
        if deleted {
            assert_eq!((status(&world.api, &world.volume).as_str(), world.left()), ("gone", [0, 0, 0]));
            assert_eq!(world.disks(), []);
        } else {
            assert_eq!(world.seen(), words(["available", "secret", "one@fast#fast", "success"]));
            assert_eq!((world.disks().len(), world.left()), (1, [0, 0, 0]));
            assert!(key(&world).is_some());
        }
    }
}

#[test]
fn a_completion_is_answered_as_by_cinder() {
    let world = world();
    let other = new_volume(&world.api, MEMBER);
    let complete =
        || refusal(&world.ask(ADMIN, &json!({"os-migrate_volume_completion": {"new_volume": other}})));
    let answer = world.ask(ADMIN, &json!({"os-migrate_volume_completion": {"new_volume": other}}));
    assert_eq!((answer.status, &answer.body), (200, &json!({"save_volume_id": other})));
    let say = |id: &str, word: &str| {
        act(&world.api, ADMIN, id, &json!({"os-reset_status": {"migration_status": word}}))
    };
    assert_eq!(say(&other, "migrating"), 202);
    assert_eq!(complete(), (400, "Invalid volume: Source volume not mid-migration.".to_owned()));
    assert_eq!((say(&other, "none"), say(&world.volume, "migrating")), (202, 202));
    assert_eq!(complete(), (400, "Invalid volume: Destination volume not mid-migration.".to_owned()));
    assert_eq!(say(&other, "migrating"), 202);
    let expected = format!(
        "Invalid volume: Destination has migration_status migrating, expected target:{}.",
        world.volume
    );
    assert_eq!(complete(), (400, expected));
}

#[test]
fn a_volume_comes_to_be_for_several_servers_and_no_longer() {
    let mut world = world();
    new_type(&world.api, "shared", &json!({"multiattach": "<is> True"}));
    new_type(&world.api, "shared-too", &json!({"multiattach": "<is> True"}));
    new_type(&world.api, "shared-slow", &json!({"multiattach": "<is> True", "volume_backend_name": "slow"}));
    let is_for_several = |world: &World| {
        let view = world.api.get(MEMBER, &format!("/volume/v3/volumes/{}", world.volume)).body;
        assert_eq!(
            view["volume"]["multiattach"].as_bool(),
            Some(world.node.volumes[&world.volume].multiattach)
        );
        view["volume"]["multiattach"] == true
    };
    // Not as long as somebody has it, or reads what was there before.
    let attach = json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdb"}});
    assert_eq!(act(&world.api, MEMBER, &world.volume, &attach), 202);
    let (code, told) = world.retype(json!({"new_type": "shared"}));
    assert!(code == 400 && told.contains("only allowed on available volumes"), "{told}");
    // An operator's word changes the status, not who has it.
    let reset =
        |status: &str| act(&world.api, ADMIN, &world.volume, &json!({"os-reset_status": {"status": status}}));
    assert_eq!(reset("available"), 202);
    assert_eq!(world.retype(json!({"new_type": "shared"})).0, 400);
    assert_eq!(reset("in-use"), 202);
    assert_eq!(act(&world.api, MEMBER, &world.volume, &json!({"os-detach": {}})), 202);
    let snapshot = json!({"snapshot": {"volume_id": world.volume}});
    let snapshot = world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).body["snapshot"]["id"].clone();
    let snapshot = format!("/volume/v3/snapshots/{}", snapshot.as_str().unwrap());
    world.node.work(&world.api);
    assert_eq!(world.retype(json!({"new_type": "shared"})).0, 400);
    assert_eq!(world.api.delete(MEMBER, &snapshot).status, 202);
    world.node.work(&world.api);

    assert_eq!(world.retype(json!({"new_type": "shared"})).0, 202);
    assert_eq!(world.seen()[..2], words(["retyping", "default"]));
    world.settle();
    assert_eq!(world.seen()[..2], words(["available", "shared"]));
    assert!(is_for_several(&world));
    // Between two that are alike nothing is to be done.
    assert_eq!(world.retype(json!({"new_type": "shared-too"})).0, 202);
    assert_eq!(world.seen()[..2], words(["available", "shared-too"]));
    // What the host cannot do leaves all as it was.
    world.node.refuses = Some("it is full");
    assert_eq!(world.retype(json!({"new_type": "default"})).0, 202);
    world.settle();
    assert_eq!(world.seen()[..2], words(["available", "shared-too"]));
    world.node.refuses = None;
    world.node.work(&world.api);
    assert!(is_for_several(&world));
    assert_eq!(world.retype(json!({"new_type": "default"})).0, 202);
    world.settle();
    assert_eq!(world.seen()[..2], words(["available", "default"]));
    assert!(!is_for_several(&world));
    // On its way to another backend it is made there as it is to be.
    let there = json!({"new_type": "shared-slow", "migration_policy": "on-demand"});
    assert_eq!(world.retype(there).0, 202);
    world.api.settle();
    world.settle();
    assert_eq!(world.seen()[..3], words(["available", "shared-slow", "one@slow#slow"]));
    assert!(is_for_several(&world));
}

impl World {
    /// A server has the volume, as compute says.
    pub(super) fn enter(&self) -> ServerId {
        let (id, server) = (self.id(), ServerId(runtime::new_uuid()));
        let attach = move |tx: &mut store::Tx<'_>| {
            let device = "/dev/vdb".to_owned();
            let new = NewAttachment { server_id: server, device, host: "one".into(), watcher: None };
            volumes::attach(tx, id, new).map(drop)
        };
        self.api.store.write_blocking(attach).unwrap();
        server
    }

    /// It is to leave the server.
    fn begin_detach(&self, server: ServerId) -> Result<(), String> {
        let (id, caller) = (self.id(), testkit::caller(MEMBER).unwrap());
        let detach = move |tx: &mut store::Tx<'_>| volumes::begin_detach(&caller, tx, id, server);
        self.api.store.write_blocking(detach).map_err(|error| error.to_string())
    }

    /// The server is gone.
    pub(super) fn leave(&self, server: ServerId) {
        let id = self.id();
        self.api.store.write_blocking(move |tx: &mut store::Tx<'_>| volumes::detach(tx, id, server)).unwrap();
    }

    fn id(&self) -> VolumeId {
        self.volume.parse().unwrap()
    }

    /// The host looks again at the volume.
    fn look(&mut self) {
        assert_eq!(self.node.again(&self.api, Kind::Volume), 1);
        self.settle();
    }
}

#[test]
fn a_server_takes_its_volume_to_another_backend() {
    let mut world = world();
    let server = world.enter();
    world.node.slow = true;
    let wanted = json!({"new_type": "slow", "migration_policy": "on-demand"});
    assert_eq!(world.retype(wanted.clone()), (202, String::new()));
    assert_eq!(world.seen(), words(["retyping", "default", "one@fast#fast", "starting"]));
    // Nothing is held, and so nothing stays behind.
    assert_eq!(world.left(), [1, 0, 0]);
    world.settle();
    assert_eq!(world.seen(), words(["retyping", "default", "one@fast#fast", "migrating"]));
    let (backend, elsewhere) = world.told();
    assert_eq!(backend, Some("fast"));
    assert!(elsewhere.is_some_and(|wish| wish.wanted && wish.backend == "slow" && wish.mirror.is_some()));
    // Nothing else is done to it meanwhile.
    assert_eq!(world.retype(wanted).0, 400);
    assert_eq!(world.migrate(json!({"host": "one@slow#slow"})).0, 400);
    assert!(world.begin_detach(server).unwrap_err().contains("retyping"));
    let snapshot = json!({"snapshot": {"volume_id": world.volume, "force": true}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).status, 400);
    let clone = json!({"volume": {"source_volid": world.volume, "size": 1}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/volumes", &clone).status, 400);

    world.node.slow = false;
    world.look();
    assert_eq!(world.seen(), words(["in-use", "slow", "one@slow#slow", "success"]));
    assert_eq!((world.told(), world.left()), ((Some("slow"), None), [0, 0, 0]));
    assert_eq!(world.node.moved, [].into(), "the host heard that its word is the row's");
    assert_eq!(["volumes_default", "volumes_slow"].map(|name| world.usage(name)), [0, 1]);
    assert_eq!(world.api.runner.sweep().unwrap(), []);
    // And back, by an operator, who need not lock it.
    assert_eq!(world.retype(json!({"new_type": "default"})).0, 202);
    for (lock, status) in [(false, "in-use"), (true, "maintenance")] {
        world.node.slow = true;
        // A sign of life.
        world.node.report(Vec::new());
        assert_eq!(world.migrate(json!({"host": "one@fast", "lock_volume": lock})), (202, String::new()));
        world.settle();
        assert_eq!(world.seen(), words([status, "default", "one@slow#slow", "migrating"]));
        assert!(world.begin_detach(server).is_err());
        assert_eq!(act(&world.api, MEMBER, &world.volume, &json!({"os-extend": {"new_size": 2}})), 400);
        world.node.slow = false;
        world.look();
        assert_eq!(world.seen(), words(["in-use", "default", "one@fast#fast", "success"]));
        if !lock {
            world.node.report(Vec::new());
            assert_eq!(world.retype(json!({"new_type": "slow", "migration_policy": "on-demand"})).0, 202);
            world.settle();
            assert_eq!(world.retype(json!({"new_type": "default"})).0, 202);
        }
    }
    world.begin_detach(server).unwrap();
    world.leave(server);
    assert_eq!(status(&world.api, &world.volume), "available");
    assert_eq!(world.left(), [0, 0, 0]);
}

#[test]
fn a_volume_whose_server_cannot_take_it_stays() {
    let mut world = world();
    let wanted = json!({"new_type": "slow", "migration_policy": "on-demand"});
    let server = world.enter();
    world.node.stops = Some("no server that runs has it");
    assert_eq!(world.retype(wanted.clone()).0, 202);
    world.settle();
    assert_eq!(world.seen(), words(["in-use", "default", "one@fast#fast", "error"]));
    assert_eq!((world.told(), world.left()), ((Some("fast"), None), [0, 0, 0]));
    let messages = world.api.call(MEMBER, "GET", "/volume/v3/messages", &NEWEST, &Json::Null);
    let messages = messages.body["messages"].clone();
    assert_eq!(messages[0]["resource_uuid"], world.volume.as_str());
    // Nor does it go there if its server goes.
    (world.node.stops, world.node.slow) = (None, true);
    assert_eq!(world.retype(wanted).0, 202);
    world.settle();
    assert_eq!(world.seen(), words(["retyping", "default", "one@fast#fast", "migrating"]));
    world.leave(server);
    world.settle();
    assert_eq!(world.seen(), words(["available", "default", "one@fast#fast", "error"]));
    assert_eq!((world.told(), world.left()), ((Some("fast"), None), [0, 0, 0]));
    assert_eq!(world.api.runner.sweep().unwrap(), []);
}

#[test]
fn what_a_host_decided_holds_also_where_it_was_given_up() {
    for arrived in [false, true] {
        let mut world = world();
        world.enter();
        world.node.slow = true;
        assert_eq!(world.retype(json!({"new_type": "slow", "migration_policy": "on-demand"})).0, 202);
        world.settle();
        // The host decides while nobody hears of it, and an operator ends the migration.
        world.node.away = true;
        if arrived {
            world.node.moved.insert(world.id(), "slow".to_owned());
        }
        let said = json!({"os-reset_status": {"status": "in-use"}});
        assert_eq!(act(&world.api, ADMIN, &world.volume, &said), 202);
        world.settle();
        assert_eq!(world.seen(), words(["in-use", "default", "one@fast#fast", "error"]));
        assert_eq!(world.left(), [1, 0, 0]);
        // It may be there, and then counts as what it was to be.
        assert_eq!(["volumes_default", "volumes_slow"].map(|name| world.usage(name)), [1, 1]);
        world.node.away = false;
        world.look();
        let there = match arrived {
            true => words(["in-use", "slow", "one@slow#slow", "success"]),
            false => words(["in-use", "default", "one@fast#fast", "error"]),
        };
        assert_eq!(world.seen(), there);
        let counted = if arrived { [0, 1] } else { [1, 0] };
        assert_eq!(["volumes_default", "volumes_slow"].map(|name| world.usage(name)), counted);
        assert_eq!((world.told().1, world.left()), (None, [0, 0, 0]));
        assert_eq!(world.node.moved, [].into());
    }
}

#[test]
fn a_volume_that_cannot_go_with_its_server_is_refused() {
    let world = world();
    let before = |world: &World| (world.seen(), world.left());
    world.enter();
    let wanted = json!({"new_type": "slow", "migration_policy": "on-demand"});
    let snapshot = json!({"snapshot": {"volume_id": world.volume, "force": true}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).status, 202);
    let was = before(&world);
    let (code, text) = world.retype(wanted);
    assert!(code == 400 && text.contains("must not have snapshots"), "{text}");
    let (code, text) = world.migrate(json!({"host": "one@slow"}));
    assert!(code == 400 && text.contains("have snapshots"), "{text}");
    assert_eq!(before(&world), was);
}

#[test]
fn a_volume_that_is_read_waits_for_its_readers_before_it_goes_with_its_server() {
    let mut world = world();
    world.enter();
    world.node.slow = true;
    let image = json!({"os-volume_upload_image": {"image_name": "i", "force": true}});
    assert_eq!(act(&world.api, ADMIN, &world.volume, &image), 202);
    world.settle();
    let reset = json!({"os-reset_status": {"status": "in-use"}});
    assert_eq!(act(&world.api, ADMIN, &world.volume, &reset), 202);
    assert_eq!(world.retype(json!({"new_type": "slow", "migration_policy": "on-demand"})).0, 202);
    world.settle();
    assert_eq!(world.seen()[3], "starting");
    world.node.slow = false;
    world.node.again(&world.api, Kind::Copy);
    world.settle();
    world.settle();
    assert_eq!(world.seen(), words(["in-use", "slow", "one@slow#slow", "success"]));
    assert_eq!(world.left(), [0, 0, 0]);
}
