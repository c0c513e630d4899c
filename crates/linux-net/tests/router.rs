//! A router with two networks on two hosts, floating IPs, IPv6, and a neighbour's router beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use linux_net::{
    ExternalSpec, Netns, Remote, RouterGateway, RouterInterface, RouterSpec, Traffic, router_link,
};
use types::{IpNet, MacAddr, PortId, RouterId, SecurityGroupId};

use crate::support::{Guest, NEVER, SOON, World, await_ports, group, group_id, host_test, tool};

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const FLOATING: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 20);
const WEB: u16 = 8080;

struct Scene {
    world: World,
    /// In network 100: a on the first host, b on the second; in network 101: c on the second.
    a: Guest,
    b: Guest,
    c: Guest,
    external: Netns,
    router: RouterSpec,
    open: SecurityGroupId,
}

fn nets<const N: usize>(texts: [&str; N]) -> BTreeSet<IpNet> {
    texts.into_iter().map(|net| net.parse().unwrap()).collect()
}

fn interface(vni: u32, mac: u32, addresses: BTreeSet<IpNet>) -> (PortId, RouterInterface) {
    let mac = MacAddr::openstack(mac);
    (PortId(runtime::new_uuid()), RouterInterface { vni, mtu: 1500, mac, addresses })
}

fn gateway(mac: u32, addresses: BTreeSet<IpNet>) -> RouterGateway {
    RouterGateway {
        port: PortId(runtime::new_uuid()),
        mtu: 1500,
        mac: MacAddr::openstack(mac),
        addresses,
        next_hops: ["203.0.113.1", "2001:db8:ff::1"].map(|hop| hop.parse().unwrap()).into(),
        snat: true,
    }
}

impl Scene {
    fn new() -> Scene {
        let mut world = World::new(2);
        let open = group_id();
        let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
        let mut guest = |host, number| world.guest(host, number).in_groups(&[open]);
        let (a, b, mut c) = (guest(0, 11), guest(1, 12), guest(1, 13));
        c.v4 = Ipv4Addr::new(10, 0, 1, 13);
        c.v6 = "fd00:b::13".parse().unwrap();
        c.port.addresses = [c.v4.into(), c.v6.into()].into();

        let (left, right) = (
            interface(0x100, 0xff0100, nets(["10.0.0.1/24", "fd00:a::1/64"])),
            interface(0x101, 0xff0101, nets(["10.0.1.1/24", "fd00:b::1/64"])),
        );
        for (vni, guests, leg) in [(0x100, vec![&a, &b], &left), (0x101, vec![&c], &right)] {
            for (at, host) in world.hosts.iter().enumerate() {
                let mut spec = world.spec(at, vni, &guests, &groups);
                // The router is on the first host; the first host carries network 101 for it alone.
                if at == 1 {
                    spec.peers.insert(crate::support::underlay_address(0));
                    spec.remote_ports.insert(linux_net::RemotePort {
                        mac: leg.1.mac,
                        addresses: leg.1.addresses.iter().map(IpNet::addr).collect(),
                        host: crate::support::underlay_address(0),
                    });
                }
                host.ensure_network(&spec).unwrap();
                await_ports(host, vni);
            }
            for guest in &guests {
                guest.take_addresses();
                let own: BTreeMap<bool, IpAddr> =
                    leg.1.addresses.iter().map(|net| (net.addr().is_ipv4(), net.addr())).collect();
                tool(&format!("ip -n {} route add default via {}", guest.namespace, own[&true]));
                tool(&format!("ip -n {} -6 route add default via {}", guest.namespace, own[&false]));
            }
        }
        let routes = [("fd00:a::/64", "2001:db8:ff::10"), ("fd00:b::/64", "2001:db8:ff::10")];
        let outside = ExternalSpec {
            mtu: 1500,
            gateways: nets(["203.0.113.1/24", "2001:db8:ff::1/64"]),
            routes: routes.map(|(to, via)| (to.parse().unwrap(), via.parse().unwrap())).into(),
        };
        world.hosts[0].ensure_external(&outside).unwrap();
        let router = RouterSpec {
            id: RouterId(runtime::new_uuid()),
            interfaces: [left, right].into(),
            gateway: Some(gateway(0xffff01, nets(["203.0.113.10/24", "2001:db8:ff::10/64"]))),
            floating_ips: [(FLOATING, a.v4)].into(),
            routes: BTreeMap::new(),
        };
        world.hosts[0].ensure_router(&router).unwrap();
        let external = Netns::open(&world.hosts[0].cloud().external_namespace()).unwrap().unwrap();
        Scene { world, a, b, c, external, router, open }
    }

