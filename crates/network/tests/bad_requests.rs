//! Requests that make no sense: refused as Neutron refuses them, and never with a 500.

use serde_json::{Value as Json, json};

use crate::cloud::Cloud;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// The status and the type of the fault.
fn refused(cloud: &Cloud, method: &str, path: &str, body: &Json) -> (u16, String) {
    let answer = cloud.api.call("member@alpha", method, &format!("/network/v2.0/{path}"), &[], body);
    let kind = answer.body["NeutronError"]["type"].as_str().unwrap_or_default().to_owned();
    (answer.status, kind)
}

#[test]
fn bodies_of_networks() {
    let cloud = Cloud::new();
    let check = |body: Json, status, kind: &str| {
        assert_eq!(refused(&cloud, "POST", "networks", &body), (status, kind.to_owned()), "{body}");
    };
    check(json!([]), 400, "HTTPBadRequest");
    check(json!({}), 400, "HTTPBadRequest");
    check(json!({"networks": {}}), 400, "HTTPBadRequest");
    check(json!({"network": "x"}), 400, "HTTPBadRequest");
    check(json!({"network": {"colour": "red"}}), 400, "HTTPBadRequest");
    check(json!({"network": {"status": "ACTIVE"}}), 400, "HTTPBadRequest");
    check(json!({"network": {"name": 7}}), 400, "HTTPBadRequest");
    check(json!({"network": {"name": null}}), 400, "HTTPBadRequest");
    check(json!({"network": {"name": "x".repeat(256)}}), 400, "HTTPBadRequest");
    check(json!({"network": {"admin_state_up": "maybe"}}), 400, "HTTPBadRequest");
    check(json!({"network": {"mtu": 9000}}), 400, "InvalidInput");
    check(json!({"network": {"mtu": -1}}), 400, "HTTPBadRequest");
    check(json!({"network": {"shared": true}}), 403, "PolicyNotAuthorized");
    check(json!({"network": {"router:external": true}}), 403, "PolicyNotAuthorized");
    check(
        json!({"network": {"provider:network_type": "flat", "provider:physical_network": "x"}}),
        403,
        "PolicyNotAuthorized",
    );
    check(json!({"network": {"project_id": "beta"}}), 400, "HTTPBadRequest");
    check(json!({"network": {"project_id": "alpha", "tenant_id": "beta"}}), 400, "HTTPBadRequest");
    check(json!({"network": {"availability_zone_hints": ["mars"]}}), 404, "AvailabilityZoneNotFound");
    let malformed = cloud.api.send("member@alpha", "POST", "/network/v2.0/networks", &[], b"{".to_vec());
    assert_eq!(malformed.body["NeutronError"]["type"], "MalformedRequestBody");
    let reader = cloud.api.post("reader@alpha", "/network/v2.0/networks", &json!({"network": {}}));
    assert_eq!(reader.status, 403);
}

#[test]
fn bodies_of_subnets() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({}))["id"].clone();
    let taken = json!({"network_id": net, "ip_version": 4, "cidr": "10.0.0.0/16"});
    cloud.create("subnets", taken);
    let check = |more: Json, status, kind: &str| {
        let mut subnet = json!({"network_id": net, "ip_version": 4});
        subnet.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({"subnet": subnet});
        assert_eq!(refused(&cloud, "POST", "subnets", &body), (status, kind.to_owned()), "{body}");
    };
    check(json!({}), 400, "BadRequest");
    check(json!({"cidr": "ten"}), 400, "HTTPBadRequest");
    check(json!({"cidr": "10.0.9.0/24"}), 400, "InvalidInput");
    check(json!({"cidr": "2001:db8::/64"}), 400, "InvalidInput");
    check(json!({"cidr": "10.1.0.0/24", "ip_version": 5}), 400, "HTTPBadRequest");
    check(json!({"cidr": "10.1.0.0/24", "gateway_ip": "10.2.0.1"}), 400, "InvalidInput");
    check(json!({"cidr": "10.1.0.0/24", "gateway_ip": "x"}), 400, "HTTPBadRequest");
    check(json!({"cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.9"}]}), 400, "HTTPBadRequest");
    check(json!({"cidr": "10.1.0.0/24", "allocation_pools": "all"}), 400, "HTTPBadRequest");
    check(
        json!({"cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.9"}]}),
        409,
        "GatewayConflictWithAllocationPools",
    );
    check(json!({"cidr": "10.1.0.0/24", "dns_nameservers": ["dns"]}), 400, "HTTPBadRequest");
    check(json!({"cidr": "10.1.0.0/24", "dns_nameservers": vec!["8.8.8.8"; 2]}), 400, "HTTPBadRequest");
    let servers: Vec<String> = (1..=6).map(|n| format!("8.8.8.{n}")).collect();
    check(json!({"cidr": "10.1.0.0/24", "dns_nameservers": servers}), 400, "DNSNameServersExhausted");
    check(
        json!({"cidr": "10.1.0.0/24", "host_routes": [{"destination": "x", "nexthop": "y"}]}),
        400,
        "HTTPBadRequest",
    );
    check(json!({"cidr": "10.1.0.0/24", "ipv6_ra_mode": "slaac"}), 400, "InvalidInput");
    check(json!({"cidr": "10.1.0.0/24", "ipv6_ra_mode": "psychic"}), 400, "HTTPBadRequest");
    check(json!({"cidr": "10.1.0.0/24", "prefixlen": 24}), 400, "BadRequest");
    check(json!({"cidr": "10.1.0.0/24", "network_id": NOBODY}), 404, "NetworkNotFound");
    check(json!({"cidr": "10.1.0.0/24", "network_id": "x"}), 404, "NetworkNotFound");
    check(json!({"subnetpool_id": NOBODY}), 404, "SubnetPoolNotFound");
    check(json!({"cidr": "10.1.0.0/24", "service_types": []}), 400, "HTTPBadRequest");
}

