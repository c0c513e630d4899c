//! What seeds once found, each as small as it gets.

// A helper of tests may end the test.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value as Json, json};
use sim::Simulation;
use sim::client::{Kind, Request};

const MEMBER: &str = "member@alpha";
const ADMIN: &str = "admin@alpha";

fn create(cloud: &mut Simulation, kind: Kind, fields: Json) -> String {
    let request = Request::new(MEMBER, "POST", kind.path(), &json!({ kind.root(): fields }));
    let answer = cloud.call(&request).unwrap();
    assert!(answer.status < 300, "{answer:?}");
    answer.body[kind.root()]["id"].as_str().unwrap().to_owned()
}

fn call(cloud: &mut Simulation, method: &'static str, path: String, body: &Json) -> Json {
    let answer = cloud.call(&Request::new(MEMBER, method, path, body)).unwrap();
    assert!(answer.status < 300, "{answer:?}");
    answer.body
}

/// An image that servers can be made from.
fn image(cloud: &mut Simulation) -> String {
    let fields = json!({"disk_format": "raw", "container_format": "bare"});
    let request = Request::new(MEMBER, "POST", Kind::Image.path(), &fields);
    let image = cloud.call(&request).unwrap().body["id"].as_str().unwrap().to_owned();
    let mut upload = Request::new(MEMBER, "PUT", format!("{}/{image}/file", Kind::Image.path()), &Json::Null);
    upload.headers = vec![("content-type", "application/octet-stream".to_owned())];
    upload.body = vec![0; 512];
    assert!(cloud.call(&upload).unwrap().status < 300);
    image
}

/// Makes a server with these fields.
fn server(cloud: &mut Simulation, fields: Json) -> String {
    let mut request =
        Request::new(ADMIN, "POST", Kind::Server.path(), &json!({ Kind::Server.root(): fields }));
    request.headers.push(("openstack-api-version", "compute 2.96".to_owned()));
    let answer = cloud.call(&request).unwrap();
    assert!(answer.status < 300, "{answer:?}");
    answer.body["server"]["id"].as_str().unwrap().to_owned()
}

/// Seed 44: "gone" was said by a clock that had been put back since "cannot be removed" was, and was thought older.
#[test]
fn a_clock_that_is_put_back_does_not_make_reports_old() {
    let mut cloud = Simulation::with_nodes(1, 1).unwrap();
    let volume = create(&mut cloud, Kind::Volume, json!({"size": 1}));
    cloud.settle().unwrap();
    cloud.nodes[0].ahead_us = 600_000_000;
    cloud.nodes[0].disks.local.fail_next("no");
    call(&mut cloud, "DELETE", format!("{}/{volume}", Kind::Volume.path()), &Json::Null);
    cloud.settle_partly(Duration::from_millis(100)).unwrap();
    cloud.settle().unwrap();
    assert!(cloud.listed(Kind::Volume).unwrap().is_empty());
}

/// Seed 19: a router that found no host while the only one was silent was not placed when that one was back.
#[test]
fn a_router_is_placed_when_the_silent_host_is_back() {
    let mut cloud = Simulation::with_nodes(1, 1).unwrap();
    cloud.kill_agent(0);
    cloud.pass_time(Duration::from_secs(90));
    let network = create(&mut cloud, Kind::Network, json!({}));
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = create(&mut cloud, Kind::Subnet, subnet);
    let router = create(&mut cloud, Kind::Router, json!({}));
    let path = format!("{}/{router}/add_router_interface", Kind::Router.path());
    call(&mut cloud, "PUT", path, &json!({ "subnet_id": subnet }));
    while cloud.reconcile().unwrap() > 0 {}
    cloud.settle().unwrap();
    assert_eq!(cloud.nodes[0].fabric.look().routers.len(), 1);
}

/// Seed 115: a guest was asked to let go of a volume and died first; the agent went on saying that it had the volume.
#[test]
fn a_dead_guest_holds_no_volume() {
    let mut cloud = Simulation::with_nodes(1, 1).unwrap();
    let image = image(&mut cloud);
    let fields = json!({"name": "web", "flavorRef": "42", "imageRef": image, "networks": "none"});
    let server = server(&mut cloud, fields);
    let volume = create(&mut cloud, Kind::Volume, json!({"size": 1}));
    cloud.settle().unwrap();
    let attachments = format!("{}/{server}/os-volume_attachments", Kind::Server.path());
    let attach = json!({"volumeAttachment": {"volumeId": volume}});
    call(&mut cloud, "POST", attachments.clone(), &attach);
    cloud.settle().unwrap();
    cloud.nodes[0].vms.set_stubborn(true);
    call(&mut cloud, "DELETE", format!("{attachments}/{volume}"), &Json::Null);
    cloud.settle_partly(Duration::from_millis(100)).unwrap();
    let path = format!("{}/{volume}", Kind::Volume.path());
    assert_eq!(call(&mut cloud, "GET", path.clone(), &Json::Null)["volume"]["status"], "detaching");
    cloud.nodes[0].vms.crash(server.parse().unwrap(), "killed");
    cloud.settle().unwrap();
    assert_eq!(call(&mut cloud, "GET", path, &Json::Null)["volume"]["status"], "available");
}

