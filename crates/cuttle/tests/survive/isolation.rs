//! What no tenant can reach, with packets through ports that the agent made.

use super::cloud::{Cloud, Who, wait};
use super::cloud_test;
use super::guest::{Guest, NEVER, checksum, tenant};

const GATEWAY: &str = "10.77.0.1";
/// Every forged frame carries this text and its name.
const MARK: &[u8] = b"FORGED:";

/// Two guests of project demo and one of project admin, in networks with the same subnet.
fn guests(cloud: &Cloud) -> (Guest, Guest, Guest) {
    let image = cloud.upload("blank", "raw", &vec![0; 1 << 20]);
    let demo = tenant(cloud, Who::Demo, &image, 2);
    let guest_image = cloud.guest_image();
    let admin = tenant(cloud, Who::Admin, &guest_image, 1);
    let start = |who: Who, server: &str| {
        wait("the server runs", super::cloud::LONG, || {
            let shown = cloud.must(who, "GET", &format!("/compute/v2.1/servers/{server}"), None);
            (shown["server"]["status"] == "ACTIVE").then_some(())
        });
        Guest::replace(cloud, who, server, GATEWAY)
    };
    (start(Who::Demo, &demo[0]), start(Who::Demo, &demo[1]), start(Who::Admin, &admin[0]))
}

fn udp(mac: [u8; 6], to_mac: [u8; 6], from: &str, to: &str, name: &str) -> Vec<u8> {
    let octets = |address: &str| address.parse::<std::net::Ipv4Addr>().unwrap().octets();
    let payload = [MARK, name.as_bytes(), b";"].concat();
    let mut header = vec![0x45, 0];
    header.extend(u16::try_from(28 + payload.len()).unwrap().to_be_bytes());
    header.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    header.extend(octets(from));
    header.extend(octets(to));
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    header.extend([0, 9, 0, 9]);
    header.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    header.extend([0, 0]);
    [&to_mac[..], &mac, &[8, 0], &header, &payload].concat()
}

fn arp(sender: [u8; 6], mac: [u8; 6], address: &str, name: &str) -> Vec<u8> {
    let address = address.parse::<std::net::Ipv4Addr>().unwrap().octets();
    let head = [&[0xff; 6][..], &sender, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]].concat();
    [&head[..], &mac, &address, &[0xff; 6], &address, MARK, name.as_bytes(), b";"].concat()
}

