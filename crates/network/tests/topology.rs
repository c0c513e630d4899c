//! Auto-allocated topologies, from nothing and back.

use agent_api::Kind;
use serde_json::json;

use crate::cloud::Cloud;

#[test]
fn a_project_gets_a_dual_stack_network_for_the_asking() {
    let mut cloud = Cloud::new();
    let dry = cloud.get("auto-allocated-topology/alpha?fields=dry-run").body;
    assert_eq!(dry["auto_allocated_topology"]["id"], "dry-run=pass");
    assert!(cloud.get("networks?project_id=alpha").body["networks"].as_array().unwrap().is_empty());
    let topology = cloud.get("auto-allocated-topology/alpha").body["auto_allocated_topology"].clone();
    assert_eq!(cloud.get("auto-allocated-topology/None").body["auto_allocated_topology"], topology);
    let port =
        cloud.create("ports", json!({"network_id": topology["id"], "mac_address": "fa:16:3e:00:00:01"}));
    let fixed = port["fixed_ips"].as_array().unwrap();
    assert!(fixed[0]["ip_address"].as_str().unwrap().starts_with("10.64.0."));
    assert_eq!(fixed[1]["ip_address"], "2001:db8:a000:0:f816:3eff:fe00:1");
    cloud.settle();
    let router = &cloud.documents(Kind::Router)[0];
    assert_eq!(router["interfaces"].as_array().unwrap().len(), 2);
    let six =
        router["interfaces"].as_array().unwrap().iter().find(|leg| leg["advertise"] != json!([])).unwrap();
    assert_eq!(six["advertise"][0]["prefix"], "2001:db8:a000::/64");
    assert_eq!(six["advertise"][0]["mode"], "slaac");
    // The way back in, by the router's own address outside.
    let routes = &cloud.documents(Kind::External)[0]["routes"];
    let outside = router["gateway"]["addresses"].as_array().unwrap();
    let six = outside.iter().find_map(|net| net.as_str().unwrap().strip_suffix("/64")).unwrap();
    assert_eq!(*routes, json!([["2001:db8:a000::/64", six]]));
    let in_use = cloud.delete("auto-allocated-topology/alpha");
    assert_eq!((in_use.status, &in_use.body["NeutronError"]["type"]), (409, &json!("NetworkInUse")));
    assert_eq!(cloud.delete(&format!("ports/{}", port["id"].as_str().unwrap())).status, 204);
    assert_eq!(cloud.delete("auto-allocated-topology/alpha").status, 204);
    cloud.settle();
    assert!(cloud.documents(Kind::Router).is_empty());
    assert!(cloud.documents(Kind::Network).is_empty());
    assert_eq!(cloud.documents(Kind::External)[0]["routes"], json!([]));
    assert!(cloud.get("networks?project_id=alpha").body["networks"].as_array().unwrap().is_empty());
}

#[test]
fn projects_do_not_overlap() {
    let cloud = Cloud::new();
    let mut prefixes = Vec::new();
    for project in ["alpha", "beta"] {
        let token = format!("member@{project}");
        let path = format!("/network/v2.0/auto-allocated-topology/{project}");
        assert_eq!(cloud.api.get(&token, &path).status, 200);
        let subnets = cloud.api.get(&token, "/network/v2.0/subnets?sort_key=ip_version").body;
        prefixes.extend(subnets["subnets"].as_array().unwrap().iter().map(|subnet| subnet["cidr"].clone()));
    }
    assert_eq!(
        prefixes,
        [
            json!("10.64.0.0/24"),
            json!("2001:db8:a000::/64"),
            json!("10.64.1.0/24"),
            json!("2001:db8:a000:1::/64")
        ]
    );
    let foreign = cloud.api.get("member@beta", "/network/v2.0/auto-allocated-topology/alpha");
    assert_eq!(foreign.status, 400);
}
