//! Hosts and guests for the tests: a host is a cloud of its own with an underlay namespace, a guest is a namespace
//! behind a veth port. All of it is removed when the world is dropped, also by a panic.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use linux_net::{
    Attachment, Cloud, DataPlane, Direction, GroupSpec, Netns, NetworkSpec, PortSpec, Remote, RemotePort,
    Rule, Traffic, UnderlaySpec, VXLAN_PORT, remove_everything,
};
use types::{AddressFamily, IpNet, MacAddr, PortId, SecurityGroupId};

/// How long a thing that should happen may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(5);
/// How long to wait for a thing that should not happen.
pub const NEVER: Duration = Duration::from_millis(300);

/// Whether this machine can run host tests; if not, says so.
pub fn ready(test: &str) -> bool {
    let on_path = |tool: &str| {
        Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let reason = if !nix::unistd::geteuid().is_root() {
        "needs root"
    } else if !["nft", "ip", "ping"].into_iter().all(on_path) {
        "needs the tools nft, ip and ping"
    } else if !Path::new("/proc/sys/net/bridge").exists() {
        "needs br_netfilter"
    } else if !Path::new("/dev/net/tun").exists() {
        "needs /dev/net/tun"
    } else {
        return true;
    };
    println!("skipped: {test}: {reason}");
    false
}

/// Ends the test at once where the machine cannot run it.
macro_rules! host_test {
    ($name:literal) => {
        if !crate::support::ready($name) {
            return;
        }
    };
}
pub(crate) use host_test;

/// Hosts and guests.
pub struct World {
    pub hosts: Vec<DataPlane>,
    guests: Cloud,
    guest_count: usize,
}

/// A guest.
pub struct Guest {
    pub host: usize,
    pub namespace: String,
    pub netns: Netns,
    pub port: PortSpec,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
}

impl Drop for World {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = host.remove_everything();
        }
        let _ = remove_everything(self.guests);
    }
}

