//! Volumes in several servers at a time, over the API in process and as compute holds them.

use serde_json::{Value as Json, json};
use store::Tx;
use testkit::{Answer, Api};
use types::{ServerId, VolumeId};

use crate::tests::{ADMIN, MEMBER, Node, OTHER, act, api, create, new_image, new_volume, status};
use crate::volume::store::VOLUMES;
use crate::volume::{NewAttachment, Volume, ops};

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];
const MIGRATION: &str = include_str!("../../migrations/0020_attachments.sql");

struct World {
    api: Api,
    node: Node,
}

/// A host, and a type `shared` whose volumes are for several servers.
fn world() -> World {
    let api = api();
    let node = Node::join(&api, "one", 10);
    new_type(&api, "shared", &json!({"multiattach": "<is> True"}));
    World { api, node }
}

fn new_type(api: &Api, name: &str, specs: &Json) {
    let draft = json!({"volume_type": {"name": name, "extra_specs": specs}});
    assert_eq!(api.post(ADMIN, "/volume/v3/types", &draft).status, 200);
}

fn path(id: &str) -> String {
    format!("/volume/v3/volumes/{id}")
}

fn server() -> ServerId {
    ServerId(runtime::new_uuid())
}

impl World {
    /// A volume of the type `shared` that its host has made.
    fn shared(&mut self, more: Json) -> String {
        let mut body = json!({"size": 1, "volume_type": "shared"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = create(&self.api, MEMBER, &body);
        assert_eq!((made.status, &made.body["volume"]["multiattach"]), (202, &json!(true)), "{made:?}");
        self.node.work(&self.api);
        let id = made.body["volume"]["id"].as_str().unwrap().to_owned();
        assert_eq!(status(&self.api, &id), "available");
        id
    }

    fn call(&self, token: &str, method: &str, path: &str, body: Json) -> Answer {
        self.api.call(token, method, &format!("/volume/v3/{path}"), &NEWEST, &body)
    }

    fn attach(&self, volume: &str, server: ServerId) -> Answer {
        let body = json!({"attachment": {"volume_uuid": volume, "instance_uuid": server}});
        self.call(MEMBER, "POST", "attachments", body)
    }

    /// A client's attachment that is complete; its id.
    fn attached(&self, volume: &str, server: ServerId) -> String {
        let made = self.attach(volume, server);
        assert_eq!(made.status, 200, "{made:?}");
        let id = made.body["attachment"]["id"].as_str().unwrap().to_owned();
        let connector = json!({"attachment": {"connector": {"host": "far", "mountpoint": "/dev/vdb"}}});
        assert_eq!(self.call(MEMBER, "PUT", &format!("attachments/{id}"), connector).status, 200);
        let complete = json!({"os-complete": {}});
        assert_eq!(self.call(MEMBER, "POST", &format!("attachments/{id}/action"), complete).status, 204);
        id
    }

    /// The servers that a volume is shown to be in.
    fn servers(&self, volume: &str) -> Vec<String> {
        let shown = self.api.get(ADMIN, &path(volume)).body["volume"]["attachments"].clone();
        let mut found: Vec<String> = shown
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["server_id"].as_str().unwrap_or_default().to_owned())
            .collect();
        found.sort();
        found
    }

    fn row(&self, volume: &str) -> Volume {
        let id: VolumeId = volume.parse().unwrap();
        let read = self.api.store.read_blocking(move |tx: &mut Tx<'_>| VOLUMES.load(tx, id));
        read.unwrap().unwrap().into_inner()
    }

    /// What compute does with a volume and a server in a transaction of its own.
    fn compute<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T, crate::Error> + Send + 'static,
    ) -> Result<T, crate::Error> {
        self.api.store.write_blocking(work)
    }

    fn reserve(&self, volume: &str, server: ServerId) -> Result<(), crate::Error> {
        let (id, caller) = (volume.parse().unwrap(), testkit::caller(MEMBER).unwrap());
        self.compute(move |tx| ops::reserve(&caller, tx, id, server).map(|_| ()))
    }

    fn enter(&self, volume: &str, server: ServerId) -> Result<(), crate::Error> {
        let id = volume.parse().unwrap();
        self.compute(move |tx| {
            let device = "/dev/vdb".to_owned();
            let new = NewAttachment { server_id: server, device, host: "one".into(), watcher: None };
            ops::attach(tx, id, new).map(|_| ())
        })
    }

    fn begin_detach(&self, volume: &str, server: ServerId) -> Result<(), crate::Error> {
        let (id, caller) = (volume.parse().unwrap(), testkit::caller(MEMBER).unwrap());
        self.compute(move |tx| ops::begin_detach(&caller, tx, id, server))
    }

    fn leave(&self, volume: &str, server: ServerId) {
        let id = volume.parse().unwrap();
        self.compute(move |tx| ops::detach(tx, id, server)).unwrap();
    }
}

fn sorted(servers: &[ServerId]) -> Vec<String> {
    let mut all: Vec<String> = servers.iter().map(ToString::to_string).collect();
    all.sort();
    all
}

#[test]
fn servers_come_to_a_shared_volume_and_leave_it_one_after_another() {
    let mut world = world();
    let id = world.shared(json!({}));
    assert!(world.node.volumes[&id].multiattach);
    let [first, second, third] = [server(), server(), server()];
    world.reserve(&id, first).unwrap();
    // As long as one is on its way no other comes.
    assert_eq!(status(&world.api, &id), "reserved");
    assert!(world.reserve(&id, second).is_err());
    world.enter(&id, first).unwrap();
    assert_eq!(status(&world.api, &id), "in-use");
    assert!(world.reserve(&id, first).is_err(), "it has it already");
    world.reserve(&id, second).unwrap();
    assert_eq!((status(&world.api, &id), world.servers(&id)), ("reserved".to_owned(), sorted(&[first])));
    assert!(world.begin_detach(&id, first).is_err());
    world.enter(&id, second).unwrap();
    world.enter(&id, third).unwrap();
    world.enter(&id, third).unwrap();
    assert_eq!(
        (status(&world.api, &id), world.servers(&id)),
        ("in-use".to_owned(), sorted(&[first, second, third]))
    );
    assert_eq!(world.api.delete(MEMBER, &path(&id)).status, 400);
    assert_eq!(act(&world.api, ADMIN, &id, &json!({"os-force_delete": {}})), 400);

    // Clients do not take it from any of them.
    for attachment in world.row(&id).attachments {
        let body = json!({"os-detach": {"attachment_id": attachment.id}});
        assert_eq!(act(&world.api, MEMBER, &id, &body), 409);
        let own = format!("attachments/{}", attachment.id);
        assert_eq!(world.call(MEMBER, "DELETE", &own, Json::Null).status, 409);
    }
    assert_eq!(act(&world.api, MEMBER, &id, &json!({"os-detach": {}})), 409);

    world.begin_detach(&id, second).unwrap();
    assert_eq!(status(&world.api, &id), "detaching");
    assert!(world.begin_detach(&id, first).is_err() && world.reserve(&id, server()).is_err());
    // One whose server goes does not end what is done with another's.
    world.leave(&id, third);
    world.leave(&id, second);
    world.leave(&id, second);
    assert_eq!((status(&world.api, &id), world.servers(&id)), ("in-use".to_owned(), sorted(&[first])));
    world.leave(&id, first);
    assert_eq!(status(&world.api, &id), "available");
    assert_eq!(
        world.call(ADMIN, "GET", "attachments?all_tenants=1", Json::Null).body["attachments"],
        json!([])
    );
    assert_eq!(world.api.delete(MEMBER, &path(&id)).status, 202);
    world.node.work(&world.api);
    assert_eq!(status(&world.api, &id), "gone");
}

#[test]
fn clients_attach_a_shared_volume_several_times() {
    let mut world = world();
    let (id, alone) = (world.shared(json!({})), new_volume(&world.api, MEMBER));
    world.node.work(&world.api);
    let [first, second] = [server(), server()];
    let one = world.attached(&id, first);
    let two = world.attached(&id, second);
    assert_eq!(world.servers(&id), sorted(&[first, second]));
    assert_eq!(world.attach(&id, second).status, 400, "it has it already");
    // What is for one is for one.
    world.attached(&alone, first);
    assert_eq!(world.attach(&alone, second).status, 400);
    assert_eq!(act(&world.api, MEMBER, &alone, &json!({"os-reserve": {}})), 400);

    let listed = |query: &str| {
        let answer = world.call(MEMBER, "GET", &format!("attachments{query}"), Json::Null);
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let all = answer.body["attachments"].as_array().unwrap().clone();
        let ids: Vec<String> = all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        ids
    };
    assert_eq!(listed("").len(), 3);
    let mut of_volume = listed(&format!("/detail?volume_id={id}"));
    let mut expected = vec![one.clone(), two.clone()];
    of_volume.sort();
    expected.sort();
    assert_eq!(of_volume, expected);
    assert_eq!(listed(&format!("?instance_id={second}")), [two.as_str()]);
    assert_eq!(listed("?attach_status=reserved"), Vec::<String>::new());
    // In pages, in any order, each once.
    let mut seen = listed("?sort=id:asc&limit=1");
    while let Some(last) = seen.last().cloned() {
        match listed(&format!("?sort=id:asc&limit=1&marker={last}")).pop() {
            Some(next) => seen.push(next),
            None => break,
        }
    }
    let mut all = listed("");
    all.sort();
    assert_eq!(seen, all);
    assert_eq!(world.call(OTHER, "GET", &format!("attachments/{one}"), Json::Null).status, 404);
    assert_eq!(
        world.call(MEMBER, "GET", &format!("attachments?marker={}", server()), Json::Null).status,
        404
    );

    // Of several it must be said which is meant.
    assert_eq!(act(&world.api, MEMBER, &id, &json!({"os-detach": {}})), 409);
    let foreign = listed(&format!("?volume_id={alone}"))[0].clone();
    assert_eq!(act(&world.api, MEMBER, &id, &json!({"os-detach": {"attachment_id": foreign}})), 400);
    let unknown = json!({"os-detach": {"attachment_id": server()}});
    assert_eq!((act(&world.api, MEMBER, &id, &unknown), world.servers(&id).len()), (202, 2));
    assert_eq!(act(&world.api, MEMBER, &id, &json!({"os-detach": {"attachment_id": one}})), 202);
    assert_eq!((status(&world.api, &id), world.servers(&id)), ("in-use".to_owned(), sorted(&[second])));
    assert_eq!(world.call(MEMBER, "GET", &format!("attachments/{one}"), Json::Null).status, 404);
    assert_eq!(world.call(MEMBER, "DELETE", &format!("attachments/{two}"), Json::Null).status, 200);
    assert_eq!(status(&world.api, &id), "available");
}

#[test]
fn actions_of_old_know_shared_volumes() {
    let mut world = world();
    let id = world.shared(json!({}));
    let check = |body: Json, expected: u16, then: &str| {
        assert_eq!(act(&world.api, MEMBER, &id, &body), expected, "{body}");
        assert_eq!(status(&world.api, &id), then, "{body}");
    };
    let [first, second] = [server(), server()];
    let attach = |server: ServerId| json!({"os-attach": {"instance_uuid": server, "mountpoint": "/dev/vdc"}});
    check(attach(first), 202, "in-use");
    check(attach(first), 400, "in-use");
    check(json!({"os-reserve": {}}), 202, "attaching");
    check(json!({"os-reserve": {}}), 400, "attaching");
    check(json!({"os-unreserve": {}}), 202, "in-use");
    check(json!({"os-reserve": {}}), 202, "attaching");
    check(attach(second), 202, "in-use");
    check(json!({"os-begin_detaching": {}}), 202, "detaching");
    let held = world.row(&id).attachments[0].id;
    check(json!({"os-detach": {"attachment_id": held}}), 202, "in-use");
    // What is left needs no name.
    check(json!({"os-detach": {}}), 202, "available");
    // A client's own beside compute's.
    world.enter(&id, first).unwrap();
    check(attach(second), 202, "in-use");
    let own = world.row(&id).attachments.iter().find(|held| !held.by_compute).unwrap().id;
    check(json!({"os-detach": {"attachment_id": own}}), 202, "in-use");
    assert_eq!(world.servers(&id), sorted(&[first]));
    let detached = json!({"os-reset_status": {"status": "error", "attach_status": "detached"}});
    assert_eq!(act(&world.api, ADMIN, &id, &detached), 202);
    assert_eq!(world.servers(&id), sorted(&[first]), "what compute attached stays");
}

#[test]
fn who_may_share_what_is_asked() {
    let mut world = world();
    let image = new_image(&world.api);
    let bootable = world.shared(json!({"imageRef": image}));
    world.enter(&bootable, server()).unwrap();
    world.reserve(&bootable, server()).unwrap();
    // A reader makes none, and an encrypted one is made by nobody.
    let body = json!({"size": 1, "volume_type": "shared"});
    assert_eq!(create(&world.api, "reader@alpha", &body).status, 403);
    new_type(&world.api, "secret", &json!({"multiattach": "<is> True"}));
    let types = world.call(ADMIN, "GET", "types", Json::Null).body["volume_types"].clone();
    let secret = types.as_array().unwrap().iter().find(|one| one["name"] == "secret").unwrap()["id"].clone();
    let luks = json!({"encryption": {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64",
        "key_size": 256}});
    let encryption = format!("types/{}/encryption", secret.as_str().unwrap());
    assert_eq!(world.call(ADMIN, "POST", &encryption, luks).status, 200);
    let refused = create(&world.api, MEMBER, &json!({"size": 1, "volume_type": "secret"}));
    assert_eq!(refused.status, 400);
    assert!(refused.body["badRequest"]["message"].as_str().unwrap().contains("Multiattach cannot be used"));
    let lists = |query: &str| {
        let found = world.call(ADMIN, "GET", &format!("volumes?all_tenants=1&{query}"), Json::Null).body;
        found["volumes"].as_array().unwrap().len()
    };
    assert_eq!((lists("multiattach=true"), lists("multiattach=false")), (1, 0));
}

#[test]
fn attachments_of_old_rows_are_found() {
    let mut world = world();
    let (id, held) = (new_volume(&world.api, MEMBER), server());
    world.node.work(&world.api);
    let attachment = world.attached(&id, held);
    // As a version left it that knew one attachment for each volume.
    let (volume, key) = (id.clone(), attachment.clone());
    world
        .api
        .store
        .write_blocking(move |tx: &mut Tx<'_>| {
            let rows =
                tx.rows("SELECT doc FROM block_storage_volumes WHERE id = ?", &[volume.as_str().into()])?;
            let mut doc: Json = serde_json::from_str(rows[0][0].text().unwrap()).unwrap();
            let one = doc.as_object_mut().unwrap().remove("attachments").unwrap()[0].clone();
            doc["attachment"] = one;
            let sql =
                "UPDATE block_storage_volumes SET doc = ?, attachment_id = ?, server_id = ? WHERE id = ?";
            let args = [doc.to_string().into(), key.as_str().into(), held.into(), volume.as_str().into()];
            tx.execute(sql, &args)?;
            tx.execute("DELETE FROM block_storage_attachments", &[])?;
            let changes = MIGRATION.split(';').map(str::trim).filter(|sql| !sql.starts_with("CREATE"));
            for sql in changes {
                let sql: Vec<&str> = sql.lines().filter(|line| !line.starts_with("--")).collect();
                if !sql.is_empty() {
                    tx.execute(&sql.join("\n"), &[])?;
                }
            }
            Ok::<_, store::Error>(())
        })
        .unwrap();
    assert_eq!(world.servers(&id), sorted(&[held]));
    let shown = world.call(MEMBER, "GET", &format!("attachments/{attachment}"), Json::Null);
    assert_eq!((shown.status, &shown.body["attachment"]["instance"]), (200, &json!(held)));
    assert_eq!(world.call(MEMBER, "DELETE", &format!("attachments/{attachment}"), Json::Null).status, 200);
    assert_eq!(status(&world.api, &id), "available");
    let none: Volume = serde_json::from_value({
        let mut doc = serde_json::to_value(world.row(&id)).unwrap();
        doc.as_object_mut().unwrap().remove("attachments");
        doc["attachment"] = Json::Null;
        doc
    })
    .unwrap();
    assert_eq!(none.attachments, []);
}

#[test]
fn what_several_servers_may_have_is_neither_managed_nor_left_to_others() {
    let mut world = world();
    let id = world.shared(json!({}));
    assert_eq!(act(&world.api, ADMIN, &id, &json!({"os-unmanage": {}})), 400);
    let volume =
        json!({"volume": {"host": "one@file#file", "ref": {"source-name": "x"}, "volume_type": "shared"}});
    let managed = world.call(ADMIN, "POST", "manageable_volumes", volume);
    assert_eq!(managed.status, 400);
    let said = managed.body["badRequest"]["message"].as_str().unwrap_or_default();
    assert!(said.contains("Managing to a multiattach volume type is not supported."), "{managed:?}");
    let snapshot = json!({"snapshot": {"volume_id": id, "ref": {"source-name": "x"}}});
    assert_eq!(world.call(ADMIN, "POST", "manageable_snapshots", snapshot).status, 400);
}
