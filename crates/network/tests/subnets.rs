//! Subnets, their addresses and the pools that they come from.

use serde_json::{Value as Json, json};

use crate::cloud::Cloud;

fn slaac(net: &Json, cidr: &str) -> Json {
    let mode = "slaac";
    json!({"network_id": net["id"], "ip_version": 6, "cidr": cidr, "ipv6_ra_mode": mode, "ipv6_address_mode": mode})
}

fn addresses(port: &Json) -> Vec<&str> {
    port["fixed_ips"].as_array().unwrap().iter().map(|fixed| fixed["ip_address"].as_str().unwrap()).collect()
}

#[test]
fn ports_follow_the_ipv6_subnets_of_their_network() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({}));
    let mac = "fa:16:3e:00:00:01";
    let port = cloud.create("ports", json!({"network_id": net["id"], "mac_address": mac}));
    assert!(addresses(&port).is_empty());
    let subnet = cloud.create("subnets", slaac(&net, "2001:db8:1::/64"));
    assert_eq!(addresses(&cloud.show("ports", &port["id"])), ["2001:db8:1:0:f816:3eff:fe00:1"]);
    let later = json!({"network_id": net["id"], "mac_address": "fa:16:3e:00:00:02"});
    assert_eq!(addresses(&cloud.create("ports", later)), ["2001:db8:1:0:f816:3eff:fe00:2"]);
    // Nobody chose these addresses, so they do not keep the subnet.
    assert_eq!(cloud.delete(&format!("subnets/{}", subnet["id"].as_str().unwrap())).status, 204);
    assert!(addresses(&cloud.show("ports", &port["id"])).is_empty());
}

#[test]
fn an_address_is_given_once_and_again_when_it_is_given_back() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({}));
    let subnet = json!({
        "network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": null,
        "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.13"}],
    });
    let subnet = cloud.create("subnets", subnet);
    assert_eq!(subnet["gateway_ip"], Json::Null);
    let wish = json!({"network_id": net["id"]});
    let ports: Vec<Json> = (0..4).map(|_| cloud.create("ports", wish.clone())).collect();
    let mut given: Vec<&str> = ports.iter().flat_map(addresses).collect();
    given.sort_unstable();
    assert_eq!(given, ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13"]);
    let full = cloud.api.post("member@alpha", "/network/v2.0/ports", &json!({"port": wish}));
    assert_eq!(
        (full.status, &full.body["NeutronError"]["type"]),
        (409, &json!("IpAddressGenerationFailure"))
    );
    assert_eq!(cloud.delete(&format!("ports/{}", ports[2]["id"].as_str().unwrap())).status, 204);
    assert_eq!(addresses(&cloud.create("ports", json!({"network_id": net["id"]}))), addresses(&ports[2]));
    let in_use = cloud.delete(&format!("subnets/{}", subnet["id"].as_str().unwrap()));
    assert_eq!((in_use.status, &in_use.body["NeutronError"]["type"]), (409, &json!("SubnetInUse")));
}

#[test]
fn a_port_keeps_the_addresses_it_still_wants() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({}));
    let four = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
    let four = cloud.create("subnets", four);
    let port = cloud.create("ports", json!({"network_id": net["id"]}));
    let had = addresses(&port)[0].to_owned();
    let path = format!("ports/{}", port["id"].as_str().unwrap());
    let more = json!([{"subnet_id": four["id"]}, {"ip_address": "10.0.0.200"}]);
    let changed = cloud.put(&path, json!({"port": {"fixed_ips": more}})).body;
    assert_eq!(addresses(&changed["port"]), [had.as_str(), "10.0.0.200"]);
    let taken = json!({"port": {"network_id": net["id"], "fixed_ips": [{"ip_address": "10.0.0.200"}]}});
    let taken = cloud.api.post("member@alpha", "/network/v2.0/ports", &taken);
    assert_eq!((taken.status, &taken.body["NeutronError"]["type"]), (409, &json!("IpAddressInUse")));
    let none = cloud.put(&path, json!({"port": {"fixed_ips": []}})).body;
    assert!(addresses(&none["port"]).is_empty());
}

#[test]
fn subnets_come_from_pools() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({}));
    let pool = cloud.create(
        "subnetpools",
        json!({"name": "mine", "prefixes": ["10.200.0.0/23"], "default_prefixlen": 24, "min_prefixlen": 24}),
    );
    let from = |more: Json| {
        let mut body = json!({"network_id": net["id"], "subnetpool_id": pool["id"], "ip_version": 4});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cloud.api.post("member@alpha", "/network/v2.0/subnets", &json!({"subnet": body}))
    };
    assert_eq!(from(json!({})).body["subnet"]["cidr"], "10.200.0.0/24");
    assert_eq!(from(json!({"cidr": "10.200.0.0/24"})).body["NeutronError"]["type"], "SubnetAllocationError");
    assert_eq!(from(json!({"prefixlen": 20})).body["NeutronError"]["type"], "MinPrefixSubnetAllocationError");
    assert_eq!(from(json!({"prefixlen": 25})).body["subnet"]["cidr"], "10.200.1.0/25");
    let id = pool["id"].as_str().unwrap();
    assert_eq!(
        cloud.delete(&format!("subnetpools/{id}")).body["NeutronError"]["type"],
        "SubnetPoolDeleteError"
    );
    let default = json!({"network_id": net["id"], "ip_version": 4, "use_default_subnetpool": true});
    assert_eq!(cloud.create("subnets", default)["cidr"], "10.64.0.0/24");
    let fewer = json!({"subnetpool": {"prefixes": ["10.200.0.0/24"]}});
    let fewer = cloud.put(&format!("subnetpools/{id}"), fewer);
    assert_eq!(fewer.body["NeutronError"]["type"], "IllegalSubnetPoolPrefixUpdate");
    let more =
        cloud.put(&format!("subnetpools/{id}"), json!({"subnetpool": {"prefixes": ["10.200.0.0/22"]}}));
    assert_eq!(more.body["subnetpool"]["prefixes"], json!(["10.200.0.0/22"]));
}