/// Seeds 39 and 57: a server waited for its volume, and was then tried for ever as its port was bound to another host.
#[test]
fn a_server_whose_port_is_elsewhere_is_given_up() {
    let mut cloud = Simulation::with_nodes(1, 2).unwrap();
    let image = image(&mut cloud);
    let network = create(&mut cloud, Kind::Network, json!({}));
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    create(&mut cloud, Kind::Subnet, subnet);
    let port = create(&mut cloud, Kind::Port, json!({"network_id": network}));
    let bind = json!({"port": {"binding:host_id": "node-1"}});
    let request = Request::new(ADMIN, "PUT", format!("{}/{port}", Kind::Port.path()), &bind);
    assert_eq!(cloud.call(&request).unwrap().status, 200);
    let disk = json!({
        "boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "volume", "volume_size": 1,
    });
    let fields = json!({
        "name": "web", "flavorRef": "42", "availability_zone": "nova:node-2", "networks": [{"port": port}],
        "block_device_mapping_v2": [disk],
    });
    let server = server(&mut cloud, fields);
    cloud.settle().unwrap();
    let path = format!("{}/{server}", Kind::Server.path());
    let seen = call(&mut cloud, "GET", path, &Json::Null)["server"].clone();
    assert_eq!(seen["status"], "ERROR");
    let why = seen["fault"]["message"].as_str().unwrap();
    assert!(why.contains("already bound on host node-1"), "{why}");
}

/// Seed 56: the hello of a connection that the node had lost was read after that of the next, which then counted no more:
/// the node was not heard again, until something else broke the connection.
#[test]
fn a_late_hello_makes_no_node_deaf() {
    let mut cloud = Simulation::with_nodes(1, 1).unwrap();
    cloud.lose_a_hello(0).unwrap();
    let volume = create(&mut cloud, Kind::Volume, json!({"size": 1}));
    cloud.settle().unwrap();
    let path = format!("{}/{volume}", Kind::Volume.path());
    assert_eq!(call(&mut cloud, "GET", path, &Json::Null)["volume"]["status"], "available");
}

/// The control plane dies at each of the first commits after a wish; the wish comes true all the same.
#[test]
fn a_crash_at_any_commit_loses_no_wish() {
    for commit in 0..12 {
        for mishap in [sim::Mishap::CrashAfter, sim::Mishap::CrashBefore, sim::Mishap::AnswerLost] {
            let mut cloud = Simulation::with_nodes(commit as u64, 2).unwrap();
            create(&mut cloud, Kind::Volume, json!({"size": 1}));
            create(&mut cloud, Kind::Network, json!({}));
            cloud.control.commits.plan(commit, mishap);
            cloud.settle_partly(Duration::from_millis(500)).unwrap();
            cloud.settle().unwrap();
            let volumes: usize = cloud
                .nodes
                .iter()
                .map(|node| storage::VolumeBackend::observe_volumes(&node.disks).unwrap().len())
                .sum();
            assert_eq!(volumes, 1, "commit {commit}, {mishap:?}");
        }
    }
}

/// Chance hardly ever has two servers on one host want the same volume.
#[test]
fn two_servers_share_a_volume_whoever_dies_and_one_of_them_goes() {
    let mut cloud = Simulation::with_nodes(1, 1).unwrap();
    let volume = create(&mut cloud, Kind::Volume, json!({"size": 1, "volume_type": "shared"}));
    let image = image(&mut cloud);
    cloud.settle().unwrap();
    let fields = json!({"name": "a", "flavorRef": "42", "imageRef": image, "networks": "none"});
    let servers = [server(&mut cloud, fields.clone()), server(&mut cloud, fields)];
    cloud.settle().unwrap();
    let ask = |cloud: &mut Simulation, method, path: String, body: &Json| {
        let mut request = Request::new(MEMBER, method, path, body);
        request.headers.push(("openstack-api-version", "compute 2.96".to_owned()));
        let answer = cloud.call(&request).unwrap();
        assert!(answer.status < 300, "{answer:?}");
    };
    let path = |server: &str| format!("{}/{server}", Kind::Server.path());
    for server in &servers {
        let attach = json!({"volumeAttachment": {"volumeId": volume}});
        ask(&mut cloud, "POST", format!("{}/os-volume_attachments", path(server)), &attach);
        cloud.kill_agent(0);
        cloud.settle().unwrap();
    }
    // A server that starts anew has it as one that goes on.
    for action in [json!({"os-stop": null}), json!({"os-start": null})] {
        ask(&mut cloud, "POST", format!("{}/action", path(&servers[0])), &action);
        cloud.settle().unwrap();
    }
    let id = volume.parse().unwrap();
    let spec = cloud.nodes[0].vms.spec(servers[0].parse().unwrap()).unwrap();
    assert!(spec.disks.iter().any(|disk| disk.volume == id && disk.shared));
    for server in &servers {
        assert!(cloud.nodes[0].vms.limits(server.parse().unwrap(), id).is_some(), "{server} has it");
    }
    ask(&mut cloud, "DELETE", path(&servers[0]), &Json::Null);
    cloud.kill_agent(0);
    cloud.settle().unwrap();
    assert!(cloud.nodes[0].vms.limits(servers[1].parse().unwrap(), id).is_some());
    ask(&mut cloud, "DELETE", path(&servers[1]), &Json::Null);
    cloud.settle().unwrap();
    call(&mut cloud, "DELETE", format!("{}/{volume}", Kind::Volume.path()), &Json::Null);
    cloud.settle().unwrap();
    assert!(cloud.listed(Kind::Volume).unwrap().is_empty());
}
