//! Coming and going: taps, repeated and repaired wishes, and nothing left in the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use linux_net::{
    Attachment, DataPlane, Netns, NetworkSpec, PacketSocket, Remote, SERVICE_V4, SERVICE_V6, Traffic,
    tap_name,
};
use types::MacAddr;

use crate::support::{NEVER, SOON, World, await_ports, group, group_id, host_test, tool};

const VNET_HEADER_LEN: usize = 10;

fn links(world: &World, vni: u32) -> String {
    let netns = Netns::open(&world.hosts[0].cloud().network_namespace(vni)).unwrap().unwrap();
    netns.run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap()).unwrap()
}

#[test]
fn a_tap_carries_frames_to_whoever_holds_it() {
    host_test!("a_tap_carries_frames_to_whoever_holds_it");
    let mut world = World::new(1);
    let open = group_id();
    let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
    let other = world.guest(0, 12).in_groups(&[open]);
    let mut vm = world.guest(0, 15).in_groups(&[open]);
    vm.port.attachment = Attachment::Tap;
    vm.port.link = tap_name(vm.port.id);
    let spec = world.spec(0, 0x400, &[&other, &vm], &groups);
    let host = &world.hosts[0];
    host.ensure_network(&spec).unwrap();
    other.take_addresses();
    assert!(!host.observe_ports(0x400).unwrap()[&vm.port.id].connected, "nobody holds the tap yet");
    let mut tap = File::from(host.open_tap(0x400, vm.port.id).unwrap());
    assert!(host.open_tap(0x400, vm.port.id).is_err(), "a tap has one holder");
    // Wishing again changes nothing for the holder.
    host.ensure_network(&spec).unwrap();

    // The guest asks who has the other's address.
    let mut frame = vec![0; VNET_HEADER_LEN];
    frame.extend([0xff; 6]);
    frame.extend(vm.port.mac.0);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(vm.port.mac.0);
    frame.extend(vm.v4.octets());
    frame.extend([0; 6]);
    frame.extend(other.v4.octets());
    tap.write_all(&frame).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut reader = tap.try_clone().unwrap();
    runtime::spawn_thread("tap", move || {
        let mut buffer = [0; 2048];
        while let Ok(len) = reader.read(&mut buffer) {
            let frame = &buffer[VNET_HEADER_LEN..len];
            if frame.get(12..14) == Some(&[8, 6]) && frame.get(21) == Some(&2) {
                let _ = sender.send(MacAddr(frame[6..12].try_into().unwrap()));
                return;
            }
        }
    })
    .unwrap();
    assert_eq!(receiver.recv_timeout(SOON).unwrap(), other.port.mac);
    let seen = host.observe_ports(0x400).unwrap()[&vm.port.id].clone();
    assert!(seen.connected && seen.from_guest_packets >= 1 && seen.to_guest_packets >= 1, "{seen:?}");

    // A network goes even while a VM holds its tap.
    host.remove_network(0x400).unwrap();
    host.ensure_network(&NetworkSpec::new(0x400, 1500)).unwrap();
}

#[test]
fn the_host_answers_metadata_and_nothing_else() {
    host_test!("the_host_answers_metadata_and_nothing_else");
    let mut world = World::new(2);
    let quiet = group_id();
    let groups = BTreeMap::from([(quiet, group(&[]))]);
    let guests = [world.guest(0, 11).in_groups(&[quiet]), world.guest(1, 12).in_groups(&[quiet])];
    world.network(0x401, &guests.each_ref(), &groups);
    for (guest, host) in guests.iter().zip(&world.hosts) {
        tool(&format!("ip -n {} route add {SERVICE_V4}/32 dev eth0", guest.namespace));
        let netns = Netns::open(&host.cloud().network_namespace(0x401)).unwrap().unwrap();
        let web = netns.run(|| std::net::TcpListener::bind(("::", 80)).unwrap()).unwrap();
        let _other = netns.run(|| std::net::TcpListener::bind(("::", 81)).unwrap()).unwrap();
        assert!(guest.tcp_connect(SERVICE_V4, 80, SOON).is_ok());
        assert_eq!(web.accept().unwrap().1.ip().to_canonical(), guest.v4, "asked on its own host");
        assert!(guest.pings(&format!("{SERVICE_V6}%eth0"), "-c1 -W5"));
        assert!(guest.tcp_connect(SERVICE_V4, 81, NEVER).is_err());
    }
}

