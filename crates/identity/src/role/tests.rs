//! Roles and implications.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use types::RoleId;

use super::model::{Implication, implied};
use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn implications_are_followed_to_the_end_and_in_circles() {
    let check = |held: &str, rules: &[(&str, &str)], expected: &str| {
        let set = |text: &str| text.split_whitespace().map(RoleId::from).collect::<BTreeSet<_>>();
        let rules: Vec<Implication> =
            rules.iter().map(|(a, b)| Implication { prior: (*a).into(), implied: (*b).into() }).collect();
        assert_eq!(implied(&set(held), &rules), set(expected));
    };
    check("a", &[("a", "b"), ("b", "c"), ("x", "y")], "a b c");
    check("a b", &[], "a b");
    check("a", &[("a", "b"), ("b", "a")], "a b");
    check("", &[("a", "b")], "");
}

#[test]
fn life_of_a_role() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let made = cloud.make("roles", "role", json!({"name": "r"}));
    let path = format!("roles/{}", made["id"].as_str().unwrap());
    let changed = cloud.call(&admin, "PATCH", &path, &json!({"role": {"name": "s", "description": "d"}}));
    assert_eq!((changed.status, &changed.body["role"]["name"]), (200, &json!("s")));
    assert_eq!(cloud.get(&admin, &path).body["role"]["description"], "d");
    assert_eq!(cloud.call(&admin, "POST", "roles", &json!({"role": {"name": "s"}})).status, 409);
    assert_eq!(cloud.call(&demo, "POST", "roles", &json!({"role": {"name": "t"}})).status, 403);
    assert_eq!(cloud.get(&demo, "roles").status, 403);
    let own = cloud.make("roles", "role", json!({"name": "s", "domain_id": "default"}));
    assert_eq!(cloud.get(&admin, "roles?domain_id=default").body["roles"], json!([own]));
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &path).status, 404);
}

#[test]
fn the_cloud_s_own_roles_are_protected() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let listed = cloud.get(&admin, "roles?name=admin").body;
    let path = format!("roles/{}", listed["roles"][0]["id"].as_str().unwrap());
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 403);
    assert_eq!(cloud.call(&admin, "PATCH", &path, &json!({"role": {"name": "x"}})).status, 403);
    let body = json!({"role": {"options": {"immutable": false}}});
    assert_eq!(
        cloud.call(&admin, "PATCH", &path, &body).body["role"]["options"],
        json!({"immutable": false})
    );
    let body = json!({"role": {"options": {"immutable": null}}});
    assert_eq!(cloud.call(&admin, "PATCH", &path, &body).body["role"]["options"], json!({}));
}

#[test]
fn inferences() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    assert_eq!(cloud.get(&admin, "role_inferences").body["role_inferences"].as_array().unwrap().len(), 3);
    let (a, b) = (
        cloud.make("roles", "role", json!({"name": "a"})),
        cloud.make("roles", "role", json!({"name": "b"})),
    );
    let (a, b) = (a["id"].as_str().unwrap(), b["id"].as_str().unwrap());
    let path = format!("roles/{a}/implies/{b}");
    assert_eq!(cloud.get(&admin, &path).status, 404);
    let made = cloud.call(&admin, "PUT", &path, &Json::Null);
    assert_eq!((made.status, &made.body["role_inference"]["implies"]["name"]), (201, &json!("b")));
    assert_eq!(cloud.call(&admin, "PUT", &path, &Json::Null).status, 409);
    let own = cloud.make("roles", "role", json!({"name": "own", "domain_id": "default"}));
    let own = own["id"].as_str().unwrap();
    assert_eq!(cloud.call(&admin, "PUT", &format!("roles/{a}/implies/{own}"), &Json::Null).status, 403);
    assert_eq!(cloud.call(&admin, "PUT", &format!("roles/{own}/implies/{a}"), &Json::Null).status, 201);
    assert_eq!(cloud.call(&admin, "HEAD", &path, &Json::Null).status, 204);
    let all = cloud.get(&admin, &format!("roles/{a}/implies")).body;
    assert_eq!(all["role_inference"]["implies"][0]["id"], b);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 404);
    let listed = cloud.get(&admin, "roles?name=admin").body;
    let top = listed["roles"][0]["id"].as_str().unwrap();
    assert_eq!(cloud.call(&admin, "PUT", &format!("roles/{a}/implies/{top}"), &Json::Null).status, 403);
}

#[test]
fn golden() {
    crate::tests::check_golden("role/golden/life.http");
}
