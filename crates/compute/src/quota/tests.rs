//! What a refusal says, and quota sets over the API.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Limits;
use super::model::{Used, exceeded};
use crate::tests::{ADMIN, MEMBER, World};

#[test]
fn a_refusal_says_what_is_asked_used_and_allowed() {
    let limits = Limits::with(&BTreeMap::from([("cores".to_owned(), -1)]));
    let check = |used: (i64, i64, i64), asked: (i64, i64, i64), expected: Option<&str>| {
        let of = |(instances, cores, ram_mib)| Used { instances, cores, ram_mib };
        assert_eq!(exceeded(&limits, of(used), of(asked)).as_deref(), expected, "{used:?} {asked:?}");
    };
    check((0, 0, 0), (10, 1000, 51200), None);
    check(
        (10, 0, 0),
        (1, 1, 1),
        Some("Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"),
    );
    check(
        (10, 0, 51200),
        (1, 1, 512),
        Some(
            "Quota exceeded for instances, ram: Requested 1, 512, but already used 10, 51200 of 10, 51200 instances, ram",
        ),
    );
}

#[test]
fn operators_change_limits_and_owners_see_them() {
    let world = World::new();
    let set = |token: &str, body: Json| {
        world.call(token, "2.96", "PUT", "/os-quota-sets/alpha", &json!({"quota_set": body})).status
    };
    assert_eq!(world.get(MEMBER, "/os-quota-sets/alpha").body["quota_set"]["cores"], 20);
    assert_eq!(world.get(MEMBER, "/os-quota-sets/beta").status, 403);
    assert_eq!(set(MEMBER, json!({"cores": 3})), 403);
    assert_eq!(set(ADMIN, json!({"cores": 3, "instances": 1})), 200);
    assert_eq!(world.get(MEMBER, "/limits").body["limits"]["absolute"]["maxTotalCores"], 3);
    world.server(&world.draft("only"));
    let second = world.post(MEMBER, "/servers", &world.draft("second"));
    assert_eq!(second.status, 403);
    assert_eq!(
        second.body["forbidden"]["message"],
        "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances"
    );
    let detail = world.get(MEMBER, "/os-quota-sets/alpha/detail");
    assert_eq!(detail.body["quota_set"]["instances"], json!({"limit": 1, "in_use": 1, "reserved": 0}));
    assert_eq!(set(ADMIN, json!({"instances": 0})), 400, "less than is used");
    assert_eq!(set(ADMIN, json!({"instances": 0, "force": true})), 200);
    assert_eq!(set(ADMIN, json!({"instances": -2})), 400);
    assert_eq!(set(ADMIN, json!({"instances": "many"})), 400);
    assert_eq!(set(ADMIN, json!({"beer": 1})), 400);
    assert_eq!(world.call(ADMIN, "2.96", "DELETE", "/os-quota-sets/alpha", &Json::Null).status, 202);
    assert_eq!(world.get(MEMBER, "/os-quota-sets/alpha").body["quota_set"]["instances"], 10);
    assert!(world.call(MEMBER, "2.1", "GET", "/os-quota-sets/alpha", &Json::Null).body["quota_set"]["floating_ips"].is_i64());
    assert!(world.get(MEMBER, "/os-quota-sets/alpha").body["quota_set"]["floating_ips"].is_null());
}
