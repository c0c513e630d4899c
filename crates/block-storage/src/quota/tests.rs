//! Quotas over the API, in figures.

use serde_json::{Value as Json, json};

use crate::quota::{Limits, Resource};
use crate::tests::{ADMIN, MEMBER, Node, OTHER, act, api, create, golden, new_volume};

#[test]
fn quotas_are_kept() {
    let api = api();
    let quota = "/volume/v3/os-quota-sets/alpha";
    let limit = |limits: Json| api.put(ADMIN, quota, &json!({"quota_set": limits})).status;
    assert_eq!(api.get(MEMBER, quota).body["quota_set"]["volumes"], 10);
    assert_eq!(api.put(MEMBER, quota, &json!({"quota_set": {"volumes": 99}})).status, 403);
    assert_eq!(api.get(OTHER, quota).status, 403);
    assert_eq!(limit(json!({"volumes": "x"})), 400);
    assert_eq!(limit(json!({"volumes": -2})), 400);
    assert_eq!(limit(json!({"squids": 1})), 400);
    assert_eq!(limit(json!({})), 400);
    assert_eq!(limit(json!({"volumes": 2, "gigabytes": 5})), 200);
    assert_eq!(create(&api, MEMBER, &json!({"size": 3})).status, 202);
    let answer = create(&api, MEMBER, &json!({"size": 3}));
    assert_eq!(answer.status, 413);
    let text = answer.body["overLimit"]["message"].as_str().unwrap();
    assert!(text.contains("Requested 3G, quota is 5G and 3G has been consumed"), "{text}");
    new_volume(&api, MEMBER);
    let answer = create(&api, MEMBER, &json!({"size": 1}));
    assert_eq!(answer.status, 413);
    let text = answer.body["overLimit"]["message"].as_str().unwrap();
    assert!(text.contains("Maximum number of volumes allowed (2) exceeded for quota 'volumes'"), "{text}");
    let usage = api.get(MEMBER, &format!("{quota}?usage=True")).body["quota_set"].clone();
    assert_eq!(usage["gigabytes"], json!({"limit": 5, "in_use": 4, "reserved": 0}));
    let limits = api.get(MEMBER, "/volume/v3/limits").body["limits"]["absolute"].clone();
    assert_eq!((&limits["totalVolumesUsed"], &limits["maxTotalVolumes"]), (&json!(2), &json!(2)));
    assert_eq!(api.delete(ADMIN, quota).status, 200);
    assert_eq!(api.get(MEMBER, quota).body["quota_set"]["volumes"], 10);
}

#[test]
fn types_have_quotas_that_follow_their_names() {
    let api = api();
    let mut node = Node::join(&api, "one", 100);
    let made = api.post(ADMIN, "/volume/v3/types", &json!({"volume_type": {"name": "fast"}}));
    let kind = format!("/volume/v3/types/{}", made.body["volume_type"]["id"].as_str().unwrap());
    let quota = "/volume/v3/os-quota-sets/alpha";
    assert_eq!(api.get(MEMBER, quota).body["quota_set"]["volumes_fast"], -1);
    let limit = |limits: Json| api.put(ADMIN, quota, &json!({"quota_set": limits})).status;
    assert_eq!(limit(json!({"volumes_fast": 1, "gigabytes_fast": "3", "gigabytes_slow": 1})), 400);
    assert_eq!(limit(json!({"volumes_fast": 1, "gigabytes_fast": "3"})), 200);
    let renamed = json!({"volume_type": {"name": "faster"}});
    assert_eq!(api.put(ADMIN, &kind, &renamed).status, 200);
    let fast = |size: u32| create(&api, MEMBER, &json!({"size": size, "volume_type": "faster"}));
    let text = |answer: &testkit::Answer| answer.body["overLimit"]["message"].as_str().unwrap().to_owned();
    let large = fast(4);
    assert!(text(&large).contains("allowed gigabytes_faster quota. Requested 4G, quota is 3G"), "{large:?}");
    let first = fast(2);
    assert_eq!(first.status, 202, "{first:?}");
    let second = fast(1);
    assert!(text(&second).contains("exceeded for quota 'volumes_faster'"), "{second:?}");
    new_volume(&api, MEMBER);
    node.work(&api);
    let id = first.body["volume"]["id"].as_str().unwrap();
    assert_eq!(act(&api, MEMBER, id, &json!({"os-extend": {"new_size": 4}})), 413);
    assert_eq!(act(&api, MEMBER, id, &json!({"os-extend": {"new_size": 3}})), 202);
    let usage = api.get(MEMBER, &format!("{quota}?usage=true")).body["quota_set"].clone();
    assert_eq!(usage["gigabytes_faster"], json!({"limit": 3, "in_use": 3, "reserved": 0}));
    assert_eq!(usage["volumes_default"], json!({"limit": -1, "in_use": 1, "reserved": 0}));
    assert_eq!(usage["gigabytes"], json!({"limit": 1000, "in_use": 4, "reserved": 0}));
    // Less than is there can be said at first, and no more then.
    assert_eq!(limit(json!({"gigabytes": 1})), 200);
    assert_eq!((limit(json!({"gigabytes": 2})), limit(json!({"gigabytes": 4}))), (400, 200));
    assert_eq!(limit(json!({"gigabytes_faster": 2})), 400);
    assert_eq!(limit(json!({"per_volume_gigabytes": 3})), 200);
    assert_eq!(create(&api, MEMBER, &json!({"size": 4})).status, 413);
}

#[test]
fn a_limit_is_the_own_the_common_or_the_builtin_one() {
    let check = |own: &[(&str, i64)], defaults: &[(&str, i64)], expected: [i64; 3]| {
        let map =
            |said: &[(&str, i64)]| said.iter().map(|(key, limit)| ((*key).to_owned(), *limit)).collect();
        let limits = Limits { own: map(own), defaults: map(defaults) };
        let seen =
            [Resource::Volumes, Resource::Gigabytes, Resource::PerVolumeGigabytes].map(|r| limits.of(r));
        assert_eq!(seen, expected, "{limits:?}");
    };
    check(&[], &[], [10, 1000, -1]);
    check(&[("volumes", 3)], &[("volumes", 4), ("gigabytes", 5)], [3, 5, -1]);
    check(&[("volumes", -1)], &[("per_volume_gigabytes", 7)], [-1, 1000, 7]);
}

#[test]
fn conversations_are_as_reviewed() {
    golden(&api(), "quota/golden/life.http");
}
