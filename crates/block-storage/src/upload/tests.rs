//! Images of volumes over the API in process, with a node that copies.

use std::time::Duration;

use serde_json::{Value as Json, json};
use testkit::{Answer, Api};

use crate::tests::{ADMIN, MEMBER, Node, act, api, api_over, golden, new_volume, status};
use image::image::node_copy::COPY_TIME_MAX;

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];

/// A host, and a volume on it.
fn ready(api: &Api) -> (Node, String) {
    let mut node = Node::join(api, "one", 10);
    let volume = new_volume(api, MEMBER);
    node.work(api);
    (node, volume)
}

fn upload(api: &Api, token: &str, volume: &str, body: &Json) -> Answer {
    let path = format!("/volume/v3/volumes/{volume}/action");
    api.call(token, "POST", &path, &NEWEST, &json!({"os-volume_upload_image": body}))
}

/// Begins an upload; the id of its image.
fn begun(api: &Api, volume: &str, body: &Json) -> String {
    let answer = upload(api, MEMBER, volume, body);
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body["os-volume_upload_image"]["image_id"].as_str().unwrap().to_owned()
}

fn image(api: &Api, id: &str) -> Json {
    api.get(MEMBER, &format!("/image/v2/images/{id}")).body
}

fn image_status(api: &Api, id: &str) -> String {
    image(api, id)["status"].as_str().unwrap_or("gone").to_owned()
}

/// How many rows of uploads and of snapshots there are, the hidden ones too, and of images and of documents.
fn left(api: &Api) -> [i64; 4] {
    let tables = [
        "block_storage_uploads",
        "block_storage_snapshots",
        "image_images",
        "node_documents WHERE kind = 'copy'",
    ];
    tables.map(|table| {
        let count = move |tx: &mut store::Tx<'_>| tx.rows(&format!("SELECT COUNT(*) FROM {table}"), &[]);
        api.store.read_blocking(count).unwrap()[0][0].int().unwrap()
    })
}

#[test]
fn conversations_are_as_reviewed() {
    let api = api();
    let _ready = ready(&api);
    golden(&api, "upload/golden/upload.http");
}

#[test]
fn an_image_is_made_of_what_the_volume_was_then() {
    let api = api();
    let (mut node, volume) = ready(&api);
    let words =
        json!({"hw_disk_bus": "virtio", "image_id": "x", "min_disk": "7", "os_glance_x": "y", "size": "9"});
    assert_eq!(act(&api, MEMBER, &volume, &json!({"os-set_image_metadata": {"metadata": words}})), 200);
    let id = begun(&api, &volume, &json!({"image_name": "squid", "disk_format": "vmdk", "protected": true}));
    assert_eq!((status(&api, &volume).as_str(), image_status(&api, &id).as_str()), ("uploading", "queued"));
    // Meanwhile nobody else gives it bytes or says what they are, and the volume stays.
    let put = api.send(MEMBER, "PUT", &format!("/image/v2/images/{id}/file"), &OCTETS, vec![0; 512]);
    assert_eq!(put.status, 409, "{put:?}");
    let patch = br#"[{"op": "replace", "path": "/disk_format", "value": "raw"}]"#.to_vec();
    assert_eq!(api.send(MEMBER, "PATCH", &format!("/image/v2/images/{id}"), &PATCH, patch).status, 403);
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{volume}")).status, 400);
    node.work(&api);
    assert_eq!(status(&api, &volume), "available");
    let made = image(&api, &id);
    let expected = json!({
        "status": "active", "size": 512, "virtual_size": 1 << 30, "checksum": "0".repeat(32),
        "os_hash_value": "0".repeat(128), "disk_format": "vmdk", "container_format": "bare", "name": "squid",
        "visibility": "private", "protected": true, "min_disk": 0, "hw_disk_bus": "virtio", "owner": "alpha",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(made[key], *value, "{key}");
    }
    assert_eq!((&made["image_id"], &made["os_glance_x"]), (&Json::Null, &Json::Null));
    assert_eq!(left(&api), [0, 0, 1, 0]);
    assert_eq!(api.runner.sweep().unwrap(), []);
}

const OCTETS: [(&str, &str); 1] = [("content-type", "application/octet-stream")];
const PATCH: [(&str, &str); 1] = [("content-type", "application/openstack-images-v2.1-json-patch")];

#[test]
fn a_volume_in_a_server_is_copied_by_force_only() {
    let api = api();
    let (mut node, volume) = ready(&api);
    let attach = json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdb"}});
    assert_eq!(act(&api, MEMBER, &volume, &attach), 202);
    let refused = upload(&api, MEMBER, &volume, &json!({"image_name": "squid"}));
    assert_eq!(refused.status, 400);
    assert_eq!(left(&api), [0, 0, 0, 0]);
    let id = begun(&api, &volume, &json!({"image_name": "squid", "force": "true"}));
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), image_status(&api, &id).as_str()), ("in-use", "active"));
}