/// The names of the forged frames that come to a guest.
fn arrived(socket: &linux_net::PacketSocket) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(frame) = socket.receive(NEVER).unwrap() {
        if let Some(at) = frame.windows(MARK.len()).position(|window| window == MARK) {
            let name = frame[at + MARK.len()..].split(|byte| *byte == b';').next().unwrap();
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    names.sort();
    // What comes to a port where nobody listens goes back once more, in a complaint.
    names.dedup();
    names
}

#[test]
fn no_tenant_reaches_another_the_underlay_or_the_host() {
    cloud_test!("no_tenant_reaches_another_the_underlay_or_the_host");
    let cloud = Cloud::new();
    let (a, b, stranger) = guests(&cloud);
    assert!(a.reaches(&b.address), "neighbours reach one another");
    assert!(a.reaches(GATEWAY), "the router answers");
    assert!(a.reaches("172.24.4.1"), "the way out is open, so that what follows means something");
    assert!(a.connects("169.254.169.254", 80), "metadata is served");

    forged_frames_go_nowhere(&a, &b);
    same_subnets_do_not_touch(&a, &stranger);
    nothing_of_ours_answers(&cloud, &a, &stranger);
}

fn forged_frames_go_nowhere(a: &Guest, b: &Guest) {
    let ear = b.listen();
    let (forged, all) = ([0xfa, 0x16, 0x3e, 0, 0, 0x99], [0xff; 6]);
    a.send(&udp(forged, b.mac, &a.address, &b.address, "mac"));
    a.send(&udp(a.mac, b.mac, "10.77.0.250", &b.address, "ip"));
    a.send(&udp(b.mac, b.mac, &b.address, &b.address, "victim"));
    a.send(&arp(a.mac, a.mac, GATEWAY, "arp-gateway"));
    a.send(&arp(a.mac, forged, &a.address, "arp-mac"));
    a.send(&arp(forged, a.mac, &a.address, "arp-sender"));
    let mut dhcp = udp(a.mac, all, &a.address, "255.255.255.255", "dhcp-server");
    dhcp[34..38].copy_from_slice(&[0, 67, 0, 68]);
    a.send(&dhcp);
    let plain = udp(a.mac, b.mac, &a.address, &b.address, "vlan");
    a.send(&[&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat());
    let llc = [&b.mac[..], &a.mac, &[0, 60, 0x42, 0x42, 3], MARK, b"llc;", &[0; 40]].concat();
    a.send(&llc);
    // A router advertisement, whose sum nobody looks at before it would have arrived.
    let own = [&[0xfe, 0x80][..], &[0; 13], &[0xb]].concat();
    let nodes = [&[0xff, 2][..], &[0; 13], &[1]].concat();
    let body = [&[134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], MARK, b"ra;"].concat();
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    let head =
        [&[0x33, 0x33, 0, 0, 0, 1][..], &a.mac, &[0x86, 0xdd, 0x60, 0, 0, 0], &len, &[58, 255]].concat();
    a.send(&[&head[..], &own, &nodes, &body].concat());
    a.send(&udp(a.mac, b.mac, &a.address, &b.address, "honest"));
    assert_eq!(arrived(&ear), ["honest"]);
}

fn same_subnets_do_not_touch(a: &Guest, stranger: &Guest) {
    let ear = stranger.listen();
    // To the stranger's own addresses, on the wire and by way of the router.
    let all = [0xff; 6];
    a.send(&udp(a.mac, stranger.mac, &a.address, &stranger.address, "direct"));
    a.send(&udp(a.mac, all, &a.address, "10.77.0.255", "broadcast"));
    a.send(&udp(a.mac, all, &a.address, "255.255.255.255", "everyone"));
    a.send(&arp(a.mac, a.mac, &a.address, "arp"));
    a.reaches(&stranger.address);
    assert_eq!(arrived(&ear), [""; 0]);
}

fn nothing_of_ours_answers(cloud: &Cloud, a: &Guest, stranger: &Guest) {
    let (_, port) = cloud.endpoint().rsplit_once(':').unwrap();
    let api: u16 = port.parse().unwrap();
    let routers = cloud.must(Who::Admin, "GET", "/network/v2.0/routers", None);
    let outer = |router: &serde_json::Value| {
        router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"].as_str().map(str::to_owned)
    };
    let outer: Vec<String> = routers["routers"].as_array().unwrap().iter().filter_map(outer).collect();
    assert_eq!(outer.len(), 2, "{routers}");
    let mut addresses = vec!["172.24.4.1", "172.31.0.1", "169.254.169.254", GATEWAY];
    addresses.extend(outer.iter().map(String::as_str));
    for address in addresses {
        for port in [api, 22, 53, 111, 4789] {
            assert!(!a.connects(address, port), "a guest connects to {address} port {port}");
        }
    }
    assert!(!a.reaches("172.31.0.1"), "the underlay answers");
    // The host's own addresses, whatever they are.
    let own = std::process::Command::new("hostname").arg("-I").output().unwrap();
    for address in String::from_utf8_lossy(&own.stdout).split_whitespace().filter(|own| own.contains('.')) {
        assert!(!a.reaches(address), "the host answers at {address}");
        assert!(!a.connects(address, api), "the host's API answers at {address}");
    }
    // By way of the other project's router to its guests.
    let ear = stranger.listen();
    for other in &outer {
        a.reaches(other);
        a.send(&udp(a.mac, gateway_mac(a), &a.address, &stranger.address, "routed"));
        a.send(&udp(a.mac, gateway_mac(a), &a.address, other, "to-router"));
    }
    assert_eq!(arrived(&ear), [""; 0]);
}

/// Where a guest's frames to the router go.
fn gateway_mac(guest: &Guest) -> [u8; 6] {
    let known = std::process::Command::new("ip")
        .args(["-n", guest.netns.name(), "neigh", "show", GATEWAY])
        .output()
        .unwrap();
    let known = String::from_utf8_lossy(&known.stdout).into_owned();
    let mac = known.split_whitespace().skip_while(|word| *word != "lladdr").nth(1).unwrap();
    mac.parse::<types::MacAddr>().unwrap().0
}
