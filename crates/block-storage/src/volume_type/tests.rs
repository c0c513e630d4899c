//! Volume types over the API: who sees what, and what stays while a volume is of a type.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, MEMBER, Node, OTHER, api, create, golden, new_volume, status};

#[test]
fn types_are_the_operators() {
    let api = api();
    let types = "/volume/v3/types";
    let make = |token: &str, body: Json| api.post(token, types, &json!({"volume_type": body}));
    assert_eq!(api.get(MEMBER, &format!("{types}/default")).body["volume_type"]["name"], "default");
    assert_eq!(make(MEMBER, json!({"name": "fast"})).status, 403);
    assert_eq!(make(ADMIN, json!({"name": "default"})).status, 409);
    assert_eq!(make(ADMIN, json!({"name": " "})).status, 400);
    assert_eq!(make(ADMIN, json!({"name": "x", "odd": 1})).status, 400);
    let made = make(
        ADMIN,
        json!({"name": "fast", "os-volume-type-access:is_public": false, "extra_specs": {"k": "v"}}),
    );
    assert_eq!(made.status, 200, "{made:?}");
    let fast = format!("{types}/{}", made.body["volume_type"]["id"].as_str().unwrap());
    assert_eq!(api.get(MEMBER, &fast).status, 404);
    assert_eq!(create(&api, MEMBER, &json!({"size": 1, "volume_type": "fast"})).status, 404);
    let access = json!({"addProjectAccess": {"project": "alpha"}});
    assert_eq!(api.post(MEMBER, &format!("{fast}/action"), &access).status, 403);
    assert_eq!(api.post(ADMIN, &format!("{fast}/action"), &access).status, 202);
    assert_eq!(api.post(ADMIN, &format!("{fast}/action"), &access).status, 409);
    assert_eq!(api.post(ADMIN, &format!("{fast}/action"), &json!({"odd": {}})).status, 400);
    assert_eq!(api.get(MEMBER, &fast).body["volume_type"]["extra_specs"], json!({}));
    assert_eq!(api.get(ADMIN, &format!("{fast}/extra_specs/k")).body, json!({"k": "v"}));
    assert_eq!(api.put(ADMIN, &format!("{fast}/extra_specs/k"), &json!({"k": "w"})).status, 200);
    assert_eq!(api.put(ADMIN, &format!("{fast}/extra_specs/k"), &json!({"j": "w"})).status, 400);
    assert_eq!(
        api.post(ADMIN, &format!("{fast}/extra_specs"), &json!({"extra_specs": {"j": 1}})).status,
        400
    );
    assert_eq!(api.delete(ADMIN, &format!("{fast}/extra_specs/k")).status, 202);
    assert_eq!(api.delete(ADMIN, &format!("{fast}/extra_specs/k")).status, 404);
    assert_eq!(create(&api, MEMBER, &json!({"size": 1, "volume_type": "fast"})).status, 202);
    assert_eq!(api.delete(ADMIN, &fast).status, 400);
    assert_eq!(api.put(ADMIN, &fast, &json!({"volume_type": {}})).status, 400);
    assert_eq!(api.put(ADMIN, &fast, &json!({"volume_type": {"name": "default"}})).status, 409);
    assert_eq!(api.put(ADMIN, &fast, &json!({"volume_type": {"is_public": true}})).status, 200);
    assert_eq!(api.get(OTHER, types).body["volume_types"].as_array().unwrap().len(), 2);
}