/// Questions that each host answers itself do not reach the others; other broadcasts do.
#[test]
fn questions_for_the_host_do_not_leave_it() {
    host_test!("questions_for_the_host_do_not_leave_it");
    let mut world = World::new(2);
    let open = group_id();
    let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
    let guests = [world.guest(0, 11).in_groups(&[open]), world.guest(1, 12).in_groups(&[open])];
    world.network(0x405, &guests.each_ref(), &groups);
    let [a, _] = &guests;
    assert!(a.reaches(guests[1].v4), "the network works");
    let underlay = Netns::open(&world.hosts[0].cloud().underlay_namespace()).unwrap().unwrap();
    let wire = PacketSocket::open(&underlay, "ul").unwrap();
    let sender = PacketSocket::open(&a.netns, "eth0").unwrap();
    let service = SERVICE_V6.octets();
    let ask_arp = |target: Ipv4Addr| {
        let own = [&a.port.mac.0[..], &a.v4.octets()].concat();
        let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
        [&[0xff; 6][..], &a.port.mac.0, &head, &own, &[0; 6], &target.octets()].concat()
    };
    let mut dhcp =
        [&[0xff; 6][..], &a.port.mac.0, &[8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0x7a, 0xd2]].concat();
    dhcp.extend([0, 0, 0, 0, 255, 255, 255, 255, 0, 68, 0, 67, 0, 8, 0, 0]);
    let mut nd =
        [&[0x33, 0x33, 0xff, 0xfe, 0xa9, 0xfe][..], &a.port.mac.0, &[0x86, 0xdd, 0x60, 0, 0, 0]].concat();
    nd.extend([0, 24, 58, 255]);
    nd.extend(a.v6.octets());
    nd.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xfe, 0xa9, 0xfe, 135, 0, 0, 0, 0, 0, 0, 0]);
    nd.extend(service);
    let control = ask_arp(Ipv4Addr::new(10, 0, 0, 200));
    let sent = [ask_arp(SERVICE_V4), dhcp, nd, control.clone()];
    for frame in &sent {
        sender.send(frame).unwrap();
    }
    // The guest's own multicast reports cross as well.
    let mut crossed: Vec<Vec<u8>> = Vec::new();
    while let Some(frame) = wire.receive(if crossed.is_empty() { SOON } else { NEVER }).unwrap() {
        let inner = frame.get(50..).unwrap_or_default();
        crossed.extend(sent.iter().filter(|sent| *sent == inner).cloned());
    }
    assert_eq!(crossed, [control]);
}

#[test]
fn wishes_can_be_repeated_and_repair_what_was_broken() {
    host_test!("wishes_can_be_repeated_and_repair_what_was_broken");
    let mut world = World::new(1);
    let open = group_id();
    let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
    let (a, b) = (world.guest(0, 11).in_groups(&[open]), world.guest(0, 12).in_groups(&[open]));
    world.network(0x402, &[&a, &b], &groups);
    let spec = world.spec(0, 0x402, &[&a, &b], &groups);
    assert!(a.reaches(b.v4));
    let name = world.hosts[0].cloud().network_namespace(0x402);

    // A connection survives a new process that knows nothing, and a repeated wish.
    let listener = b.tcp_listen(22);
    let stream = a.tcp_connect(b.v4, 22, SOON).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let fresh = DataPlane::new(world.hosts[0].cloud());
    fresh
        .ensure_underlay(&linux_net::UnderlaySpec {
            address: crate::support::underlay_address(0),
            udp_port: linux_net::VXLAN_PORT,
        })
        .unwrap();
    fresh.ensure_network(&spec).unwrap();
    fresh.ensure_network(&spec).unwrap();
    (&stream).write_all(b"x").unwrap();
    far.set_read_timeout(Some(SOON)).unwrap();
    far.read_exact(&mut [0]).unwrap();

    // Somebody empties the tables: the next change loads all of it again.
    tool(&format!("ip netns exec {name} nft flush ruleset"));
    let mut c = world.guest(0, 13).in_groups(&[open]);
    fresh.ensure_port(0x402, &c.port).unwrap();
    await_ports(&fresh, 0x402);
    c.take_addresses();
    assert!(c.reaches(a.v4) && c.reaches(b.v6));
    // Somebody deletes a device: the next wish makes it again.
    tool(&format!("ip -n {name} link del vx0"));
    fresh.ensure_network(&spec).unwrap();
    assert!(links(&world, 0x402).contains("vx0:"));
    assert!(!links(&world, 0x402).contains(&c.port.link), "a port that is not in the spec is gone");

    // Down and up.
    let mut port = a.port.clone();
    port.admin_up = false;
    fresh.ensure_port(0x402, &port).unwrap();
    assert!(a.misses(b.v4));
    fresh.ensure_port(0x402, &a.port).unwrap();
    await_ports(&fresh, 0x402);
    assert!(a.reaches(b.v4));
    c.port.link = "br0".into();
    let refused = fresh.ensure_port(0x402, &c.port).unwrap_err();
    assert!(refused.to_string().contains("cannot name its link"), "{refused}");
}