#[test]
fn bodies_of_ports() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({}))["id"].clone();
    cloud.create("subnets", json!({"network_id": net, "ip_version": 4, "cidr": "10.0.0.0/24"}));
    cloud.create("ports", json!({"network_id": net, "mac_address": "fa:16:3e:00:00:01"}));
    let public = cloud.get("networks?name=public").body["networks"][0]["id"].clone();
    let check = |more: Json, status, kind: &str| {
        let mut port = json!({"network_id": net});
        port.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({"port": port});
        assert_eq!(refused(&cloud, "POST", "ports", &body), (status, kind.to_owned()), "{body}");
    };
    check(json!({"network_id": null}), 400, "HTTPBadRequest");
    check(json!({"network_id": NOBODY}), 404, "NetworkNotFound");
    check(json!({"network_id": public}), 403, "PolicyNotAuthorized");
    check(json!({"mac_address": "zz"}), 400, "HTTPBadRequest");
    check(json!({"mac_address": "01:00:5e:00:00:01"}), 400, "HTTPBadRequest");
    check(json!({"mac_address": "fa:16:3e:00:00:01"}), 409, "MacAddressInUse");
    check(json!({"fixed_ips": [{"ip_address": "10.1.0.1"}]}), 400, "InvalidIpForNetwork");
    check(json!({"fixed_ips": [{"subnet_id": NOBODY}]}), 400, "InvalidInput");
    check(json!({"fixed_ips": [{}]}), 400, "InvalidInput");
    check(json!({"fixed_ips": ["10.0.0.1"]}), 400, "HTTPBadRequest");
    check(
        json!({"fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.9"}]}),
        400,
        "HTTPBadRequest",
    );
    check(json!({"security_groups": [NOBODY]}), 404, "SecurityGroupNotFound");
    check(json!({"security_groups": "default"}), 400, "HTTPBadRequest");
    check(
        json!({"port_security_enabled": false, "allowed_address_pairs": [{"ip_address": "1.1.1.1"}]}),
        409,
        "AddressPairAndPortSecurityRequired",
    );
    check(json!({"allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:02"}]}), 400, "InvalidInput");
    check(
        json!({"allowed_address_pairs": vec![json!({"ip_address": "1.1.1.1"}); 2]}),
        400,
        "DuplicateAddressPairInRequest",
    );
    check(json!({"device_owner": "network:router_interface"}), 403, "PolicyNotAuthorized");
    check(json!({"binding:host_id": "node-1"}), 403, "PolicyNotAuthorized");
    check(json!({"binding:vnic_type": "direct"}), 400, "HTTPBadRequest");
    check(json!({"device_id": "x".repeat(200)}), 400, "HTTPBadRequest");
    check(json!({"project_id": "beta"}), 400, "HTTPBadRequest");
}

