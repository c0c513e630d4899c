//! What only a real kernel can tell: needs root, nftables and network namespaces.

mod responder;

#[test]
fn namespaces_come_and_go() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: namespaces_come_and_go: needs root");
        return;
    }
    let cloud = linux_net::Cloud::random();
    let name = cloud.underlay_namespace();
    let netns = linux_net::Netns::ensure(&name).unwrap();
    let links = netns.run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap()).unwrap();
    assert!(links.contains("lo:"), "{links}");
    assert_eq!(linux_net::list_namespaces(cloud).unwrap(), std::slice::from_ref(&name));
    linux_net::remove_namespace(&name).unwrap();
    linux_net::remove_namespace(&name).unwrap();
    assert!(linux_net::list_namespaces(cloud).unwrap().is_empty());
}