/// Runs a tool that must succeed.
pub fn tool(command: &str) {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn underlay_address(host: usize) -> IpAddr {
    Ipv4Addr::new(172, 31, 0, host as u8 + 1).into()
}

impl World {
    /// One host, or two whose underlays are joined.
    pub fn new(host_count: usize) -> World {
        let hosts: Vec<DataPlane> = (0..host_count).map(|_| DataPlane::new(Cloud::random())).collect();
        let world = World { hosts, guests: Cloud::random(), guest_count: 0 };
        for (at, host) in world.hosts.iter().enumerate() {
            let spec = UnderlaySpec { address: underlay_address(at), udp_port: VXLAN_PORT };
            host.ensure_underlay(&spec).unwrap();
        }
        if let [one, two] = world.hosts.as_slice() {
            let (a, b) = (one.cloud().underlay_namespace(), two.cloud().underlay_namespace());
            tool(&format!("ip link add ul netns {a} mtu 9000 type veth peer name ul netns {b} mtu 9000"));
            for (name, own, other) in [(&a, 1, 2), (&b, 2, 1)] {
                tool(&format!("ip -n {name} link set ul up"));
                tool(&format!("ip -n {name} addr add 192.168.77.{own}/24 dev ul"));
                let source = format!("172.31.0.{own}");
                tool(&format!(
                    "ip -n {name} route add 172.31.0.{other}/32 via 192.168.77.{other} src {source}"
                ));
            }
        }
        world
    }

    /// A guest on a host, not yet attached. Its number gives its MAC, `number` its addresses in the prefixes.
    pub fn guest(&mut self, host: usize, number: u8) -> Guest {
        self.guest_count += 1;
        let namespace = format!("{}-v{}", self.guests, self.guest_count);
        let netns = Netns::ensure(&namespace).unwrap();
        let sysctl =
            |name: &str, value: &str| std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
        netns.run(|| sysctl("ipv6/conf/default/accept_dad", "0")).unwrap();
        let (v4, v6) =
            (Ipv4Addr::new(10, 0, 0, number), Ipv6Addr::new(0xfd00, 0xa, 0, 0, 0, 0, 0, number.into()));
        let port = PortSpec {
            id: PortId(runtime::new_uuid()),
            link: format!("t{}", self.guest_count),
            attachment: Attachment::Veth { namespace: namespace.clone(), link: "eth0".into() },
            mac: MacAddr::openstack(number.into()),
            addresses: [v4.into(), v6.into()].into(),
            address_pairs: BTreeSet::new(),
            port_security: true,
            groups: BTreeSet::new(),
            admin_up: true,
        };
        Guest { host, namespace, netns, port, v4, v6 }
    }

    /// What a host should have of a network with these guests.
    pub fn spec(
        &self,
        host: usize,
        vni: u32,
        guests: &[&Guest],
        groups: &BTreeMap<SecurityGroupId, GroupSpec>,
    ) -> NetworkSpec {
        let mut spec = NetworkSpec::new(vni, 1500);
        spec.groups.clone_from(groups);
        for guest in guests {
            if guest.host == host {
                spec.ports.insert(guest.port.id, guest.port.clone());
            } else {
                spec.peers.insert(underlay_address(guest.host));
                let (mac, addresses) = (guest.port.mac, guest.port.addresses.clone());
                spec.remote_ports.insert(RemotePort { mac, addresses, host: underlay_address(guest.host) });
            }
        }
        spec
    }

    /// Makes a network with these guests on all hosts, and gives the guests their addresses.
    pub fn network(&self, vni: u32, guests: &[&Guest], groups: &BTreeMap<SecurityGroupId, GroupSpec>) {
        for (at, host) in self.hosts.iter().enumerate() {
            host.ensure_network(&self.spec(at, vni, guests, groups)).unwrap();
            await_ports(host, vni);
        }
        for guest in guests {
            guest.take_addresses();
        }
    }
}

/// Waits until frames pass all ports of a network on a host.
pub fn await_ports(host: &DataPlane, vni: u32) {
    let deadline = runtime::monotonic() + SOON;
    while !host.observe_ports(vni).unwrap().values().all(|seen| seen.connected) {
        assert!(runtime::monotonic() < deadline, "a port does not come alive");
        std::thread::yield_now();
    }
}

impl Guest {
    /// Gives the guest its addresses, once it is attached.
    pub fn take_addresses(&self) {
        let name = &self.namespace;
        tool(&format!("ip -n {name} addr replace {}/24 dev eth0", self.v4));
        tool(&format!("ip -n {name} -6 addr replace {}/64 dev eth0 nodad", self.v6));
    }

    pub fn in_groups(mut self, groups: &[SecurityGroupId]) -> Guest {
        self.port.groups = groups.iter().copied().collect();
        self
    }

    /// Whether this guest can ping an address, as often as ping is told to.
    pub fn pings(&self, to: &str, options: &str) -> bool {
        let ping = || {
            let command =
                Command::new("ping").args(["-n", "-q"]).args(options.split_whitespace()).arg(to).output();
            command.unwrap().status.success()
        };
        self.netns.run(ping).unwrap()
    }

    /// Whether a ping is answered.
    pub fn reaches(&self, to: impl Into<IpAddr>) -> bool {
        self.pings(&to.into().to_string(), "-c1 -W5")
    }

    /// Whether no ping is answered for a while.
    pub fn misses(&self, to: impl Into<IpAddr>) -> bool {
        !self.pings(&to.into().to_string(), "-c1 -W0.3")
    }

    pub fn tcp_listen(&self, port: u16) -> TcpListener {
        self.netns.run(|| TcpListener::bind(("::", port)).unwrap()).unwrap()
    }

    pub fn tcp_connect(&self, to: impl Into<IpAddr>, port: u16, wait: Duration) -> io::Result<TcpStream> {
        let to = SocketAddr::new(to.into(), port);
        self.netns.run(|| TcpStream::connect_timeout(&to, wait)).unwrap()
    }

    /// A UDP socket for both families; port 0 for any.
    pub fn udp(&self, port: u16) -> UdpSocket {
        self.netns.run(|| UdpSocket::bind(("::", port)).unwrap()).unwrap()
    }
}

/// The address as a socket of both families wants it.
pub fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        v6 => v6,
    }
}

/// Whether a datagram of this text arrives.
pub fn arrives(socket: &UdpSocket, text: &[u8], wait: Duration) -> bool {
    socket.set_read_timeout(Some(wait)).unwrap();
    let mut buffer = vec![0; 65_536];
    while let Ok(len) = socket.recv(&mut buffer) {
        if &buffer[..len] == text {
            return true;
        }
    }
    false
}

pub fn group_id() -> SecurityGroupId {
    SecurityGroupId(runtime::new_uuid())
}

pub fn rule(direction: Direction, family: AddressFamily, traffic: Traffic, remote: Remote) -> Rule {
    Rule { direction, family, traffic, remote }
}

/// A group that allows everything out and what is named in, in both families.
pub fn group(ingress: &[(Traffic, Remote)]) -> GroupSpec {
    let mut spec = GroupSpec::default();
    for family in [AddressFamily::V4, AddressFamily::V6] {
        spec.rules.insert(rule(Direction::Egress, family, Traffic::Any, Remote::Anyone));
        for (traffic, remote) in ingress {
            spec.rules.insert(rule(Direction::Ingress, family, *traffic, *remote));
        }
    }
    spec
}

pub fn tcp(port: u16) -> Traffic {
    Traffic::Ports { protocol: 6, first: port, last: port }
}

pub fn udp(port: u16) -> Traffic {
    Traffic::Ports { protocol: 17, first: port, last: port }
}

pub fn host_net(address: impl Into<IpAddr>) -> IpNet {
    IpNet::from(address.into())
}
