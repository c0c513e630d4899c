//! Security groups and what nodes are told of them.

use agent_api::Kind;
use network::port::{self, Bind};
use serde_json::{Value as Json, json};
use types::PortId;

use crate::cloud::Cloud;

fn bind(cloud: &mut Cloud, port: &Json) {
    let id: PortId = port["id"].as_str().unwrap().parse().unwrap();
    let bind = Bind { host: "node-1".into(), watcher: None, hostname: None };
    cloud.tx(move |tx| port::ops::bind(tx, id, bind.clone()));
    cloud.settle();
}

#[test]
fn every_project_has_a_default_group() {
    let cloud = Cloud::new();
    let groups = cloud.get("security-groups").body["security_groups"].clone();
    assert_eq!(groups.as_array().unwrap().len(), 1);
    assert_eq!(groups[0]["name"], "default");
    let id = &groups[0]["id"];
    let rules = groups[0]["security_group_rules"].as_array().unwrap();
    let mut said: Vec<_> = rules
        .iter()
        .map(|rule| {
            (
                rule["direction"].as_str().unwrap(),
                rule["ethertype"].as_str().unwrap(),
                &rule["remote_group_id"],
            )
        })
        .collect();
    said.sort_by_key(|(direction, ethertype, _)| (*direction, *ethertype));
    let none = &Json::Null;
    assert_eq!(
        said,
        [
            ("egress", "IPv4", none),
            ("egress", "IPv6", none),
            ("ingress", "IPv4", id),
            ("ingress", "IPv6", id)
        ]
    );
    assert_eq!(cloud.get("security-groups").body["security_groups"], groups);
    let kept = cloud.delete(&format!("security-groups/{}", id.as_str().unwrap()));
    assert_eq!(kept.body["NeutronError"]["type"], "SecurityGroupCannotRemoveDefault");
    let twin = json!({"security_group": {"name": "Default"}});
    let twin = cloud.api.post("member@alpha", "/network/v2.0/security-groups", &twin);
    assert_eq!(twin.body["NeutronError"]["type"], "SecurityGroupDefaultAlreadyExists");
}

#[test]
fn nodes_are_told_the_members_of_groups_that_rules_name() {
    let mut cloud = Cloud::new();
    let net = cloud.create("networks", json!({}));
    cloud.create("subnets", json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}));
    let (web, db) = (
        cloud.create("security-groups", json!({"name": "web"})),
        cloud.create("security-groups", json!({"name": "db"})),
    );
    let rule = json!({
        "security_group_id": db["id"], "direction": "ingress", "protocol": "tcp",
        "port_range_min": 5432, "port_range_max": 5432, "remote_group_id": web["id"],
    });
    let rule = cloud.create("security-group-rules", rule);
    let port = |ip: &str, group: &Json| json!({"network_id": net["id"], "fixed_ips": [{"ip_address": ip}], "security_groups": [group["id"]]});
    let server = cloud.create("ports", port("10.0.0.5", &db));
    bind(&mut cloud, &server);
    let told = |cloud: &Cloud| {
        let group =
            cloud.documents(Kind::SecurityGroup).into_iter().find(|group| group["id"] == db["id"]).unwrap();
        let rules = group["rules"].as_array().unwrap().clone();
        rules.into_iter().find(|rule| rule["ingress"] == true).map(|rule| rule["remote_addresses"].clone())
    };
    assert_eq!(told(&cloud), Some(json!([])));
    let client = cloud.create("ports", port("10.0.0.6", &web));
    cloud.settle();
    assert_eq!(told(&cloud), Some(json!(["10.0.0.6/32"])));
    let path = format!("ports/{}", client["id"].as_str().unwrap());
    cloud.put(&path, json!({"port": {"fixed_ips": [{"ip_address": "10.0.0.7"}]}}));
    cloud.settle();
    assert_eq!(told(&cloud), Some(json!(["10.0.0.7/32"])));
    cloud.put(&path, json!({"port": {"security_groups": []}}));
    cloud.settle();
    assert_eq!(told(&cloud), Some(json!([])));
    let in_use = cloud.delete(&format!("security-groups/{}", db["id"].as_str().unwrap()));
    assert_eq!(in_use.body["NeutronError"]["type"], "SecurityGroupInUse");
    assert_eq!(cloud.delete(&format!("security-group-rules/{}", rule["id"].as_str().unwrap())).status, 204);
    cloud.settle();
    assert_eq!(told(&cloud), None);
    // Only the group that a port here is in is told at all.
    assert_eq!(cloud.documents(Kind::SecurityGroup).len(), 1);
}

#[test]
fn a_rule_exists_once() {
    let cloud = Cloud::new();
    let group = cloud.create("security-groups", json!({"name": "web"}));
    let rule = |protocol: Json| json!({"security_group_id": group["id"], "direction": "ingress", "protocol": protocol});
    let first = cloud.create("security-group-rules", rule(json!("tcp")));
    assert_eq!(first["protocol"], "tcp");
    for twin in [json!("tcp"), json!("6"), json!(6)] {
        let body = json!({"security_group_rule": rule(twin)});
        let answer = cloud.api.post("member@alpha", "/network/v2.0/security-group-rules", &body);
        assert_eq!(answer.body["NeutronError"]["type"], "SecurityGroupRuleExists");
    }
    cloud.create("security-group-rules", rule(Json::Null));
    let bulk = json!({"security_group_rules": [rule(json!("udp")), rule(json!("sctp"))]});
    let bulk = cloud.api.post("member@alpha", "/network/v2.0/security-group-rules", &bulk);
    assert_eq!(bulk.body["security_group_rules"].as_array().unwrap().len(), 2);
}
