//! Regions as clients meet them.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, Cloud, DEMO, check_golden, cloud};

#[test]
fn the_life_of_a_region() {
    check_golden("region/golden/life.http");
}

#[test]
fn refusals_look_as_keystone_s() {
    check_golden("region/golden/refusals.http");
}

#[test]
fn a_region_is_never_around_itself() {
    let cloud = cloud();
    let chain = ["outer", "middle", "inner"];
    for (n, id) in chain.iter().enumerate() {
        let parent = n.checked_sub(1).map(|above| chain[above]);
        cloud.make("regions", "region", json!({"id": id, "parent_region_id": parent}));
    }
    let moved = |id: &str, parent: &str| {
        let body = json!({"region": {"parent_region_id": parent}});
        cloud.call(&cloud.token(ADMIN), "PATCH", &format!("regions/{id}"), &body).status
    };
    for below in chain {
        assert_eq!(moved("outer", below), 400, "{below}");
    }
    assert_eq!(moved("outer", "nowhere"), 404);
    assert_eq!(moved("inner", "outer"), 200);
    assert_eq!(moved("middle", "inner"), 200);
}

#[test]
fn a_region_goes_with_those_below_it_unless_one_is_in_use() {
    let cloud = cloud();
    let service = cloud.make("services", "service", json!({"type": "t"}));
    for (id, parent) in [("outer", None), ("inner", Some("outer"))] {
        cloud.make("regions", "region", json!({"id": id, "parent_region_id": parent}));
    }
    let body = json!({
        "service_id": service["id"], "interface": "public", "url": "http://x", "region_id": "inner",
    });
    let endpoint = cloud.make("endpoints", "endpoint", body);
    assert_eq!(deleted(&cloud, "regions/outer"), 403);
    assert_eq!(cloud.get(&cloud.token(DEMO), "regions/inner").status, 200);
    assert_eq!(deleted(&cloud, &format!("endpoints/{}", endpoint["id"].as_str().unwrap())), 204);
    assert_eq!(deleted(&cloud, "regions/outer"), 204);
    assert_eq!(cloud.get(&cloud.token(DEMO), "regions/inner").status, 404);
}

fn deleted(cloud: &Cloud, path: &str) -> u16 {
    cloud.call(&cloud.token(ADMIN), "DELETE", path, &Json::Null).status
}
