//! Ports from their creation to their end.

use agent_api::Kind;
use network::port::{self, Bind, Device, Watcher};
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

#[test]
fn a_port_that_is_lost_and_found_says_so() {
    let mut cloud = Cloud::new();
    let net = cloud.create("networks", json!({}));
    let port = cloud.create("ports", json!({"network_id": net["id"]}));
    let id: PortId = port["id"].as_str().unwrap().parse().unwrap();
    let status = |cloud: &Cloud| cloud.show("ports", &port["id"])["status"].as_str().unwrap().to_owned();
    let watcher = Watcher { kind: "network::network".to_owned(), id: net["id"].as_str().unwrap().to_owned() };
    let bind = Bind { host: "node-1".into(), watcher: Some(watcher), hostname: None };
    cloud.tx(move |tx| port::ops::bind(tx, id, bind.clone()));
    cloud.settle();
    assert_eq!(status(&cloud), "ACTIVE");
    cloud.report(Kind::Port, false);
    assert_eq!(status(&cloud), "DOWN");
    cloud.report(Kind::Port, true);
    assert_eq!(status(&cloud), "ACTIVE");
    cloud.put(&format!("ports/{id}"), json!({"port": {"admin_state_up": false}}));
    cloud.settle();
    assert_eq!(status(&cloud), "DOWN");
    assert_eq!(cloud.documents(Kind::Port)[0]["admin_up"], false);
    // What lets go keeps its address until the host says so.
    cloud.tx(move |tx| port::ops::detach(tx, id));
    cloud.api.settle();
    assert!(!cloud.tx(move |tx| port::ops::is_released(tx, id)));
    cloud.settle();
    assert!(cloud.tx(move |tx| port::ops::is_released(tx, id)));
    assert!(cloud.documents(Kind::Network).is_empty());
    assert_eq!(cloud.get(&format!("ports/{id}")).status, 200);
}

#[test]
fn a_port_is_on_one_host_and_in_one_server() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({"name": "net"}));
    cloud.create("subnets", json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}));
    let port = cloud.create("ports", json!({"network_id": net["id"]}));
    let id: PortId = port["id"].as_str().unwrap().parse().unwrap();
    let device = |id: &str| Device { id: id.to_owned(), owner: "compute:nova".to_owned() };
    let (one, two) = (device("server-1"), device("server-2"));
    let member = testkit::caller("member@alpha").unwrap();
    cloud.tx(move |tx| port::ops::attach(&member, tx, id, one.clone()).map(drop));
    let member = testkit::caller("member@alpha").unwrap();
    let refused = cloud.tx(move |tx| Ok(port::ops::attach(&member, tx, id, two.clone()).err()));
    assert!(matches!(refused, Some(network::Error::PortInUse { .. })));
    let bind = |host: &str| Bind { host: host.into(), watcher: None, hostname: None };
    let (here, there) = (bind("node-1"), bind("node-2"));
    cloud.tx(move |tx| port::ops::bind(tx, id, here.clone()));
    let refused = cloud.tx(move |tx| Ok(port::ops::bind(tx, id, there.clone()).err()));
    assert!(matches!(refused, Some(network::Error::PortBound { .. })));
    let addressing = cloud.tx(|tx| port::ops::addressing(tx, &["server-1".to_owned()]));
    assert_eq!((addressing.len(), addressing[0].network_name.as_str()), (1, "net"));
    assert_eq!(json!(addressing[0].fixed_ips), json!([port["fixed_ips"][0]["ip_address"]]));
}