#[test]
fn bodies_of_routers_and_floating_ips() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({}))["id"].clone();
    let public = cloud.get("networks?name=public").body["networks"][0]["id"].clone();
    let check = |path: &str, body: Json, status, kind: &str| {
        let method = if path.contains('/') { "PUT" } else { "POST" };
        assert_eq!(refused(&cloud, method, path, &body), (status, kind.to_owned()), "{path} {body}");
    };
    let way = |way: Json| json!({"router": {"external_gateway_info": way}});
    check("routers", way(json!({"network_id": NOBODY})), 404, "NetworkNotFound");
    check("routers", way(json!({"network_id": net})), 400, "BadRequest");
    check("routers", way(json!("public")), 400, "HTTPBadRequest");
    check("routers", way(json!({"network_id": public, "enable_snat": false})), 403, "PolicyNotAuthorized");
    check("routers", json!({"router": {"distributed": true}}), 400, "HTTPBadRequest");
    let router = cloud.create("routers", json!({"name": "r"}));
    let router = router["id"].as_str().unwrap();
    let add = &format!("routers/{router}/add_router_interface");
    check(add, json!({}), 400, "BadRequest");
    check(add, json!({"subnet_id": NOBODY, "port_id": NOBODY}), 400, "BadRequest");
    check(add, json!({"subnet_id": NOBODY}), 404, "SubnetNotFound");
    check(add, json!({"port_id": NOBODY}), 404, "PortNotFound");
    let bare = json!({"network_id": net, "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": null});
    let bare = cloud.create("subnets", bare)["id"].clone();
    check(add, json!({"subnet_id": bare}), 400, "BadRequest");
    let remove = &format!("routers/{router}/remove_router_interface");
    check(remove, json!({"subnet_id": bare}), 404, "RouterInterfaceNotFoundForSubnet");
    check(remove, json!({"port_id": NOBODY}), 404, "RouterInterfaceNotFound");
    let route = json!({"router": {"routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]}});
    check(&format!("routers/{router}"), route, 400, "InvalidRoutes");
    check(&format!("routers/{NOBODY}"), json!({"router": {}}), 404, "RouterNotFound");
    let floating = |more: Json| {
        let mut body = json!({"floating_network_id": public});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"floatingip": body})
    };
    check("floatingips", json!({"floatingip": {}}), 400, "HTTPBadRequest");
    check("floatingips", floating(json!({"floating_network_id": net})), 400, "BadRequest");
    check("floatingips", floating(json!({"floating_network_id": NOBODY})), 404, "NetworkNotFound");
    check("floatingips", floating(json!({"port_id": NOBODY})), 404, "PortNotFound");
    check("floatingips", floating(json!({"fixed_ip_address": "10.0.0.9"})), 400, "BadRequest");
    check("floatingips", floating(json!({"floating_ip_address": "172.24.4.9"})), 403, "PolicyNotAuthorized");
    check("floatingips", floating(json!({"subnet_id": NOBODY})), 404, "SubnetNotFound");
}

#[test]
fn a_router_cannot_have_the_same_addresses_twice() {
    let cloud = Cloud::new();
    let router = cloud.create("routers", json!({}))["id"].clone();
    let add = format!("routers/{}/add_router_interface", router.as_str().unwrap());
    let subnets: Vec<Json> = (0..2)
        .map(|_| {
            let net = cloud.create("networks", json!({}));
            let subnet = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
            cloud.create("subnets", subnet)["id"].clone()
        })
        .collect();
    assert_eq!(cloud.put(&add, json!({"subnet_id": subnets[0]})).status, 200);
    for again in &subnets {
        assert_eq!(
            refused(&cloud, "PUT", &add, &json!({"subnet_id": again})),
            (400, "BadRequest".to_owned())
        );
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let cloud = Cloud::new();
    let collections = [
        ("networks", "NetworkNotFound"),
        ("subnets", "SubnetNotFound"),
        ("subnetpools", "SubnetPoolNotFound"),
        ("ports", "PortNotFound"),
        ("routers", "RouterNotFound"),
        ("floatingips", "FloatingIPNotFound"),
        ("security-groups", "SecurityGroupNotFound"),
        ("security-group-rules", "SecurityGroupRuleNotFound"),
    ];
    for (collection, kind) in collections {
        for id in [NOBODY, "name", "%00", "..%2f"] {
            let path = format!("{collection}/{id}");
            for method in ["GET", "DELETE"] {
                assert_eq!(
                    refused(&cloud, method, &path, &Json::Null),
                    (404, kind.to_owned()),
                    "{method} {path}"
                );
            }
        }
        let page = format!("{collection}?limit=2&marker={NOBODY}");
        assert_eq!(refused(&cloud, "GET", &page, &Json::Null), (404, kind.to_owned()));
        for query in ["limit=x", "limit=-1", "sort_key=id&sort_dir=up"] {
            assert_eq!(
                refused(&cloud, "GET", &format!("{collection}?{query}"), &Json::Null).0,
                400,
                "{query}"
            );
        }
        assert_eq!(refused(&cloud, "PATCH", collection, &Json::Null).0, 405);
    }
    assert_eq!(refused(&cloud, "GET", "rbac-policies", &Json::Null).0, 404);
}
