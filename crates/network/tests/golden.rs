//! Golden conversations, one for each resource.

use std::path::Path;

use testkit::check_golden;
use types::Timestamp;

use crate::cloud::Cloud;

/// Replays a resource's conversation; addresses that are drawn are drawn the same each time.
fn check(resource: &str) {
    let _drawn = runtime::simulate(1, Timestamp::from_seconds(1_790_000_000));
    let cloud = Cloud::new();
    let path = format!("src/{resource}/golden/life.http");
    check_golden(&cloud.api, Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
}

#[test]
fn networks() {
    check("network");
}

#[test]
fn subnets() {
    check("subnet");
}

#[test]
fn subnet_pools() {
    check("subnet_pool");
}

#[test]
fn ports() {
    check("port");
}

#[test]
fn routers() {
    check("router");
}

#[test]
fn floating_ips() {
    check("floating_ip");
}

#[test]
fn security_groups() {
    check("security_group");
}
