//! What seeds once found, each as small as it gets.

// A helper of tests may end the test.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value as Json, json};
use sim::Simulation;
use sim::client::{Kind, Request};

const MEMBER: &str = "member@alpha";

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
