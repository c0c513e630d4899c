//! What the service says about itself.

use serde_json::json;

use crate::cloud::Cloud;

#[test]
fn versions_need_no_token() {
    let cloud = Cloud::new();
    let versions = cloud.api.get("", "/network/").body;
    assert_eq!(versions["versions"][0]["links"][0]["href"], "http://cloud.test/network/v2.0/");
    assert_eq!(cloud.api.get("", "/network/v2.0/").status, 200);
    assert_eq!(cloud.api.get("", "/network/v2.0/networks").status, 401);
}

#[test]
fn extensions_are_listed_and_shown() {
    let cloud = Cloud::new();
    let list = cloud.get("extensions").body["extensions"].clone();
    for extension in list.as_array().unwrap() {
        let alias = extension["alias"].as_str().unwrap();
        assert_eq!(cloud.get(&format!("extensions/{alias}")).body["extension"], *extension);
    }
    assert_eq!(cloud.get("extensions/lbaasv2").status, 404);
}

#[test]
fn agents_are_the_hosts() {
    let cloud = Cloud::new();
    let agents = cloud.api.get("admin@admin", "/network/v2.0/agents").body["agents"].clone();
    assert_eq!((&agents[0]["host"], &agents[0]["alive"]), (&json!("node-1"), &json!(true)));
    let path = format!("/network/v2.0/agents/{}", agents[0]["id"].as_str().unwrap());
    assert_eq!(cloud.api.get("admin@admin", &path).body["agent"], agents[0]);
    assert_eq!(cloud.get("agents").status, 403);
    let zones = cloud.get("availability_zones").body;
    assert_eq!(zones["availability_zones"][0]["name"], "nova");
}

#[test]
fn quotas_are_kept() {
    let cloud = Cloud::new();
    let path = "/network/v2.0/quotas/alpha";
    let set = cloud.api.put("admin@admin", path, &json!({"quota": {"network": 1}}));
    assert_eq!(set.body["quota"]["network"], 1);
    cloud.create("networks", json!({}));
    let over = cloud.api.post("member@alpha", "/network/v2.0/networks", &json!({"network": {}}));
    assert_eq!((over.status, &over.body["NeutronError"]["type"]), (409, &json!("OverQuota")));
    let message = over.body["NeutronError"]["message"].as_str().unwrap();
    assert_eq!(message, "Quota exceeded for resources: ['network'] (network: limit 1, used 1, asked 1).");
    let details = cloud.get("quotas/alpha/details").body;
    assert_eq!(details["quota"]["network"], json!({"limit": 1, "used": 1, "reserved": 0}));
    assert_eq!(cloud.get("quotas/alpha/default").body["quota"]["network"], 100);
    assert_eq!(cloud.put("quotas/alpha", json!({"quota": {"network": 5}})).status, 403);
    assert_eq!(cloud.get("quotas/beta").status, 403);
    assert_eq!(cloud.api.delete("admin@admin", path).status, 204);
    assert_eq!(cloud.get("quotas/alpha").body["quota"]["network"], 100);
}