/// The names that a list shows.
fn names(api: &testkit::Api, token: &str, query: &str) -> Vec<String> {
    let newest = [("openstack-api-version", "volume latest")];
    let query = query.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    let answer = api.call(token, "GET", &format!("/volume/v3/types{query}"), &newest, &Json::Null);
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let found = answer.body["volume_types"].as_array().unwrap().iter();
    found.map(|known| known["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_show_what_is_asked_for_and_may_be_seen() {
    let api = api();
    let make = |name: &str, public: bool, specs: Json| {
        let body = json!({"volume_type": {
            "name": name, "os-volume-type-access:is_public": public, "extra_specs": specs
        }});
        let made = api.post(ADMIN, "/volume/v3/types", &body);
        assert_eq!(made.status, 200, "{made:?}");
        made.body["volume_type"]["id"].as_str().unwrap().to_owned()
    };
    make("a", true, json!({"multiattach": "<is> True", "volume_backend_name": "ceph"}));
    let hidden = make("b", false, json!({"volume_backend_name": "file"}));
    make("c", true, json!({"RESKEY:availability_zones": "nova,moon"}));
    let check = |token: &str, query: &str, expected: &[&str]| {
        assert_eq!(names(&api, token, query), expected, "{token} {query}");
    };
    check(MEMBER, "?sort=name:asc", &["a", "c", "default"]);
    check(MEMBER, "?is_public=false&sort=name:asc", &["a", "c", "default"]);
    check(ADMIN, "?sort=name:asc", &["a", "c", "default"]);
    check(ADMIN, "?sort=name:asc&is_public=None", &["a", "b", "c", "default"]);
    check(ADMIN, "?is_public=False", &["b"]);
    check(ADMIN, "?sort=name&is_public=none&limit=2", &["default", "c"]);
    check(ADMIN, &format!("?sort=name:asc&is_public=none&marker={hidden}"), &["c", "default"]);
    check(ADMIN, "?sort=name:asc&offset=2", &["default"]);
    check(ADMIN, "?limit=0", &[]);
    check(ADMIN, "?name=a", &["a"]);
    check(ADMIN, "?squid=a", &[]);
    check(ADMIN, "?extra_specs={'volume_backend_name':'ceph'}", &["a"]);
    check(MEMBER, "?extra_specs={'volume_backend_name':'ceph'}", &[]);
    check(MEMBER, "?extra_specs={'multiattach':'%3Cis%3E%20True'}", &["a"]);
    check(MEMBER, "?extra_specs={\"RESKEY:availability_zones\":\"moon\"}", &["c"]);
    let access = json!({"addProjectAccess": {"project": "alpha"}});
    assert_eq!(api.post(ADMIN, &format!("/volume/v3/types/{hidden}/action"), &access).status, 202);
    check(MEMBER, "?sort=name:asc", &["a", "b", "c", "default"]);
    check(OTHER, "?sort=name:asc", &["a", "c", "default"]);
    let newest = [("openstack-api-version", "volume latest")];
    for (token, query) in [
        (ADMIN, "?is_public=maybe"),
        (ADMIN, "?sort=squid"),
        (ADMIN, "?sort=name:up"),
        (ADMIN, "?sort=name&sort_key=id"),
        (ADMIN, "?limit=-1"),
        (ADMIN, "?limit=x"),
        (ADMIN, "?offset=99999999999999999999"),
        (ADMIN, "?extra_specs=squid"),
        (MEMBER, "?name=a"),
    ] {
        let answer = api.call(token, "GET", &format!("/volume/v3/types{query}"), &newest, &Json::Null);
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
}

#[test]
fn a_type_bounds_its_volumes() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let specs = json!({
        "provisioning:min_vol_size": "2", "provisioning:max_vol_size": "4", "RESKEY:availability_zones": "nova, moon"
    });
    let make = |name: &str, specs: &Json| {
        api.post(ADMIN, "/volume/v3/types", &json!({"volume_type": {"name": name, "extra_specs": specs}}))
            .status
    };
    assert_eq!(make("odd", &json!({"provisioning:max_vol_size": "many"})), 400);
    assert_eq!(make("odd", &json!({"multiattach": "<is> True", "cacheable": "<is> True"})), 400);
    assert_eq!(make("elsewhere", &json!({"RESKEY:availability_zones": "moon"})), 200);
    assert_eq!(make("some", &specs), 200);
    let ask = |size: u32, kind: &str| create(&api, MEMBER, &json!({"size": size, "volume_type": kind}));
    assert_eq!(ask(1, "some").status, 400);
    assert_eq!(ask(5, "some").status, 400);
    assert_eq!(ask(3, "elsewhere").status, 400);
    let made = ask(3, "some");
    assert_eq!(made.status, 202, "{made:?}");
    node.work(&api);
    let id = made.body["volume"]["id"].as_str().unwrap();
    assert_eq!(status(&api, id), "available");
    let extend = |size: u32| crate::tests::act(&api, MEMBER, id, &json!({"os-extend": {"new_size": size}}));
    assert_eq!((extend(5), extend(4)), (400, 202));
}

#[test]
fn what_volumes_are_made_by_stays_while_they_are() {
    let api = api();
    let kind =
        api.get(ADMIN, "/volume/v3/types/default").body["volume_type"]["id"].as_str().unwrap().to_owned();
    let path = |rest: &str| format!("/volume/v3/types/{kind}/{rest}");
    let encryption = json!({"encryption": {"provider": "luks", "control_location": "front-end"}});
    new_volume(&api, MEMBER);
    let refused = api.post(ADMIN, &path("extra_specs"), &json!({"extra_specs": {"k": "v"}}));
    assert_eq!(
        (refused.status, &refused.body["badRequest"]["message"]),
        (400, &json!("Volume Type is currently in use."))
    );
    assert_eq!(api.put(ADMIN, &path("extra_specs/k"), &json!({"k": "v"})).status, 400);
    assert_eq!(api.delete(ADMIN, &path("extra_specs/k")).status, 400);
    assert_eq!(api.post(ADMIN, &path("encryption"), &encryption).status, 400);
    assert_eq!(api.put(ADMIN, &path("encryption/x"), &encryption).status, 400);
    assert_eq!(api.delete(ADMIN, &path("encryption/x")).status, 400);
    assert_eq!(api.delete(ADMIN, &format!("/volume/v3/types/{kind}")).status, 400);
    let renamed = json!({"volume_type": {"name": "other"}});
    assert_eq!(api.put(ADMIN, &format!("/volume/v3/types/{kind}"), &renamed).status, 400);
}

#[test]
fn a_volume_learns_what_its_type_asks_for() {
    let api = api();
    let id = |answer: testkit::Answer, key: &str| {
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body[key]["id"].as_str().unwrap().to_owned()
    };
    let body =
        json!({"volume_type": {"name": "fast", "extra_specs": {"volume_backend_name": "ceph", "k": null}}});
    let kind = id(api.post(ADMIN, "/volume/v3/types", &body), "volume_type");
    let body = json!({"qos_specs": {"name": "slow", "consumer": "front-end", "total_iops_sec": "500"}});
    let qos = id(api.post(ADMIN, "/volume/v3/qos-specs", &body), "qos_specs");
    assert_eq!(
        api.get(ADMIN, &format!("/volume/v3/qos-specs/{qos}/associate?vol_type_id={kind}")).status,
        202
    );
    let body = json!({"encryption": {
        "provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": "256"
    }});
    assert_eq!(api.post(ADMIN, &format!("/volume/v3/types/{kind}/encryption"), &body).status, 200);
    let recipe = api.store.read_blocking(move |tx: &mut store::Tx<'_>| {
        crate::volume_type::ops::recipe(tx, kind.parse().unwrap())
    });
    let recipe = recipe.unwrap();
    let specs = [("k".to_owned(), None), ("volume_backend_name".to_owned(), Some("ceph".to_owned()))];
    assert_eq!(recipe.extra_specs, specs.into());
    let qos = recipe.qos_specs.unwrap();
    assert_eq!((qos.front_end(), qos.back_end()), ([("total_iops_sec", "500")].into(), [].into()));
    assert_eq!(recipe.encryption.unwrap().key_size_bits, Some(256));
}

#[test]
fn conversations_are_as_reviewed() {
    golden(&api(), "volume_type/golden/life.http");
    golden(&api(), "volume_type/golden/refusals.http");
}
