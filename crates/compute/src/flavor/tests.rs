//! Flavors over the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, MEMBER, World};

#[test]
fn a_fresh_cloud_has_flavors_sorted_by_id() {
    let world = World::new();
    let list = world.get(MEMBER, "/flavors");
    let names: Vec<&str> =
        list.body["flavors"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["m1.tiny", "m1.small", "m1.medium", "m1.large", "m1.nano", "m1.micro"]);
    let page = world.get(MEMBER, "/flavors?limit=2&marker=2");
    assert_eq!(page.body["flavors"][0]["id"], "3");
    assert!(page.body["flavors_links"][0]["href"].as_str().unwrap().ends_with("limit=2&marker=4"));
    assert_eq!(world.get(MEMBER, "/flavors?marker=nonsense").status, 400);
    let large = world.get(MEMBER, "/flavors/detail?minRam=4096&sort_key=memory_mb&sort_dir=desc");
    assert_eq!(large.body["flavors"][0]["name"], "m1.large");
    assert_eq!(large.body["flavors"].as_array().unwrap().len(), 2);
}

#[test]
fn views_change_with_the_microversion() {
    let world = World::new();
    let check = |version: &str, present: &[&str], absent: &[&str], swap: Json| {
        let view = world.call(MEMBER, version, "GET", "/flavors/1", &Json::Null).body["flavor"].clone();
        present.iter().for_each(|name| assert!(view.get(name).is_some(), "{version} {name}"));
        absent.iter().for_each(|name| assert!(view.get(name).is_none(), "{version} {name}"));
        assert_eq!(view["swap"], swap, "{version}");
    };
    check("2.1", &["ram", "rxtx_factor"], &["description", "extra_specs"], json!(""));
    check("2.55", &["description"], &["extra_specs"], json!(""));
    check("2.61", &["description", "extra_specs"], &[], json!(""));
    check("2.75", &["extra_specs"], &[], json!(0));
}

#[test]
fn operators_make_flavors_and_open_private_ones() {
    let world = World::new();
    let body = json!({"flavor": {"name": "own", "id": "own", "ram": 64, "vcpus": 1, "disk": 0, "os-flavor-access:is_public": false}});
    assert_eq!(world.post(MEMBER, "/flavors", &body).status, 403);
    assert_eq!(world.post(ADMIN, "/flavors", &body).status, 200);
    assert_eq!(world.post(ADMIN, "/flavors", &body).status, 409);
    assert_eq!(world.get(MEMBER, "/flavors/own").status, 404);
    let open = json!({"addTenantAccess": {"tenant": "alpha"}});
    assert_eq!(world.post(ADMIN, "/flavors/own/action", &open).status, 200);
    assert_eq!(world.post(ADMIN, "/flavors/own/action", &open).status, 409);
    assert_eq!(world.get(MEMBER, "/flavors/own").status, 200);
    assert_eq!(
        world.get(ADMIN, "/flavors/own/os-flavor-access").body["flavor_access"][0]["tenant_id"],
        "alpha"
    );
    assert_eq!(world.get(ADMIN, "/flavors/1/os-flavor-access").status, 404);
    let specs = json!({"extra_specs": {"hw:cpu_policy": "shared", "n": 3}});
    assert_eq!(world.post(ADMIN, "/flavors/own/os-extra_specs", &specs).status, 200);
    assert_eq!(world.get(MEMBER, "/flavors/own/os-extra_specs/n").body, json!({"n": "3"}));
    assert_eq!(world.call(ADMIN, "2.96", "DELETE", "/flavors/own/os-extra_specs/n", &Json::Null).status, 200);
    assert_eq!(world.call(ADMIN, "2.96", "DELETE", "/flavors/own/os-extra_specs/n", &Json::Null).status, 404);
    let words = json!({"flavor": {"description": "small"}});
    assert_eq!(world.call(ADMIN, "2.54", "PUT", "/flavors/own", &words).status, 404);
    assert_eq!(
        world.call(ADMIN, "2.55", "PUT", "/flavors/own", &words).body["flavor"]["description"],
        "small"
    );
    assert_eq!(world.call(ADMIN, "2.96", "DELETE", "/flavors/own", &Json::Null).status, 202);
    assert_eq!(world.call(ADMIN, "2.96", "DELETE", "/flavors/own", &Json::Null).status, 404);
}

#[test]
fn bad_flavors_are_refused() {
    let world = World::new();
    let good = json!({"name": "x", "ram": 64, "vcpus": 1, "disk": 0});
    let check = |change: Json| {
        let mut flavor = good.clone();
        for (key, value) in change.as_object().unwrap() {
            flavor[key] = value.clone();
        }
        assert_eq!(world.post(ADMIN, "/flavors", &json!({"flavor": flavor})).status, 400, "{change}");
    };
    check(json!({"ram": 0}));
    check(json!({"ram": "much"}));
    check(json!({"vcpus": -1}));
    check(json!({"disk": null}));
    check(json!({"name": ""}));
    check(json!({"name": " x"}));
    check(json!({"id": "a/b"}));
    check(json!({"id": {}}));
    check(json!({"rxtx_factor": 0}));
    check(json!({"colour": "red"}));
    assert_eq!(world.post(ADMIN, "/flavors", &json!({})).status, 400);
    assert_eq!(world.post(ADMIN, "/flavors", &json!([1])).status, 400);
    assert_eq!(world.get(MEMBER, "/flavors?colour=red").status, 400);
    assert_eq!(world.get(MEMBER, "/flavors?minRam=much").status, 400);
    assert_eq!(world.get(ADMIN, "/flavors?is_public=maybe").status, 400);
    assert_eq!(world.get(MEMBER, "/flavors?sort_key=colour").status, 400);
    assert_eq!(world.get(MEMBER, &format!("/flavors/{}", "x".repeat(300))).status, 404);
}
