//! Metadata definitions over the API.

use serde_json::{Value as Json, json};
use testkit::Api;

use crate::tests::{ADMIN, MEMBER, OTHER, api, check_golden};

const BASE: &str = "/image/v2/metadefs/namespaces";

#[test]
fn the_life_of_a_namespace() {
    check_golden("metadef/namespace/golden/life.http");
}

#[test]
fn entries_come_change_and_go() {
    check_golden("metadef/namespace/golden/entries.http");
}

#[test]
fn refusals_look_as_glance_s() {
    check_golden("metadef/namespace/golden/refusals.http");
}

fn make(api: &Api, body: &Json) {
    let answer = api.post(ADMIN, BASE, body);
    assert_eq!(answer.status, 201, "{body}: {answer:?}");
}

fn listed(api: &Api, token: &str, path: &str, key: &str, name: &str) -> Vec<String> {
    let answer = api.get(token, path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    let list = answer.body[key].as_array().unwrap().clone();
    list.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_show_what_is_seen_and_asked_for_page_by_page() {
    let api = api();
    for (n, visibility) in ["public", "private", "public", "private"].into_iter().enumerate() {
        let owner = if n < 2 { "alpha" } else { "beta" };
        make(&api, &json!({"namespace": format!("n{n}"), "visibility": visibility, "owner": owner}));
    }
    let associate = |n: u32, kind: &str| {
        let path = format!("{BASE}/n{n}/resource_types");
        assert_eq!(api.post(ADMIN, &path, &json!({"name": kind})).status, 201);
    };
    associate(0, "OS::Nova::Server");
    associate(3, "OS::Nova::Server");
    associate(2, "OS::Cinder::Volume");
    let check = |token: &str, query: &str, expected: &[&str]| {
        let found = listed(
            &api,
            token,
            &format!("{BASE}?sort_key=namespace&sort_dir=asc&{query}"),
            "namespaces",
            "namespace",
        );
        assert_eq!(found, expected, "{token} {query}");
    };
    check(ADMIN, "", &["n0", "n1", "n2", "n3"]);
    check(MEMBER, "", &["n0", "n1", "n2"]);
    check(OTHER, "", &["n0", "n2", "n3"]);
    check(MEMBER, "visibility=private", &["n1"]);
    check(ADMIN, "resource_types=OS::Nova::Server", &["n0", "n3"]);
    check(MEMBER, "resource_types=OS::Nova::Server,OS::Cinder::Volume", &["n0", "n2"]);
    check(MEMBER, "resource_types=OS::Heat::Stack", &[]);
    check(MEMBER, "marker=n0&limit=1", &["n1"]);
    let mut path = "/v2/metadefs/namespaces?limit=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = api.get(ADMIN, &format!("/image{path}"));
        seen.extend(page.body["namespaces"].as_array().unwrap().iter().map(|n| n["namespace"].clone()));
        match page.body["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    seen.sort_by_key(ToString::to_string);
    assert_eq!(seen, ["n0", "n1", "n2", "n3"]);
    for bad in ["sort_key=size", "sort_dir=up", "limit=x", "limit=-1", "visibility=shared"] {
        assert_eq!(api.get(ADMIN, &format!("{BASE}?{bad}")).status, 400, "{bad}");
    }
    assert_eq!(api.get(ADMIN, &format!("{BASE}?marker=n9")).status, 404);
    assert_eq!(api.get(MEMBER, &format!("{BASE}?marker=n3")).status, 404);
    let types = listed(&api, MEMBER, "/image/v2/metadefs/resource_types", "resource_types", "name");
    assert_eq!(types, ["OS::Cinder::Volume", "OS::Nova::Server"]);
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    let api = api();
    make(&api, &json!({"namespace": "n"}));
    let check = |below: &str, body: Json, status: u16| {
        let answer = api.post(ADMIN, &format!("{BASE}{below}"), &body);
        assert_eq!(answer.status, status, "{below} {body}: {answer:?}");
    };
    check("", json!([]), 400);
    check("", json!({}), 400);
    check("", json!({"namespace": 7}), 400);
    check("", json!({"namespace": null}), 400);
    check("", json!({"namespace": "x".repeat(81)}), 400);
    check("", json!({"namespace": "m", "display_name": "x".repeat(81)}), 400);
    check("", json!({"namespace": "m", "description": "x".repeat(501)}), 400);
    check("", json!({"namespace": "m", "visibility": "shared"}), 400);
    check("", json!({"namespace": "m", "protected": "yes"}), 400);
    check("", json!({"namespace": "m", "more": 1}), 400);
    check("", json!({"namespace": "m", "self": "x"}), 403);
    check("", json!({"namespace": "m", "tags": ["t"]}), 400);
    check("", json!({"namespace": "m", "tags": [{"name": "t"}, {"name": "t"}]}), 409);
    check("", json!({"namespace": "m", "objects": [{}]}), 400);
    check("", json!({"namespace": "m", "properties": {"p": {"title": "P"}}}), 400);
    check("", json!({"namespace": "m", "properties": {"p": {"title": "P", "type": "text"}}}), 400);
    check("", json!({"namespace": "m", "resource_type_associations": [{"prefix": "p"}]}), 400);
    check("/n/objects", json!({"name": "o", "required": ["a", "a"]}), 400);
    check("/n/objects", json!({"name": "o", "required": "a"}), 400);
    check("/n/objects", json!({"name": "o", "properties": []}), 400);
    check("/n/objects", json!({"name": "o", "created_at": "now"}), 403);
    check("/n/properties", json!({"name": "p", "title": "P"}), 400);
    check("/n/properties", json!({"title": "P", "type": "string"}), 400);
    let property = |name: &str, value: Json| {
        let mut body = json!({"name": "p", "title": "P", "type": "string"});
        body[name] = value;
        body
    };
    for (name, value) in [
        ("minimum", json!("1")),
        ("maxLength", json!(-1)),
        ("minItems", json!(0.5)),
        ("enum", json!("a")),
        ("readonly", json!(1)),
        ("operators", json!([1])),
        ("items", json!({"enum": []})),
        ("items", json!({"type": "string", "more": 1})),
        ("pattern", json!(1)),
        ("more", json!(1)),
    ] {
        check("/n/properties", property(name, value), 400);
    }
    check("/n/tags", json!({"tags": [{"name": "t", "color": "red"}]}), 400);
    check(&format!("/n/tags/{}", "t".repeat(81)), Json::Null, 400);
    check("/n/resource_types", json!({"name": "r", "prefix": 1}), 400);
    check("/gone/tags/t", Json::Null, 404);
    // Nothing of a refused namespace is left.
    assert_eq!(api.get(ADMIN, &format!("{BASE}/m")).status, 404);
    assert_eq!(api.get(ADMIN, "/image/v2/metadefs/resource_types").body["resource_types"], json!([]));
}

#[test]
fn tags_are_paged_and_replaced() {
    let api = api();
    make(&api, &json!({"namespace": "n", "visibility": "public"}));
    let path = format!("{BASE}/n/tags");
    let set = |names: &[&str], append: &str| {
        let tags: Vec<Json> = names.iter().map(|name| json!({"name": name})).collect();
        let headers = [("x-openstack-append", append)];
        api.call(ADMIN, "POST", &path, &headers, &json!({"tags": tags})).status
    };
    let names = |query: &str| listed(&api, MEMBER, &format!("{path}?{query}"), "tags", "name");
    assert_eq!(set(&["c", "a", "b"], ""), 201);
    assert_eq!(names("sort_key=name&sort_dir=asc"), ["a", "b", "c"]);
    assert_eq!(names("sort_key=name&sort_dir=asc&limit=1&marker=a"), ["b"]);
    assert_eq!(names(""), ["c", "b", "a"]);
    assert_eq!(set(&["d"], "True"), 201);
    assert_eq!(set(&["d"], "True"), 409);
    assert_eq!(names("sort_key=name&sort_dir=asc"), ["a", "b", "c", "d"]);
    assert_eq!(set(&["e"], "no"), 201);
    assert_eq!(names(""), ["e"]);
    assert_eq!(set(&[], ""), 201);
    assert_eq!(names(""), ["e"]);
    assert_eq!(api.get(MEMBER, &format!("{path}?marker=z")).status, 404);
    assert_eq!(api.get(MEMBER, &format!("{path}?limit=x")).status, 400);
}

#[test]
fn a_fresh_cloud_knows_types_of_resources() {
    let api = api();
    for _ in 0..2 {
        api.store.write_blocking(crate::bootstrap_types).unwrap();
    }
    let types = listed(&api, MEMBER, "/image/v2/metadefs/resource_types", "resource_types", "name");
    assert_eq!(types.len(), 5, "{types:?}");
    assert!(types.contains(&"OS::Glance::Image".to_owned()));
}

#[test]
fn every_schema_names_itself() {
    let api = api();
    let check = |name: &str, expected: &str| {
        let schema = api.get(MEMBER, &format!("/image/v2/schemas/metadefs/{name}")).body;
        assert_eq!(schema["name"], expected);
    };
    for name in ["namespace", "namespaces", "object", "objects", "property", "properties", "tag", "tags"] {
        check(name, name);
    }
    check("resource_type", "resource_type_association");
    check("resource_types", "resource_type_associations");
    assert_eq!(api.get(MEMBER, "/image/v2/schemas/metadefs/squid").status, 404);
}