#[test]
fn removal_leaves_nothing() {
    host_test!("removal_leaves_nothing");
    let mut world = World::new(1);
    let guest = world.guest(0, 11);
    world.network(0x403, &[&guest], &BTreeMap::new());
    let host = &world.hosts[0];
    host.remove_port(0x403, guest.port.id).unwrap();
    host.remove_port(0x403, guest.port.id).unwrap();
    assert!(!links(&world, 0x403).contains(&guest.port.link));
    let name = host.cloud().network_namespace(0x403);
    let rules =
        std::process::Command::new("ip").args(["netns", "exec", &name, "nft", "list", "ruleset"]).output();
    let rules = String::from_utf8(rules.unwrap().stdout).unwrap();
    assert!(rules.contains("table bridge sg"), "{rules}");
    assert!(!rules.contains(&guest.port.link) && !rules.contains(&guest.port.mac.to_string()), "{rules}");
    host.remove_network(0x403).unwrap();
    host.remove_network(0x403).unwrap();
    host.remove_port(0x403, guest.port.id).unwrap();
    host.remove_group(0x403, group_id()).unwrap();
    host.remove_external().unwrap();
    assert_eq!(host.list_namespaces().unwrap(), [host.cloud().underlay_namespace()]);
    host.remove_everything().unwrap();
    assert!(host.list_namespaces().unwrap().is_empty());
    assert!(host.ensure_port(0x403, &guest.port).is_err());
}

#[test]
fn networks_and_ports_are_made_quickly() {
    host_test!("networks_and_ports_are_made_quickly");
    let mut world = World::new(1);
    let open = group_id();
    let groups = BTreeMap::from([(open, group(&[(Traffic::Any, Remote::Anyone)]))]);
    let guests: Vec<_> = (1..=20).map(|number| world.guest(0, number).in_groups(&[open])).collect();
    let host = &world.hosts[0];
    let mut network = Duration::MAX;
    for _ in 0..5 {
        host.remove_network(0x404).unwrap();
        let spec = world.spec(0, 0x404, &[], &groups);
        let start = runtime::monotonic();
        host.ensure_network(&spec).unwrap();
        network = network.min(start.elapsed());
    }
    // The first port brings its group's chains along; the others are elements only.
    host.ensure_port(0x404, &guests[0].port).unwrap();
    let mut port = Duration::MAX;
    for guest in &guests[1..] {
        let mut spec = guest.port.clone();
        spec.attachment = Attachment::Tap;
        let start = runtime::monotonic();
        host.ensure_port(0x404, &spec).unwrap();
        port = port.min(start.elapsed());
    }
    println!("a network is made in {network:?}, a port in {port:?}");
    assert!(network < Duration::from_millis(300) && port < Duration::from_millis(100));
    assert!(guests[0].misses(Ipv4Addr::new(10, 0, 0, 2)), "nobody is behind a tap");
}
