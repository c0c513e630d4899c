//! What only a real kernel can tell. Needs root, nftables and network namespaces; without them each test says that
//! it is skipped. All traffic stays in namespaces that the tests make.

#![allow(clippy::unwrap_used)]

mod groups;
mod lifecycle;
mod overlay;
mod responder;
mod router;

mod spoofing;
#[allow(dead_code)]
mod support;

use linux_net::{Cloud, Netns, list_namespaces, probe, remove_namespace};

use support::host_test;

#[test]
fn namespaces_come_and_go() {
    host_test!("namespaces_come_and_go");
    let cloud = Cloud::random();
    let name = cloud.underlay_namespace();
    let netns = Netns::ensure(&name).unwrap();
    let links = netns.run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap()).unwrap();
    assert!(links.contains("lo:"), "{links}");
    assert_eq!(list_namespaces(cloud).unwrap(), std::slice::from_ref(&name));
    remove_namespace(&name).unwrap();
    remove_namespace(&name).unwrap();
    assert!(list_namespaces(cloud).unwrap().is_empty());
}

#[test]
fn the_probe_finds_what_we_need() {
    host_test!("the_probe_finds_what_we_need");
    let cloud = Cloud::random();
    let probed = probe(cloud).unwrap();
    assert!(probed.bridge_filter, "{probed:?}");
    assert!(probed.nft.contains("nftables"), "{probed:?}");
    assert!(list_namespaces(cloud).unwrap().is_empty());
}