#[test]
fn a_copy_takes_its_time_but_not_for_ever() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let (mut node, volume) = ready(&api);
    node.slow = true;
    let id = begun(&api, &volume, &json!({"image_name": "squid"}));
    node.work(&api);
    // An upload that a client sends would long be lost.
    guard.advance(Duration::from_secs(3600));
    api.settle();
    assert_eq!((status(&api, &volume).as_str(), image_status(&api, &id).as_str()), ("uploading", "saving"));
    assert_eq!(left(&api), [1, 1, 1, 1]);
    guard.advance(COPY_TIME_MAX);
    api.settle();
    assert_eq!((status(&api, &volume).as_str(), image_status(&api, &id).as_str()), ("available", "gone"));
    // As long as the host does not say that it has stopped, what it reads and writes stays.
    assert_eq!(left(&api), [1, 1, 1, 1]);
    node.work(&api);
    guard.advance(Duration::from_secs(3600));
    api.settle();
    node.work(&api);
    assert_eq!(left(&api), [0, 0, 0, 0]);
    assert_eq!(status(&api, &volume), "available");
}

#[test]
fn what_the_host_refuses_leaves_no_image() {
    let api = api();
    let (mut node, volume) = ready(&api);
    // The snapshot, then the copy.
    for steps in 0..2 {
        let id = begun(&api, &volume, &json!({"image_name": "squid", "protected": true}));
        for step in 0..=steps {
            let documents = node.wanted(&api);
            node.refuses = (step == steps).then_some("it is full");
            node.report(documents);
        }
        node.refuses = None;
        node.work(&api);
        assert_eq!((status(&api, &volume).as_str(), image_status(&api, &id).as_str()), ("available", "gone"));
        assert_eq!(left(&api), [0, 0, 0, 0], "{steps}");
        let messages = api.call(MEMBER, "GET", "/volume/v3/messages", &NEWEST, &Json::Null).body;
        let failures = messages["messages"].as_array().unwrap().clone();
        assert_eq!(failures.len(), steps + 1);
        let text = "copy volume to image:Failed to upload volume to image at backend.";
        assert_eq!(failures[0]["user_message"], text);
    }
}

#[test]
fn an_image_or_a_volume_that_is_deleted_stops_it() {
    let guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let (mut node, volume) = ready(&api);
    node.slow = true;
    let id = begun(&api, &volume, &json!({"image_name": "squid"}));
    node.work(&api);
    assert_eq!(api.delete(MEMBER, &format!("/image/v2/images/{id}")).status, 204);
    guard.advance(Duration::from_secs(10));
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), left(&api)), ("available", [0, 0, 0, 0]));

    let id = begun(&api, &volume, &json!({"image_name": "squid"}));
    node.work(&api);
    assert_eq!(act(&api, ADMIN, &volume, &json!({"os-force_delete": {}})), 202);
    node.work(&api);
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), image_status(&api, &id).as_str()), ("gone", "gone"));
    assert_eq!(left(&api), [0, 0, 0, 0]);
    assert_eq!(api.runner.sweep().unwrap(), []);
}

#[test]
fn what_the_image_service_refuses_changes_nothing() {
    let config = image::Config {
        limits: |_, _| Ok([("image_count_uploading".to_owned(), 1)].into()),
        ..image::Config::default()
    };
    let api = api_over(None, config);
    let (mut node, volume) = ready(&api);
    let other = new_volume(&api, MEMBER);
    node.work(&api);
    begun(&api, &volume, &json!({"image_name": "squid"}));
    let before = left(&api);
    let refused = upload(&api, MEMBER, &other, &json!({"image_name": "squid"}));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.to_string().contains("image_count_uploading is over limit of 1"), "{refused:?}");
    assert_eq!((status(&api, &other).as_str(), left(&api)), ("available", before));
    node.work(&api);
    begun(&api, &other, &json!({"image_name": "squid"}));
}

#[test]
fn an_operators_word_ends_no_upload() {
    let api = api();
    let (mut node, volume) = ready(&api);
    let id = begun(&api, &volume, &json!({"image_name": "squid"}));
    assert_eq!(act(&api, ADMIN, &volume, &json!({"os-reset_status": {"status": "error"}})), 202);
    node.work(&api);
    assert_eq!((status(&api, &volume).as_str(), image_status(&api, &id).as_str()), ("error", "active"));
    assert_eq!(left(&api), [0, 0, 1, 0]);
}