    fn ensure_router(&self) {
        self.world.hosts[0].ensure_router(&self.router).unwrap();
    }

    fn outside_pings(&self, to: impl Into<IpAddr>, wait: &str) -> bool {
        let to = to.into().to_string();
        let ping =
            || std::process::Command::new("ping").args(["-n", "-q", "-c1", wait, &to]).output().unwrap();
        self.external.run(ping).unwrap().status.success()
    }
}

fn serve(netns: &Netns) -> TcpListener {
    netns.run(|| TcpListener::bind(("::", WEB)).unwrap()).unwrap()
}

fn connect(netns: &Netns, to: impl Into<IpAddr>, wait: Duration) -> Option<TcpStream> {
    let to = SocketAddr::new(to.into(), WEB);
    netns.run(|| TcpStream::connect_timeout(&to, wait)).unwrap().ok()
}

/// As whom the client appears at the server when it connects to `to`.
fn appears_as(listener: &TcpListener, client: &Netns, to: impl Into<IpAddr>) -> IpAddr {
    let to = to.into();
    let _stream = connect(client, to, SOON).unwrap_or_else(|| panic!("cannot connect to {to}"));
    listener.accept().unwrap().1.ip().to_canonical()
}

#[test]
fn a_router_joins_networks_and_the_outside() {
    host_test!("a_router_joins_networks_and_the_outside");
    let scene = Scene::new();
    let Scene { a, b, c, external, .. } = &scene;
    let web = serve(external);
    assert!(a.reaches(c.v4) && a.reaches(c.v6), "across networks and hosts");
    assert_eq!(appears_as(&web, &b.netns, OUTSIDE), GATEWAY, "SNAT");
    assert_eq!(appears_as(&web, &c.netns, OUTSIDE), GATEWAY, "SNAT from the other network");
    assert_eq!(appears_as(&web, &a.netns, OUTSIDE), FLOATING, "out with the floating IP");
    assert!(scene.outside_pings(FLOATING, "-W5"), "in by the floating IP");
    let inner = serve(&a.netns);
    assert_eq!(appears_as(&inner, external, FLOATING), OUTSIDE, "the client's own address is seen");
    for (guest, name) in [(b, "the same network"), (c, "another network"), (a, "the guest itself")] {
        assert!(connect(&guest.netns, FLOATING, SOON).is_some(), "hairpin from {name}");
        inner.accept().unwrap();
    }
    for guest in [a, b, c] {
        assert!(scene.outside_pings(guest.v6, "-W5"), "IPv6 in to {}", guest.v6);
        let client: IpAddr = appears_as(&web, &guest.netns, "2001:db8:ff::1".parse::<IpAddr>().unwrap());
        assert_eq!(client, guest.v6, "IPv6 goes out as it is");
    }
    assert!(!b.pings(&OUTSIDE.to_string(), "-c1 -W1 -t1"), "one hop does not reach the outside");
    let seen = scene.world.hosts[0].observe_router(scene.router.id).unwrap().unwrap();
    assert_eq!(seen.connected.len(), 3);
}

#[test]
fn fixed_addresses_are_never_reached_from_outside() {
    host_test!("fixed_addresses_are_never_reached_from_outside");
    let scene = Scene::new();
    let name = scene.external.name();
    tool(&format!("ip -n {name} route add 10.0.0.0/16 via {GATEWAY}"));
    assert!(scene.outside_pings(FLOATING, "-W5"));
    assert!(!scene.outside_pings(scene.a.v4, "-W0.3"), "a guest with a floating IP");
    assert!(!scene.outside_pings(scene.c.v4, "-W0.3"), "a guest without");

    // A neighbour's router, with the same addresses inside, knows no way in either.
    let Scene { mut world, open, .. } = scene;
    let neighbour = world.guest(0, 11).in_groups(&[open]);
    let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
    world.network(0x300, &[&neighbour], &groups);
    tool(&format!("ip -n {} route add default via 10.0.0.1", neighbour.namespace));
    let router = RouterSpec {
        id: RouterId(runtime::new_uuid()),
        interfaces: [interface(0x300, 0xff0300, nets(["10.0.0.1/24"]))].into(),
        gateway: Some(gateway(0xffff02, nets(["203.0.113.11/24"]))),
        floating_ips: BTreeMap::new(),
        routes: BTreeMap::new(),
    };
    world.hosts[0].ensure_router(&router).unwrap();
    assert!(neighbour.reaches(OUTSIDE));
    assert!(neighbour.reaches(FLOATING), "floating IPs are public");
    assert!(neighbour.misses(Ipv4Addr::new(10, 0, 1, 13)), "a fixed address of another router");
}

