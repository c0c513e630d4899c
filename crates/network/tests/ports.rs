//! Ports from their creation to their end.

use agent_api::Kind;
use network::port::{self, Bind};
use serde_json::json;
use types::PortId;

use crate::cloud::Cloud;

#[test]
fn a_bound_port_is_built_and_let_go() {
    let mut cloud = Cloud::new();
    let net = cloud.create("networks", json!({"name": "net"}));
    let subnet = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
    cloud.create("subnets", subnet);
    let port = cloud.create("ports", json!({"network_id": net["id"]}));
    assert_eq!(port["status"], "DOWN");
    assert_eq!(port["security_groups"].as_array().unwrap().len(), 1);
    let id: PortId = port["id"].as_str().unwrap().parse().unwrap();
    let bind = Bind { host: "node-1".into(), watcher: None, hostname: Some("web".to_owned()) };
    cloud.tx(move |tx| port::ops::bind(tx, id, bind.clone()));
    assert_eq!(cloud.show("ports", &port["id"])["status"], "BUILD");
    cloud.settle();
    assert_eq!(cloud.show("ports", &port["id"])["status"], "ACTIVE");
    assert_eq!(cloud.documents(Kind::Port)[0]["hostname"], "web");
    assert_eq!(cloud.documents(Kind::Network).len(), 1);
    assert_eq!(cloud.documents(Kind::SecurityGroup).len(), 1);
    assert_eq!(cloud.delete(&format!("ports/{id}")).status, 204);
    assert_eq!(cloud.get(&format!("ports/{id}")).status, 404);
    cloud.settle();
    assert!(cloud.documents(Kind::Port).is_empty());
    assert!(cloud.documents(Kind::Network).is_empty());
    assert!(cloud.documents(Kind::SecurityGroup).is_empty());
    let net = net["id"].as_str().unwrap();
    assert_eq!(cloud.delete(&format!("networks/{net}")).status, 204);
    cloud.settle();
    assert_eq!(cloud.get(&format!("networks/{net}")).status, 404);
}
