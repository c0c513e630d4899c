//! The responder against real kernels: clients in namespaces of their own, behind a bridge.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use linux_net::responder::{
    InstanceMetadata, Ipv6Mode, LEASE_SECONDS_DEFAULT, NetworkTable, Observed, Port, Prefix, Responder,
    RouterInterface, RouterTable, SERVICE_V4, SERVICE_V6, Seen, SubnetV4, SubnetV6,
};
use linux_net::{BRIDGE_LINK, Cloud, Netns, RouterSpec, remove_namespace, router_link, ssh_banner};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike, recv, setsockopt, socket, sockopt,
};
use types::{MacAddr, PortId};

use crate::support::{World, host_test, tool};

const WAIT: Duration = Duration::from_secs(10);
const SERVICE_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0xa9, 0xfe]);
const ROUTER_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0, 1]);
/// The same in every network here, as tenants are free to choose.
const VM_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
const VM_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);

/// A bridge in a namespace and a client in another, deleted in the end.
struct Net {
    net: String,
    vm: String,
    router: String,
    port: PortId,
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in [&self.net, &self.vm, &self.router] {
            let _ = remove_namespace(name);
        }
    }
}

/// `ip` with arguments, where `{n}`, `{v}` and `{r}` stand for the namespaces.
fn ip(net: &Net, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.replace("{n}", &net.net).replace("{v}", &net.vm).replace("{r}", &net.router);
        let output = Command::new("ip").args(line.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Net {
    fn new(number: u32) -> Net {
        let cloud = Cloud::random();
        let name = |kind: &str| format!("{cloud}-t{kind}{number}");
        let port = format!("00000000-0000-4000-8000-{number:012}").parse().unwrap();
        let net = Net { net: name("n"), vm: name("v"), router: name("r"), port };
        for name in [&net.net, &net.vm, &net.router] {
            Netns::ensure(name).unwrap();
        }
        ip(&net, "-n {n} link add br0 address fa:16:3e:ff:a9:fe type bridge");
        ip(&net, "-n {n} link add tap0 type veth peer name eth0 netns {v} address fa:16:3e:00:00:01");
        ip(&net, "-n {n} link add leg type veth peer name qr netns {r} address fa:16:3e:ff:00:01");
        // Like the tap of a VM under QEMU: link-local addresses of the bridge's own ports are of no use.
        sysctl(&net.net, "ipv6/conf/tap0/disable_ipv6", "1");
        sysctl(&net.vm, "ipv6/conf/eth0/accept_dad", "0");
        sysctl(&net.vm, "ipv6/conf/eth0/router_solicitations", "10");
        sysctl(&net.router, "ipv6/conf/all/forwarding", "1");
        sysctl(&net.router, "ipv6/conf/qr/accept_dad", "0");
        ip(
            &net,
            "-n {n} link set tap0 master br0 up
             -n {n} link set leg master br0 up
             -n {n} link set br0 up
             -n {n} addr add 169.254.169.254/32 dev br0
             -n {n} addr add fe80::a9fe:a9fe/64 dev br0 nodad
             -n {n} route add 10.0.0.0/24 dev br0
             -n {r} link set qr up",
        );
        net
    }

    fn table(&self) -> NetworkTable {
        Net::table_of(self.port)
    }

    fn table_of(id: PortId) -> NetworkTable {
        let port = Port {
            id,
            addresses: vec![VM_ADDRESS.into()],
            hostname: Some("web".into()),
            dhcp_options: BTreeMap::new(),
        };
        NetworkTable {
            device: "br0".into(),
            service_mac: SERVICE_MAC,
            mtu: 1450,
            domain: String::new(),
            lease_seconds: LEASE_SECONDS_DEFAULT,
            subnets_v4: vec![SubnetV4 {
                cidr: "10.0.0.0/24".parse().unwrap(),
                dhcp: true,
                gateway: Some("10.0.0.1".parse().unwrap()),
                dns_servers: Vec::new(),
                routes: Vec::new(),
                server: None,
            }],
            subnets_v6: vec![SubnetV6 {
                cidr: "2001:db8:100::/64".parse().unwrap(),
                mode: Some(Ipv6Mode::Slaac),
                dns_servers: Vec::new(),
            }],
            ports: BTreeMap::from([(VM_MAC, port)]),
        }
    }

    fn router(&self) -> RouterTable {
        Net::router_table()
    }

    fn router_table() -> RouterTable {
        let cidr = "2001:db8:100::/64".parse().unwrap();
        let leg = RouterInterface {
            mac: ROUTER_MAC,
            mtu: Some(1450),
            prefixes: vec![Prefix { cidr, mode: Ipv6Mode::Slaac }],
            dns_servers: vec!["2001:db8::53".parse().unwrap()],
        };
        RouterTable { interfaces: BTreeMap::from([("qr".into(), leg)]) }
    }

    fn in_vm<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        Netns::open(&self.vm).unwrap().unwrap().run(body).unwrap()
    }

    /// A page of metadata as this network's VM gets it.
    fn read_page(&self, to: IpAddr, request: &str) -> String {
        self.in_vm(|| read_page(to, request))
    }

    fn take_static_address(&self) {
        ip(
            self,
            "-n {v} addr replace 10.0.0.11/24 dev eth0
             -n {v} route replace 169.254.169.254/32 dev eth0",
        );
    }
}

/// Asks the metadata service and reads to the end.
fn read_page(to: IpAddr, request: &str) -> String {
    let to = match to {
        IpAddr::V4(v4) => SocketAddr::from((v4, 80)),
        IpAddr::V6(v6) => {
            let index = nix::net::if_::if_nametoindex("eth0").unwrap();
            SocketAddr::V6(SocketAddrV6::new(v6, 80, 0, index))
        }
    };
    let mut stream = TcpStream::connect_timeout(&to, WAIT).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn sysctl(ns: &str, key: &str, value: &str) {
    let inside = Netns::open(ns).unwrap().unwrap();
    inside.run(|| std::fs::write(format!("/proc/sys/net/{key}"), value).unwrap()).unwrap();
}

/// Asks again until `check` says yes; fails after [`WAIT`].
fn until(what: &str, mut check: impl FnMut() -> bool) {
    let start = runtime::monotonic();
    while !check() {
        assert!(start.elapsed() < WAIT, "not in time: {what}");
        runtime::sleep_blocking(Duration::from_millis(20));
    }
}

fn instance(name: &str) -> Arc<InstanceMetadata> {
    Arc::new(InstanceMetadata {
        server: runtime::new_uuid().into(),
        name: name.into(),
        hostname: name.into(),
        project: "p".into(),
        keys: Vec::new(),
        meta: BTreeMap::new(),
        user_data: None,
        availability_zone: "nova".into(),
        launch_index: 0,
        network_data: Default::default(),
        admin_pass: None,
        password: String::new(),
        fixed_ips: vec![VM_ADDRESS.into()],
        floating_ips: Vec::new(),
        flavor: "m1.nano".into(),
        image: None,
        reservation: "r-00000000".into(),
        security_groups: Vec::new(),
        root_device: "vda".into(),
        random_seed: Vec::new(),
        vendor_data: Default::default(),
        vendor_data2: Default::default(),
    })
}

fn seen(events: &Receiver<Observed>, port: PortId, what: &Seen) {
    until(&format!("{what:?} of {port}"), || {
        events.try_iter().any(|event| event.port == port && event.what == *what)
    });
}

/// Sends a frame from the VM and gives the first DHCP answer that comes back soon.
fn dhcp(vm: &Netns, request: &dhcproto::v4::Message) -> Option<dhcproto::v4::Message> {
    use dhcproto::{Decodable, Decoder, Encodable};
    let payload = request.to_vec().unwrap();
    let mut frame = Vec::new();
    let builder = etherparse::PacketBuilder::ethernet2(request.chaddr().try_into().unwrap(), [0xff; 6]);
    builder.ipv4([0; 4], [255; 4], 64).udp(68, 67).write(&mut frame, &payload).unwrap();
    let inside = || {
        use std::os::fd::AsRawFd;
        let wire = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let timeout = nix::sys::time::TimeVal::new(1, 0);
        setsockopt(&wire, sockopt::ReceiveTimeout, &timeout).unwrap();
        // SAFETY: an all-zero sockaddr_ll is a valid value of that plain C struct.
        let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_protocol = (libc::ETH_P_IP as u16).to_be();
        to.sll_ifindex = nix::net::if_::if_nametoindex("eth0").unwrap() as i32;
        let length = Some(size_of::<libc::sockaddr_ll>() as u32);
        // SAFETY: the pointer and the length describe `to`, which outlives the call.
        let to = unsafe { LinkAddr::from_raw((&raw const to).cast(), length) }.unwrap();
        nix::sys::socket::bind(wire.as_raw_fd(), &to).unwrap();
        nix::sys::socket::send(wire.as_raw_fd(), &frame, MsgFlags::empty()).unwrap();
        let mut buffer = [0; 2048];
        loop {
            let length = recv(wire.as_raw_fd(), &mut buffer, MsgFlags::empty()).ok()?;
            let Ok(packet) = etherparse::SlicedPacket::from_ethernet(&buffer[..length]) else { continue };
            let Some(etherparse::TransportSlice::Udp(udp)) = packet.transport else { continue };
            if udp.destination_port() == 68 {
                return dhcproto::v4::Message::decode(&mut Decoder::new(udp.payload())).ok();
            }
        }
    };
    vm.run(inside).unwrap()
}

#[test]
fn dhcp_is_answered_over_the_bridge() {
    use dhcproto::v4::{DhcpOption, Message, MessageType};
    host_test!("dhcp_is_answered_over_the_bridge");
    let net = Net::new(1);
    ip(&net, "-n {v} link set eth0 up");
    let (sender, events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    responder.set_network(&net.net, net.table()).unwrap();
    let none = Ipv4Addr::UNSPECIFIED;
    let vm = Netns::open(&net.vm).unwrap().unwrap();
    let ask = |kind, option: Option<DhcpOption>| {
        let mut request = Message::new_with_id(9, none, none, none, none, &VM_MAC.0);
        request.opts_mut().insert(DhcpOption::MessageType(kind));
        option.into_iter().for_each(|option| drop(request.opts_mut().insert(option)));
        let reply = dhcp(&vm, &request)?;
        Some((reply.opts().msg_type()?, reply.yiaddr()))
    };
    let wants = |address: Ipv4Addr| Some(DhcpOption::RequestedIpAddress(address));
    assert_eq!(ask(MessageType::Discover, None), Some((MessageType::Offer, VM_ADDRESS)));
    assert_eq!(ask(MessageType::Request, wants(VM_ADDRESS)), Some((MessageType::Ack, VM_ADDRESS)));
    seen(&events, net.port, &Seen::DhcpLease { address: VM_ADDRESS.into() });
    assert_eq!(ask(MessageType::Request, wants([10, 0, 0, 12].into())), Some((MessageType::Nak, none)));
    // The bridge is replaced under the responder; setting the same table again repairs it.
    ip(&net, "-n {n} link del br0");
    ip(&net, "-n {n} link add br0 address fa:16:3e:ff:a9:fe type bridge");
    ip(&net, "-n {n} link set tap0 master br0 up\n-n {n} link set br0 up");
    until("the loss of the bridge is noticed", || {
        responder.set_network(&net.net, net.table()).unwrap();
        ask(MessageType::Discover, None).is_some()
    });
}

#[test]
fn a_renewal_is_answered_in_unicast() {
    use dhcproto::v4::{DhcpOption, Message, MessageType};
    use dhcproto::{Decodable, Decoder, Encodable};
    host_test!("a_renewal_is_answered_in_unicast");
    let net = Net::new(7);
    ip(&net, "-n {v} link set eth0 up");
    net.take_static_address();
    let (sender, _events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    responder.set_network(&net.net, net.table()).unwrap();
    let none = Ipv4Addr::UNSPECIFIED;
    let mut request = Message::new_with_id(9, VM_ADDRESS, none, none, none, &VM_MAC.0);
    request.opts_mut().insert(DhcpOption::MessageType(MessageType::Request));
    let reply = net.in_vm(|| {
        // The kernel takes the answer for this socket only if addresses, ports and checksums are right, and
        // fails it if "port unreachable" comes back.
        let socket = UdpSocket::bind((VM_ADDRESS, 68)).unwrap();
        socket.connect((SERVICE_V4, 67)).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        let mut buffer = [0; 2048];
        let mut length = 0;
        for _ in 0..3 {
            socket.send(&request.to_vec().unwrap()).unwrap();
            length = socket.recv(&mut buffer).unwrap();
        }
        assert!(socket.take_error().unwrap().is_none());
        Message::decode(&mut Decoder::new(&buffer[..length])).unwrap()
    });
    assert_eq!((reply.opts().msg_type(), reply.yiaddr()), (Some(MessageType::Ack), VM_ADDRESS));
}

#[test]
fn dhcpv6_is_answered() {
    use dhcproto::v6::{DhcpOption, Message, MessageType, OptionCode};
    use dhcproto::{Decodable, Decoder, Encodable};
    host_test!("dhcpv6_is_answered");
    let net = Net::new(8);
    ip(&net, "-n {v} link set eth0 up");
    let (sender, _events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    let mut table = net.table();
    table.subnets_v6[0].mode = Some(Ipv6Mode::DhcpStateless);
    let server: Ipv6Addr = "2001:db8::53".parse().unwrap();
    table.subnets_v6[0].dns_servers = vec![server];
    let port = table.ports.get_mut(&VM_MAC).unwrap();
    port.addresses.push("2001:db8:100:0:f816:3eff:fe00:1".parse().unwrap());
    responder.set_network(&net.net, table).unwrap();
    let request = Message::new_with_id(MessageType::InformationRequest, [1, 2, 3]).to_vec().unwrap();
    let reply = net.in_vm(|| {
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 546)).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        let to = SocketAddrV6::new("ff02::1:2".parse().unwrap(), 547, 0, index);
        // The link-local address may take a moment to appear.
        until("the request is sent", || socket.send_to(&request, to).is_ok());
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer).unwrap();
        Message::decode(&mut Decoder::new(&buffer[..length])).unwrap()
    });
    let dns = DhcpOption::DomainNameServers(vec![server]);
    assert_eq!(reply.opts().get(OptionCode::DomainNameServers), Some(&dns));
}

#[test]
fn a_real_client_gets_its_lease() {
    host_test!("a_real_client_gets_its_lease");
    let there = Command::new("busybox").arg("--list").output();
    let udhcpc = there.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).lines().any(|l| l == "udhcpc"));
    if !udhcpc {
        println!("skipped: a_real_client_gets_its_lease: needs busybox udhcpc");
        return;
    }
    let net = Net::new(2);
    ip(&net, "-n {v} link set eth0 up");
    let (sender, events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    responder.set_network(&net.net, net.table()).unwrap();
    let output = net.in_vm(|| {
        let mut client = Command::new("busybox");
        client.args(["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", "/bin/true"]);
        client.output().unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    seen(&events, net.port, &Seen::DhcpLease { address: VM_ADDRESS.into() });
}

#[test]
fn a_host_configures_itself_by_advertisements() {
    host_test!("a_host_configures_itself_by_advertisements");
    let net = Net::new(3);
    let (sender, _events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    responder.set_router(&net.router, net.router()).unwrap();
    // The host comes up later, so it is its solicitation that is answered.
    ip(&net, "-n {v} link set eth0 up");
    let addresses = |what: &str| {
        let output = Command::new("ip").args(["-6", "-n", &net.vm]).args(what.split(' ')).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let own = "2001:db8:100:0:f816:3eff:fe00:1/64";
    until("an address by SLAAC", || addresses("addr show dev eth0").contains(own));
    until("a default route", || {
        let routes = addresses("route show default");
        routes.contains("via fe80::f816:3eff:feff:1") && routes.contains("mtu 1450") || {
            let mtu = addresses("route show");
            routes.contains("via fe80::f816:3eff:feff:1") && mtu.contains("mtu 1450")
        }
    });
    // A changed table is announced without being asked.
    let mut table = net.router();
    let other = Prefix { cidr: "2001:db8:200::/64".parse().unwrap(), mode: Ipv6Mode::Slaac };
    table.interfaces.get_mut("qr").unwrap().prefixes = vec![other];
    responder.set_router(&net.router, table).unwrap();
    until("an address in the new prefix", || {
        addresses("addr show dev eth0").contains("2001:db8:200:0:f816:3eff:fe00:1/64")
    });
    until("the old prefix is deprecated", || addresses("addr show dev eth0 deprecated").contains(own));
    // The leg is replaced by one of the same name; setting the same table again is enough.
    ip(&net, "-n {r} link del qr");
    ip(&net, "-n {n} link add leg type veth peer name qr netns {r} address fa:16:3e:ff:00:01");
    sysctl(&net.router, "ipv6/conf/qr/accept_dad", "0");
    assert!(responder.set_router(&net.net, net.router()).is_err());
    ip(&net, "-n {n} link set leg master br0 up\n-n {r} link set qr up\n-n {v} -6 route flush default");
    responder.set_router(&net.router, net.router()).unwrap();
    until("a default route again", || !addresses("route show default").is_empty());
    // A silent parting leaves the host its route. A last word would have come before the ping that follows it.
    responder.release_router(&net.router).unwrap();
    let ping = || Command::new("ping").args(["-n", "-c1", "-W5", "fe80::f816:3eff:feff:1%eth0"]).output();
    assert!(net.in_vm(ping).unwrap().status.success());
    assert!(!addresses("route show default").is_empty());
    responder.set_router(&net.router, net.router()).unwrap();
    responder.remove_router(&net.router).unwrap();
    until("the router is forgotten", || addresses("route show default").is_empty());
}

#[test]
fn metadata_knows_who_asks() {
    host_test!("metadata_knows_who_asks");
    // Two networks with the same addresses.
    let nets = [Net::new(4), Net::new(5)];
    let (sender, events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    for (net, name) in nets.iter().zip(["first", "second"]) {
        ip(net, "-n {v} link set eth0 up");
        net.take_static_address();
        responder.set_network(&net.net, net.table()).unwrap();
        responder.set_metadata(net.port, Some(instance(name)));
    }
    let request = "GET /latest/meta-data/hostname HTTP/1.0\r\n\r\n";
    for (net, name) in nets.iter().zip(["first", "second"]) {
        for to in [IpAddr::V4(SERVICE_V4), IpAddr::V6(SERVICE_V6)] {
            let answer = net.read_page(to, request);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(name), "{to}: {answer}");
        }
        seen(&events, net.port, &Seen::MetadataRead { path: "/latest/meta-data/hostname".into() });
    }
    let net = &nets[0];
    // Two requests on one connection, the second one its last.
    let two = "GET /latest/meta-data/hostname HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\nConnection: close\r\n\r\n";
    let answer = net.read_page(SERVICE_V4.into(), two);
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert!(answer.contains("keep-alive") && answer.ends_with("Connection: close\r\n\r\n"), "{answer}");
    // An address that nobody on this network has.
    ip(
        net,
        "-n {v} addr add 10.0.0.77/24 dev eth0\n-n {v} route replace 169.254.169.254 dev eth0 src 10.0.0.77",
    );
    assert!(net.read_page(SERVICE_V4.into(), request).starts_with("HTTP/1.1 404 "));
    // The namespace vanishes and comes back under its name.
    responder.remove_network(&net.net).unwrap();
    responder.remove_network(&net.net).unwrap();
    assert!(nets[1].read_page(SERVICE_V4.into(), request).ends_with("second"));
    remove_namespace(&nets[1].net).unwrap();
    assert!(responder.set_network(&nets[1].net, nets[1].table()).is_err());
    responder.remove_network(&nets[1].net).unwrap();
}

#[test]
fn a_stalled_client_hinders_nobody() {
    host_test!("a_stalled_client_hinders_nobody");
    let net = Net::new(6);
    let (sender, _events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    ip(&net, "-n {v} link set eth0 up");
    net.take_static_address();
    responder.set_network(&net.net, net.table()).unwrap();
    responder.set_metadata(net.port, Some(instance("web")));
    let stalled: Vec<TcpStream> = net.in_vm(|| {
        let connect = |_| {
            let mut stream = TcpStream::connect((SERVICE_V4, 80)).unwrap();
            stream.write_all(b"GET / HT").unwrap();
            stream.set_read_timeout(Some(WAIT)).unwrap();
            stream
        };
        (0..12).map(connect).collect()
    });
    let answer = net.read_page(SERVICE_V4.into(), "GET / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Each is given up after a while: the end of the stream, or a reset.
    for mut stream in stalled {
        assert_eq!(stream.read(&mut [0; 10]).unwrap_or(0), 0);
    }
    let far: Ipv6Addr = SERVICE_V6;
    assert!(net.read_page(far.into(), "GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_banner_is_read_past_closed_groups() {
    host_test!("a_banner_is_read_past_closed_groups");
    let net = Net::new(9);
    ip(&net, "-n {v} link set eth0 up\n-n {v} -6 addr add 2001:db8:100::11/64 dev eth0 nodad");
    ip(&net, "-n {n} -6 route add 2001:db8:100::/64 dev br0");
    net.take_static_address();
    // What a VM without any rule has, and a namespace that takes nothing it did not ask for.
    nft(
        &net.net,
        "table bridge sg { chain forw { type filter hook forward priority 10; policy drop; }; }
         table inet host { chain in { type filter hook input priority 0; policy drop;
             ct state established,related accept; icmpv6 type { 135, 136 } accept; }; }",
    );
    let probe = |address: IpAddr| ssh_banner(&net.net, "br0", address, Duration::from_secs(2));
    assert_eq!(probe(VM_ADDRESS.into()), None);
    let listener = net.in_vm(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, 22)).unwrap());
    let server = std::thread::Builder::new().spawn(move || {
        for stream in listener.incoming().take(2) {
            stream.unwrap().write_all(b"hello\r\nSSH-2.0-test\r\n").unwrap();
        }
    });
    for address in [VM_ADDRESS.into(), "2001:db8:100::11".parse().unwrap()] {
        assert_eq!(probe(address).as_deref(), Some("SSH-2.0-test"), "{address}");
    }
    server.unwrap().join().unwrap();
    assert_eq!(probe("10.0.0.99".parse().unwrap()), None);
}

fn nft(ns: &str, ruleset: &str) {
    let inside = Netns::open(ns).unwrap().unwrap();
    let output = inside.run(|| Command::new("nft").arg(ruleset).output().unwrap()).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn metadata_is_reached_through_the_gateway() {
    host_test!("metadata_is_reached_through_the_gateway");
    let mut world = World::new(1);
    let guest = world.guest(0, 11);
    let cloud = world.hosts[0].cloud();
    let spec = world.spec(0, 0x3ea, &[&guest], &BTreeMap::new());
    world.hosts[0].ensure_network(&spec).unwrap();
    let addresses = ["10.0.0.1/24".parse().unwrap()].into();
    let inner = linux_net::RouterInterface { vni: 0x3ea, mtu: 1450, mac: ROUTER_MAC, addresses };
    let router = RouterSpec {
        id: runtime::new_uuid().into(),
        interfaces: BTreeMap::from([(PortId(runtime::new_uuid()), inner)]),
        gateway: None,
        floating_ips: BTreeMap::new(),
        routes: BTreeMap::new(),
    };
    world.hosts[0].ensure_router(&router).unwrap();
    let (sender, _events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    let mut table = Net::table_of(guest.port.id);
    table.service_mac = linux_net::SERVICE_MAC;
    let port = table.ports.remove(&VM_MAC).unwrap();
    table.ports.insert(guest.port.mac, port);
    responder.set_network(&cloud.network_namespace(0x3ea), table).unwrap();
    responder.set_metadata(guest.port.id, Some(instance("web")));
    guest.take_addresses();
    tool(&format!("ip -n {} route add default via 10.0.0.1", guest.namespace));
    let request = "GET /latest/meta-data/hostname HTTP/1.0\r\n\r\n";
    let page = guest.netns.run(|| read_page(SERVICE_V4.into(), request)).unwrap();
    assert!(page.ends_with("web"), "{page}");
}

#[test]
fn a_guest_without_rules_is_served() {
    use dhcproto::v4::{DhcpOption, Message, MessageType};
    host_test!("a_guest_without_rules_is_served");
    let mut world = World::new(1);
    let guest = world.guest(0, 11);
    let cloud = world.hosts[0].cloud();
    let mut spec = world.spec(0, 0x3e9, &[&guest], &BTreeMap::new());
    spec.dhcp = true;
    world.hosts[0].ensure_network(&spec).unwrap();
    let leg = PortId(runtime::new_uuid());
    let gateway = "fd00:a::1/64".parse().unwrap();
    let inner =
        linux_net::RouterInterface { vni: 0x3e9, mtu: 1450, mac: ROUTER_MAC, addresses: [gateway].into() };
    let router = RouterSpec {
        id: runtime::new_uuid().into(),
        interfaces: BTreeMap::from([(leg, inner)]),
        gateway: None,
        floating_ips: BTreeMap::new(),
        routes: BTreeMap::new(),
    };
    world.hosts[0].ensure_router(&router).unwrap();

    let (sender, _events) = sync_channel(100);
    let responder = Responder::start(sender).unwrap();
    let mut table = Net::table_of(guest.port.id);
    table.service_mac = linux_net::SERVICE_MAC;
    let port = table.ports.remove(&VM_MAC).unwrap();
    table.ports.insert(guest.port.mac, port);
    let ns = cloud.network_namespace(0x3e9);
    responder.set_network(&ns, table).unwrap();
    responder.set_metadata(guest.port.id, Some(instance("web")));

    let none = Ipv4Addr::UNSPECIFIED;
    let mut request = Message::new_with_id(9, none, none, none, none, &guest.port.mac.0);
    request.opts_mut().insert(DhcpOption::MessageType(MessageType::Discover));
    assert_eq!(dhcp(&guest.netns, &request).map(|reply| reply.yiaddr()), Some(VM_ADDRESS));
    guest.take_addresses();
    tool(&format!("ip -n {} route add 169.254.169.254/32 dev eth0", guest.namespace));
    for to in [IpAddr::V4(SERVICE_V4), IpAddr::V6(SERVICE_V6)] {
        let page = guest.netns.run(|| read_page(to, "GET /latest/meta-data/hostname HTTP/1.0\r\n\r\n"));
        assert!(page.unwrap().ends_with("web"), "{to}");
    }
    let mut legs = Net::router_table();
    let interface = legs.interfaces.remove("qr").unwrap();
    legs.interfaces.insert(router_link(leg), interface);
    responder.set_router(&cloud.router_namespace(router.id), legs).unwrap();
    until("a default route from the router", || {
        let output =
            Command::new("ip").args(["-6", "-n", &guest.namespace, "route", "show", "default"]).output();
        !output.unwrap().stdout.is_empty()
    });
    let listener = guest.tcp_listen(22);
    let server = std::thread::Builder::new()
        .spawn(move || listener.accept().unwrap().0.write_all(b"SSH-2.0-test\r\n").unwrap());
    let banner = ssh_banner(&ns, BRIDGE_LINK, guest.v4.into(), WAIT);
    assert_eq!(banner.as_deref(), Some("SSH-2.0-test"));
    server.unwrap().join().unwrap();
}
