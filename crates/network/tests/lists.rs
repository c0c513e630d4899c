//! What lists show: to whom, filtered how, in which order, in which pages.

use serde_json::{Value as Json, json};

use crate::cloud::Cloud;

fn names(list: &Json) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn listed(cloud: &Cloud, query: &str) -> Vec<String> {
    let answer = cloud.get(&format!("networks?name=a&name=b&name=c&{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    names(&answer.body["networks"]).into_iter().map(str::to_owned).collect()
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let cloud = Cloud::new();
    for (name, mtu) in [("b", 1300), ("a", 1400), ("c", 1300)] {
        cloud.create("networks", json!({"name": name, "mtu": mtu}));
    }
    assert_eq!(listed(&cloud, "sort_key=name&sort_dir=desc"), ["c", "b", "a"]);
    assert_eq!(listed(&cloud, "mtu=1300&sort_key=name"), ["b", "c"]);
    assert_eq!(listed(&cloud, "sort_key=mtu&sort_dir=desc&sort_key=name&sort_dir=asc"), ["a", "b", "c"]);
    assert_eq!(listed(&cloud, "admin_state_up=False"), Vec::<String>::new());
    assert_eq!(listed(&cloud, "shared=false&router:external=0&sort_key=name"), ["a", "b", "c"]);
    assert_eq!(listed(&cloud, "unheard_of=1&sort_key=name"), ["a", "b", "c"]);
    assert_eq!(listed(&cloud, "tenant_id=beta"), Vec::<String>::new());
    for more in ["", "&mtu=1300&mtu=1400"] {
        pages(&cloud, more);
    }
}

/// Walks through all pages forwards and back, by the links that the answers give.
fn pages(cloud: &Cloud, more: &str) {
    let path = format!("networks?name=a&name=b&name=c&sort_key=name&limit=2{more}");
    let first = cloud.get(&path).body;
    assert_eq!(names(&first["networks"]), ["a", "b"]);
    let next = &first["networks_links"][0];
    assert_eq!(next["rel"], "next");
    let follow = |link: &Json| {
        let href = link["href"].as_str().unwrap();
        cloud.api.get("member@alpha", href.strip_prefix("http://cloud.test").unwrap()).body
    };
    let second = follow(next);
    assert_eq!(names(&second["networks"]), ["c"]);
    let previous = &second["networks_links"][0];
    assert_eq!(previous["rel"], "previous");
    assert_eq!(names(&follow(previous)["networks"]), ["a", "b"]);
}

#[test]
fn fields_choose_attributes() {
    let cloud = Cloud::new();
    let network = cloud.create("networks", json!({"name": "a"}));
    let list = cloud.get("networks?name=a&fields=id&fields=name").body;
    assert_eq!(list["networks"], json!([{"id": network["id"], "name": "a"}]));
    let one = cloud.get(&format!("networks/{}?fields=name", network["id"].as_str().unwrap())).body;
    assert_eq!(one["network"], json!({"name": "a"}));
}

#[test]
fn tags_are_found() {
    let cloud = Cloud::new();
    for (name, tags) in [("a", json!(["red", "blue"])), ("b", json!(["red"])), ("c", json!([]))] {
        let network = cloud.create("networks", json!({"name": name}));
        let path = format!("networks/{}/tags", network["id"].as_str().unwrap());
        assert_eq!(cloud.put(&path, json!({"tags": tags})).status, 200);
    }
    assert_eq!(listed(&cloud, "tags=red&sort_key=name"), ["a", "b"]);
    assert_eq!(listed(&cloud, "tags=red,blue"), ["a"]);
    assert_eq!(listed(&cloud, "tags-any=red,blue&sort_key=name"), ["a", "b"]);
    assert_eq!(listed(&cloud, "not-tags=red,blue&sort_key=name"), ["b", "c"]);
    assert_eq!(listed(&cloud, "not-tags-any=red,blue"), ["c"]);
}

#[test]
fn fixed_ips_are_found() {
    let cloud = Cloud::new();
    let net = cloud.create("networks", json!({}));
    let subnet = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = cloud.create("subnets", subnet);
    for n in [5, 6] {
        let ip = format!("10.0.0.{n}");
        cloud
            .create("ports", json!({"network_id": net["id"], "name": ip, "fixed_ips": [{"ip_address": ip}]}));
    }
    let found = |filter: &str| {
        let body = cloud.get(&format!("ports?{filter}")).body;
        names(&body["ports"]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let id = subnet["id"].as_str().unwrap();
    assert_eq!(found("fixed_ips=ip_address%3D10.0.0.5"), ["10.0.0.5"]);
    assert_eq!(found(&format!("fixed_ips=subnet_id%3D{id}&fixed_ips=ip_address%3D10.0.0.6")), ["10.0.0.6"]);
    assert_eq!(found(&format!("fixed_ips=subnet_id%3D{id}")).len(), 2);
    assert_eq!(found("fixed_ips=ip_address%3D10.0.0.7"), Vec::<String>::new());
}

#[test]
fn a_project_sees_its_own_and_what_is_everybody_s() {
    let cloud = Cloud::new();
    let own = cloud.create("networks", json!({"name": "own"}));
    cloud.create_as("admin@admin", "networks", json!({"name": "hidden"}));
    let shared = cloud.create_as("admin@admin", "networks", json!({"name": "shared", "shared": true}));
    let subnet = json!({"network_id": shared["id"], "ip_version": 4, "cidr": "10.9.0.0/24"});
    let subnet = cloud.create_as("admin@admin", "subnets", subnet);
    let body = cloud.get("networks?sort_key=name").body;
    assert_eq!(names(&body["networks"]), ["own", "public", "shared"]);
    let foreign = |token: &str, path: &str| cloud.api.get(token, &format!("/network/v2.0/{path}")).status;
    let id = own["id"].as_str().unwrap();
    assert_eq!(foreign("member@beta", &format!("networks/{id}")), 404);
    assert_eq!(foreign("admin@admin", &format!("networks/{id}")), 200);
    assert_eq!(foreign("reader@alpha", &format!("networks/{id}")), 200);
    // What is on a shared network can be used by everybody, and changed by its owner alone.
    assert_eq!(cloud.show("subnets", &subnet["id"])["cidr"], "10.9.0.0/24");
    let path = format!("networks/{}", shared["id"].as_str().unwrap());
    let answer = cloud.put(&path, json!({"network": {"name": "mine"}}));
    assert_eq!((answer.status, &answer.body["NeutronError"]["type"]), (403, &json!("PolicyNotAuthorized")));
    let port = cloud.create("ports", json!({"network_id": shared["id"]}));
    assert_eq!(port["fixed_ips"][0]["subnet_id"], subnet["id"]);
    let stays = cloud.api.put(
        "admin@admin",
        &format!("/network/v2.0/{path}"),
        &json!({"network": {"shared": false}}),
    );
    assert_eq!(stays.body["NeutronError"]["type"], "InvalidSharedSetting");
}

#[test]
fn a_change_can_name_the_revision_it_is_meant_for() {
    let cloud = Cloud::new();
    let network = cloud.create("networks", json!({"name": "a"}));
    assert_eq!(network["revision_number"], 1);
    let path = format!("/network/v2.0/networks/{}", network["id"].as_str().unwrap());
    let rename = |revision: &str| {
        let body = json!({"network": {"name": "b"}});
        let headers = [("if-match", revision)];
        cloud.api.call("member@alpha", "PUT", &path, &headers, &body)
    };
    assert_eq!(rename("revision_number=7").status, 412);
    assert_eq!(rename("revision_number=1").body["network"]["revision_number"], 2);
    assert_eq!(rename("nonsense").status, 400);
}
