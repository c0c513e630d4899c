//! Images over the API in process: what is right, and what must be refused without a 500.

use serde_json::{Value as Json, json};
use testkit::{Answer, Api};

use crate::tests::{ADMIN, MEMBER, OTHER, api, upload};

const PATCH: (&str, &str) = ("content-type", "application/openstack-images-v2.1-json-patch");

fn create(api: &Api, token: &str, body: &Json) -> Answer {
    api.post(token, "/image/v2/images", body)
}

fn new_image(api: &Api, token: &str, name: &str) -> String {
    let body = json!({"name": name, "disk_format": "raw", "container_format": "bare"});
    let answer = create(api, token, &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

fn patch(api: &Api, token: &str, id: &str, body: &Json) -> Answer {
    api.call(token, "PATCH", &format!("/image/v2/images/{id}"), &[PATCH], body)
}

fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let images = answer.body["images"].as_array().unwrap();
    images.iter().map(|image| image["name"].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    let api = api();
    let check = |body: Json, status: u16| {
        let answer = create(&api, MEMBER, &body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    };
    check(json!({"name": 7}), 400);
    check(json!({"name": "x".repeat(256)}), 400);
    check(json!([]), 400);
    check(json!("image"), 400);
    check(json!({"id": "no-uuid"}), 400);
    check(json!({"disk_format": "floppy"}), 400);
    check(json!({"container_format": 3}), 400);
    check(json!({"visibility": "everyone"}), 400);
    check(json!({"visibility": "public"}), 403);
    check(json!({"min_disk": -1}), 400);
    check(json!({"min_ram": "many"}), 400);
    check(json!({"protected": "yes"}), 400);
    check(json!({"tags": "one"}), 400);
    check(json!({"tags": [1]}), 400);
    check(json!({"status": "active"}), 403);
    check(json!({"deleted": true}), 403);
    check(json!({"owner": "beta"}), 403);
    check(json!({"hw_disk_bus": 1}), 400);
    check(json!({"k".repeat(256): "v"}), 400);
    let many: serde_json::Map<String, Json> = (0..129).map(|n| (format!("p{n}"), json!("v"))).collect();
    check(Json::Object(many), 413);
    check(json!({"tags": (0..129).map(|n| n.to_string()).collect::<Vec<_>>()}), 413);
    assert_eq!(api.send(MEMBER, "POST", "/image/v2/images", &[], b"{".to_vec()).status, 400);
    assert_eq!(create(&api, "reader@alpha", &json!({})).status, 403);
    assert_eq!(create(&api, "", &json!({})).status, 401);
    let id = "4b8c6b16-97ad-4b4f-9f5c-62f6b0b7d1aa";
    assert_eq!(create(&api, MEMBER, &json!({"id": id})).status, 201);
    assert_eq!(create(&api, OTHER, &json!({"id": id})).status, 409);
}

#[test]
fn patches_change_all_or_nothing() {
    let api = api();
    let id = new_image(&api, MEMBER, "squid");
    let check = |operations: Json, status: u16| {
        let answer = patch(&api, MEMBER, &id, &operations);
        assert_eq!(answer.status, status, "{operations}: {answer:?}");
        answer
    };
    let done = check(
        json!([
            {"op": "replace", "path": "/name", "value": "octopus"},
            {"op": "add", "path": "/os_distro", "value": "debian"},
            {"op": "add", "path": "/a~1b", "value": "slash"},
            {"op": "replace", "path": "/tags", "value": ["b", "a", "b"]},
            {"op": "replace", "path": "/min_ram", "value": 64},
        ]),
        200,
    );
    assert_eq!(done.body["name"], "octopus");
    assert_eq!(done.body["a/b"], "slash");
    assert_eq!(done.body["tags"], json!(["a", "b"]));
    let swap =
        json!([{"op": "replace", "path": "/name", "value": "lost"}, {"op": "remove", "path": "/nothing"}]);
    check(swap, 409);
    assert_eq!(api.get(MEMBER, &format!("/image/v2/images/{id}")).body["name"], "octopus");
    check(json!([{"op": "replace", "path": "/nothing", "value": "x"}]), 409);
    check(json!([{"op": "remove", "path": "/os_distro"}]), 200);
    check(json!([{"op": "remove", "path": "/name"}]), 403);
    check(json!([{"op": "replace", "path": "/status", "value": "active"}]), 403);
    check(json!([{"op": "replace", "path": "/id", "value": "x"}]), 403);
    check(json!([{"op": "replace", "path": "/visibility", "value": "public"}]), 403);
    check(json!([{"op": "replace", "path": "/owner", "value": "beta"}]), 403);
    check(json!([{"op": "add", "path": "/locations/-", "value": {}}]), 403);
    check(json!([{"op": "replace", "path": "/locations", "value": []}]), 403);
    check(json!([{"op": "add", "path": "/locations", "value": {}}]), 400);
    check(json!([{"op": "add", "path": "/a/b", "value": "x"}]), 400);
    check(json!([{"op": "add", "path": "/a//b", "value": "x"}]), 400);
    check(json!([{"op": "add", "path": "/a/", "value": "x"}]), 400);
    check(json!([{"op": "add", "path": "/os_glance_lock", "value": "x"}]), 403);
    check(json!([{"op": "add", "path": "/deleted", "value": "x"}]), 403);
    check(json!([{"op": "add", "path": "name", "value": "x"}]), 400);
    check(json!([{"op": "add", "path": "/x~2", "value": "x"}]), 400);
    check(json!([{"op": "add", "path": "/x"}]), 400);
    check(json!([{"op": "move", "path": "/x", "value": "x"}]), 400);
    check(json!({"op": "add"}), 400);
    check(json!([7]), 400);
    check(json!([{"op": "add", "path": "/x", "value": 7}]), 400);
    let plain = api.call(MEMBER, "PATCH", &format!("/image/v2/images/{id}"), &[], &json!([]));
    assert_eq!(plain.status, 415);
    assert_eq!(patch(&api, OTHER, &id, &json!([])).status, 404);
    let rename = json!([{"op": "replace", "path": "/name", "value": "mine"}]);
    assert_eq!(patch(&api, "reader@alpha", &id, &rename).status, 403);
    assert_eq!(patch(&api, "reader@alpha", &id, &json!([])).status, 200);
}

#[test]
fn the_older_patch_has_its_own_spelling() {
    let api = api();
    let id = new_image(&api, MEMBER, "squid");
    let older = [("content-type", "application/openstack-images-v2.0-json-patch")];
    let check = |operations: Json, status: u16| {
        let answer = api.call(MEMBER, "PATCH", &format!("/image/v2/images/{id}"), &older, &operations);
        assert_eq!(answer.status, status, "{operations}: {answer:?}");
        answer
    };
    assert_eq!(check(json!([{"add": "/depth", "value": "deep"}]), 200).body["depth"], "deep");
    check(json!([{"add": "/depth", "value": "deeper"}]), 409);
    check(json!([{"add": "/name", "value": "octopus"}]), 409);
    assert_eq!(check(json!([{"replace": "/name", "value": "octopus"}]), 200).body["name"], "octopus");
    assert_eq!(check(json!([{"remove": "/depth"}]), 200).body["depth"], Json::Null);
    check(json!([{"remove": "/depth"}]), 409);
    check(json!([{"add": "/a", "remove": "/b", "value": "x"}]), 400);
    check(json!([{"op": "add", "path": "/a", "value": "x"}]), 400);
}

#[test]
fn visibility_decides_who_sees_what() {
    let api = api();
    let image = |token: &str, name: &str, visibility: &str| {
        let answer = create(&api, token, &json!({"name": name, "visibility": visibility}));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    };
    let public = image(ADMIN, "public", "public");
    let community = image(MEMBER, "community", "community");
    let shared = image(MEMBER, "shared", "shared");
    let private = image(MEMBER, "private", "private");
    let sees = |token: &str, id: &str| api.get(token, &format!("/image/v2/images/{id}")).status == 200;
    assert!(sees(OTHER, &public) && sees(OTHER, &community));
    assert!(!sees(OTHER, &shared) && !sees(OTHER, &private));
    assert!([&shared, &private].into_iter().all(|id| sees(MEMBER, id) && sees(ADMIN, id)));
    let listed = |token: &str, query: &str| {
        let mut found = names(&api.get(token, &format!("/image/v2/images?{query}")));
        found.sort();
        found.join(" ")
    };
    assert_eq!(listed(OTHER, ""), "public");
    assert_eq!(listed(OTHER, "visibility=community"), "community");
    assert_eq!(listed(OTHER, "visibility=all"), "community public");
    assert_eq!(listed(MEMBER, ""), "community private public shared");
    assert_eq!(listed(MEMBER, "visibility=private"), "private");
    assert_eq!(listed(ADMIN, ""), "private public shared");
    assert_eq!(api.get(MEMBER, "/image/v2/images?visibility=odd").status, 400);

    let members = format!("/image/v2/images/{shared}/members");
    assert_eq!(api.post(MEMBER, &members, &json!({"member": "beta"})).status, 200);
    assert_eq!(api.post(MEMBER, &members, &json!({"member": "beta"})).status, 409);
    assert_eq!(api.post(MEMBER, &members, &json!({"member": 7})).status, 400);
    assert_eq!(api.post(MEMBER, &members, &json!({})).status, 400);
    assert!(sees(OTHER, &shared));
    assert_eq!(listed(OTHER, ""), "public");
    assert_eq!(listed(OTHER, "visibility=shared&member_status=pending"), "shared");
    let beta = format!("{members}/beta");
    assert_eq!(api.put(MEMBER, &beta, &json!({"status": "accepted"})).status, 403);
    assert_eq!(api.put(OTHER, &beta, &json!({"status": "eager"})).status, 400);
    let accepted = api.put(OTHER, &beta, &json!({"status": "accepted"}));
    assert_eq!((accepted.status, accepted.body["status"].as_str()), (200, Some("accepted")));
    assert_eq!(listed(OTHER, ""), "public shared");
    assert_eq!(api.get(OTHER, &members).body["members"].as_array().unwrap().len(), 1);
    assert_eq!(api.post(OTHER, &members, &json!({"member": "gamma"})).status, 403);
    assert_eq!(api.get(OTHER, &format!("{members}/gamma")).status, 404);
    assert_eq!(api.delete(MEMBER, &beta).status, 204);
    assert_eq!(api.delete(MEMBER, &beta).status, 404);
    assert!(!sees(OTHER, &shared));
    assert_eq!(api.get(MEMBER, &format!("/image/v2/images/{private}/members")).status, 403);
    assert_eq!(api.delete(OTHER, &format!("/image/v2/images/{public}")).status, 403);
}

#[test]
fn lists_filter_sort_and_page() {
    let api = api();
    for (name, tags) in [("a", json!(["x"])), ("b", json!(["x", "y"])), ("c", json!([])), ("d", json!(["y"]))]
    {
        let body = json!({"name": name, "tags": tags, "os_distro": "debian", "disk_format": "raw"});
        assert_eq!(create(&api, MEMBER, &body).status, 201);
    }
    assert_eq!(create(&api, MEMBER, &json!({"name": "h", "os_hidden": true})).status, 201);
    let list = |query: &str| names(&api.get(MEMBER, &format!("/image/v2/images?{query}"))).join("");
    assert_eq!(list("sort=name:asc"), "abcd");
    assert_eq!(list("sort_key=name"), "dcba");
    assert_eq!(list("sort_key=status&sort_key=name&sort_dir=asc"), "abcd");
    assert_eq!(list("sort=name:asc&tag=x"), "ab");
    assert_eq!(list("tag=x&tag=y"), "b");
    assert_eq!(list("sort=name:asc&name=in:a,%22c%22"), "ac");
    assert_eq!(list("os_distro=debian&sort=name:asc&limit=2"), "ab");
    assert_eq!(list("os_distro=windows"), "");
    assert_eq!(list("os_hidden=true"), "h");
    assert_eq!(list("size_min=0"), "");
    assert_eq!(list("size=0"), "");
    assert_eq!(list("status=queued&disk_format=raw&sort=name:asc"), "abcd");
    assert_eq!(list("created_at=gt:2100-01-01T00:00:00Z"), "");
    assert_eq!(list("limit=0"), "");
    for bad in [
        "limit=-1",
        "limit=x",
        "marker=x",
        "marker=4b8c6b16-97ad-4b4f-9f5c-62f6b0b7d1aa",
        "sort_key=odd",
        "sort=name:up",
        "created_at=soon",
        "size_min=x",
        "protected=maybe",
        "name=in:%22a",
        "member_status=odd",
        "sort_key=name&sort_key=id&sort_key=size&sort_dir=asc&sort_dir=asc",
    ] {
        assert_eq!(api.get(MEMBER, &format!("/image/v2/images?{bad}")).status, 400, "{bad}");
    }
    let mut path = "/v2/images?limit=3&sort=name:asc&os_distro=debian".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = api.get(MEMBER, &format!("/image{path}"));
        seen.extend(names(&page));
        match page.body["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.join(""), "abcd");
}

#[test]
fn tags_protection_and_deactivation() {
    let api = api();
    let id = new_image(&api, MEMBER, "squid");
    let path = format!("/image/v2/images/{id}");
    assert_eq!(api.put(MEMBER, &format!("{path}/tags/wet"), &Json::Null).status, 204);
    assert_eq!(api.put(MEMBER, &format!("{path}/tags/{}", "x".repeat(256)), &Json::Null).status, 400);
    assert_eq!(api.get(MEMBER, &path).body["tags"], json!(["wet"]));
    assert_eq!(api.delete(MEMBER, &format!("{path}/tags/wet")).status, 204);
    assert_eq!(api.delete(MEMBER, &format!("{path}/tags/wet")).status, 404);
    assert_eq!(api.post(MEMBER, &format!("{path}/actions/deactivate"), &Json::Null).status, 403);
    assert_eq!(upload(&api, MEMBER, &id, b"bytes".to_vec()).status, 204);
    assert_eq!(api.post(MEMBER, &format!("{path}/actions/deactivate"), &Json::Null).status, 204);
    assert_eq!(api.get(MEMBER, &path).body["status"], "deactivated");
    assert_eq!(api.get(MEMBER, &format!("{path}/file")).status, 403);
    assert_eq!(api.get(ADMIN, &format!("{path}/file")).status, 200);
    assert_eq!(api.post(MEMBER, &format!("{path}/actions/reactivate"), &Json::Null).status, 204);
    let protect = |on: bool| json!([{"op": "replace", "path": "/protected", "value": on}]);
    assert_eq!(patch(&api, MEMBER, &id, &protect(true)).status, 200);
    assert_eq!(api.delete(MEMBER, &path).status, 403);
    assert_eq!(patch(&api, MEMBER, &id, &protect(false)).status, 200);
    let format = json!([{"op": "replace", "path": "/disk_format", "value": "qcow2"}]);
    assert_eq!(patch(&api, MEMBER, &id, &format).status, 403);
    assert_eq!(api.delete(MEMBER, &path).status, 204);
    for answer in
        [api.get(MEMBER, &path), api.delete(MEMBER, &path), api.get(MEMBER, "/image/v2/images/squid")]
    {
        assert_eq!(answer.status, 404);
    }
}

#[test]
fn documents_and_schemas() {
    let api = api();
    let root = api.get("", "/image/");
    assert_eq!(root.status, 300);
    assert_eq!(root.body["versions"][0]["links"][0]["href"], "http://cloud.test/image/v2/");
    assert_eq!(api.get("", "/image/versions").status, 200);
    for name in ["image", "images", "member", "members", "task", "tasks"] {
        assert_eq!(api.get(MEMBER, &format!("/image/v2/schemas/{name}")).body["name"], name);
    }
    assert_eq!(api.get(MEMBER, "/image/v2/schemas/squid").status, 404);
    let methods = api.get(MEMBER, "/image/v2/info/import").body["import-methods"]["value"].clone();
    assert_eq!(methods, json!(["glance-direct", "web-download"]));
    assert_eq!(api.get(MEMBER, "/image/v2/info/stores").body["stores"][0]["default"], "true");
    assert_eq!(api.get(MEMBER, "/image/v2/info/stores/detail").status, 403);
    assert_eq!(api.get(ADMIN, "/image/v2/info/stores/detail").body["stores"][0]["type"], "file");
}

#[test]
fn conversations_are_as_reviewed() {
    testkit::check_golden(&api(), concat!(env!("CARGO_MANIFEST_DIR"), "/src/image/golden/life.http"));
}

#[test]
fn refusals_look_as_glance_s() {
    crate::tests::check_golden("image/golden/refusals.http");
}