#[test]
fn what_a_floating_ip_allowed_ends_with_it() {
    host_test!("what_a_floating_ip_allowed_ends_with_it");
    let mut scene = Scene::new();
    let inner = serve(&scene.a.netns);
    let stream = connect(&scene.external, FLOATING, SOON).unwrap();
    let (mut far, _) = inner.accept().unwrap();
    far.set_read_timeout(Some(SOON)).unwrap();
    std::io::Write::write_all(&mut &stream, b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();

    scene.router.floating_ips = [(FLOATING, scene.b.v4)].into();
    scene.ensure_router();
    std::io::Write::write_all(&mut &stream, b"y").unwrap();
    far.set_read_timeout(Some(NEVER)).unwrap();
    assert!(far.read_exact(&mut [0]).is_err(), "an old connection goes on through a floating IP that moved");
    let inner = serve(&scene.b.netns);
    assert!(connect(&scene.external, FLOATING, SOON).is_some(), "the floating IP has moved");
    inner.accept().unwrap();
    let web = serve(&scene.external);
    assert_eq!(appears_as(&web, &scene.a.netns, OUTSIDE), GATEWAY, "the guest that lost it");
    scene.router.floating_ips.clear();
    scene.ensure_router();
    assert!(!scene.outside_pings(FLOATING, "-W0.3"), "a floating IP that is gone answers");
}

#[test]
fn a_router_is_rebuilt_and_follows_its_spec() {
    host_test!("a_router_is_rebuilt_and_follows_its_spec");
    let mut scene = Scene::new();
    let host = &scene.world.hosts[0];
    assert!(scene.a.reaches(OUTSIDE) && scene.outside_pings(FLOATING, "-W5"));
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        host.remove_router(scene.router.id).unwrap();
        let start = runtime::monotonic();
        host.ensure_router(&scene.router).unwrap();
        fastest = fastest.min(start.elapsed());
        assert!(
            scene.outside_pings(FLOATING, "-W2"),
            "the floating IP answers the first ping after a rebuild"
        );
    }
    println!("a router is rebuilt in {fastest:?}");
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");

    // A fresh process finds the router as it is and changes nothing that matters.
    let web = serve(&scene.external);
    let stream = connect(&scene.b.netns, OUTSIDE, SOON).unwrap();
    let (mut far, _) = web.accept().unwrap();
    let fresh = linux_net::DataPlane::new(host.cloud());
    fresh.ensure_router(&scene.router).unwrap();
    std::io::Write::write_all(&mut &stream, b"x").unwrap();
    far.set_read_timeout(Some(SOON)).unwrap();
    far.read_exact(&mut [0]).unwrap();

    // An extra route to a subnet behind a guest.
    tool(&format!("ip -n {} addr add 192.168.50.1/32 dev lo", scene.a.namespace));
    assert!(!scene.outside_pings(Ipv4Addr::new(192, 168, 50, 1), "-W0.3"));
    scene.router.routes.insert("192.168.50.0/24".parse().unwrap(), scene.a.v4.into());
    scene
        .a
        .port
        .address_pairs
        .insert(linux_net::AddressPair { mac: scene.a.port.mac, net: "192.168.50.0/24".parse().unwrap() });
    host.ensure_port(0x100, &scene.a.port).unwrap();
    scene.ensure_router();
    assert!(scene.c.reaches(Ipv4Addr::new(192, 168, 50, 1)), "by the extra route");

    // An interface that goes takes its leg along.
    let (port, _) = scene.router.interfaces.pop_last().unwrap();
    scene.ensure_router();
    let name = host.cloud().router_namespace(scene.router.id);
    let devices = Netns::open(&name).unwrap().unwrap();
    let devices = devices.run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap()).unwrap();
    assert!(!devices.contains(&router_link(port)), "{devices}");
}
