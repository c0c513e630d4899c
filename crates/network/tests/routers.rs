//! Routers and floating IPs with their documents.

use agent_api::Kind;
use serde_json::{Value as Json, json};

use crate::cloud::Cloud;

fn public(cloud: &Cloud) -> Json {
    cloud.get("networks?name=public").body["networks"][0]["id"].clone()
}

/// Nothing is left to do, and doing it again changes no document.
fn settled(cloud: &mut Cloud) {
    assert_eq!(cloud.api.runner.sweep().unwrap(), []);
    let before: Vec<Json> = Kind::ALL.into_iter().flat_map(|kind| cloud.documents(kind)).collect();
    let revision = cloud.revision();
    cloud.kick_everything();
    cloud.settle();
    let after: Vec<Json> = Kind::ALL.into_iter().flat_map(|kind| cloud.documents(kind)).collect();
    assert_eq!((after, cloud.revision()), (before, revision));
}

#[test]
fn a_floating_ip_leads_through_a_router_to_a_port() {
    let mut cloud = Cloud::new();
    let net = cloud.create("networks", json!({"name": "net"}));
    let subnet =
        cloud.create("subnets", json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}));
    let port = cloud.create("ports", json!({"network_id": net["id"]}));
    let public = public(&cloud);
    let floating = json!({"floating_network_id": public, "port_id": port["id"]});
    let refused =
        cloud.api.post("member@alpha", "/network/v2.0/floatingips", &json!({"floatingip": floating}));
    assert_eq!(refused.body["NeutronError"]["type"], "ExternalGatewayForFloatingIPNotFound");
    let router =
        cloud.create("routers", json!({"name": "gate", "external_gateway_info": {"network_id": public}}));
    let path = format!("routers/{}", router["id"].as_str().unwrap());
    let added = cloud.put(&format!("{path}/add_router_interface"), json!({"subnet_id": subnet["id"]}));
    assert_eq!(added.status, 200, "{}", added.body);
    let floating = cloud.create("floatingips", floating);
    assert_eq!(floating["status"], "DOWN");
    cloud.settle();
    assert_eq!(cloud.show("routers", &router["id"])["status"], "ACTIVE");
    assert_eq!(cloud.show("floatingips", &floating["id"])["status"], "ACTIVE");
    assert_eq!(cloud.show("ports", &added.body["port_id"])["status"], "ACTIVE");
    let document = &cloud.documents(Kind::Router)[0];
    let pair = json!([[floating["floating_ip_address"], port["fixed_ips"][0]["ip_address"]]]);
    assert_eq!(document["floating_ips"], pair);
    assert_eq!(document["gateway"]["internal"], json!(["10.0.0.0/24"]));
    settled(&mut cloud);
    let leg = json!({"subnet_id": subnet["id"]});
    let kept = cloud.put(&format!("{path}/remove_router_interface"), leg.clone());
    assert_eq!(kept.body["NeutronError"]["type"], "RouterInterfaceInUseByFloatingIP");
    assert_eq!(cloud.delete(&format!("floatingips/{}", floating["id"].as_str().unwrap())).status, 204);
    assert_eq!(cloud.delete(&path).status, 409);
    assert_eq!(cloud.put(&format!("{path}/remove_router_interface"), leg).status, 200);
    assert_eq!(cloud.delete(&path).status, 204);
    cloud.settle();
    assert!(cloud.documents(Kind::Router).is_empty());
    assert!(cloud.documents(Kind::Network).is_empty());
}
