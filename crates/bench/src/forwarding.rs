//! What security groups cost a packet: the rate from one port to another with many rules and ports, against few.
//!
//! Both networks are there all the time and take turns. A packet counts when it has reached the port it was sent to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etherparse::PacketBuilder;
use linux_net::{
    Attachment, Direction, GroupSpec, Netns, NetworkSpec, PacketSocket, PortSpec, Remote, Traffic, tap_name,
};
use types::{AddressFamily, MacAddr, PortId, SecurityGroupId};

use crate::machine;
use crate::namespaces::{Node, rule};
use crate::numbers::{median, quantile};
use crate::report::{Goal, Report};

const RATIO_MIN: f64 = 0.9;
const PAIRS: usize = 9;
/// How many packets of one connection, and how many that each open one, make a round.
const ESTABLISHED: u32 = 60_000;
/// Each leaves an entry in the kernel's table of connections, which has room for 262 144 on small machines.
const NEW: u16 = 10_000;
const FIRST_SOURCE: u16 = 20_000;
const FIRST_PORT: u16 = 7000;
const READY_TIME_MAX: Duration = Duration::from_secs(5);
/// The part of the packets that must arrive for a round to count.
const ARRIVED_MIN: f64 = 0.99;

/// How much the groups and the network hold.
struct Size {
    rules: usize,
    ports: usize,
}

const FEW: Size = Size { rules: 1, ports: 2 };
const MANY: Size = Size { rules: 1000, ports: 100 };

/// Measures packets of connections that are there, and packets that open one.
pub fn measure(report: &mut Report) -> Result<()> {
    if !machine::is_root() {
        report.skip("forwarding with many rules", "it needs root");
        return Ok(());
    }
    let _pinned = machine::pin(machine::seats()?.client)?;
    let node = Node::new()?;
    let (few, many) = (Pair::new(&node, 0x100, &FEW)?, Pair::new(&node, 0x101, &MANY)?);
    let (mut established, mut opening) = (Vec::new(), Vec::new());
    for round in 0..PAIRS as u16 {
        // Whoever is first has the warmer or the colder caches; take turns in that too.
        let order = if round % 2 == 0 { [&few, &many] } else { [&many, &few] };
        let mut rates = BTreeMap::new();
        for pair in order {
            rates.insert(pair.vni, (pair.established()?, pair.opening(round)?));
        }
        let (a, b) = (rates[&few.vni], rates[&many.vni]);
        established.push((a.0, b.0));
        opening.push((a.1, b.1));
    }
    for (what, rates) in [("established connection", established), ("new connections", opening)] {
        let ratios: Vec<f64> = rates.iter().map(|(few, many)| many / few).collect();
        let of = |pick: fn(&(f64, f64)) -> f64| median(&rates.iter().map(pick).collect::<Vec<_>>()) / 1e3;
        let how = format!(
            "{:.0} 000/s against {:.0} 000/s; {PAIRS} pairs, quartiles {:.2} and {:.2}",
            of(|rates| rates.1),
            of(|rates| rates.0),
            quantile(&ratios, 0.25),
            quantile(&ratios, 0.75)
        );
        let what = format!("packets forwarded, {what}: 1 000 rules, 100 ports : 1 rule, 2 ports");
        report.judge(&what, Goal::AtLeast(RATIO_MIN), median(&ratios), "", &how);
    }
    Ok(())
}

/// A network with two guests of which the first sends to the second.
struct Pair<'a> {
    node: &'a Node,
    vni: u32,
    from: Guest,
    to: Guest,
    raw: PacketSocket,
    talking: UdpSocket,
    /// Nobody reads it; while it is there, what comes in is not answered with an error.
    _listening: UdpSocket,
}

struct Guest {
    netns: Netns,
    port: PortSpec,
    address: Ipv4Addr,
}

impl<'a> Pair<'a> {
    fn new(node: &'a Node, vni: u32, size: &Size) -> Result<Pair<'a>> {
        let group = SecurityGroupId(runtime::new_uuid());
        let [from, to] = [1, 2].map(|number| Guest::new(node, vni, number, group));
        let (from, to) = (from?, to?);
        let mut spec = NetworkSpec::new(vni, 1500);
        spec.groups.insert(group, group_of(size.rules)?);
        for guest in [&from, &to] {
            spec.ports.insert(guest.port.id, guest.port.clone());
        }
        for number in 3..=size.ports as u8 {
            let port = bystander(number, group);
            spec.ports.insert(port.id, port);
        }
        node.dataplane.ensure_network(&spec)?;
        from.take_address()?;
        to.take_address()?;
        let deadline = runtime::monotonic() + READY_TIME_MAX;
        let connected = |guest: &Guest| -> Result<bool> {
            let seen = node.dataplane.observe_ports(vni)?;
            Ok(seen.get(&guest.port.id).is_some_and(|seen| seen.connected))
        };
        while !connected(&from)? || !connected(&to)? {
            ensure!(runtime::monotonic() < deadline, "the ports of network {vni:x} do not come alive");
            runtime::sleep_blocking(Duration::from_millis(5));
        }
        let raw = PacketSocket::open(&from.netns, "eth0")?;
        let talking = from.socket(0)?;
        let listening = to.socket(FIRST_PORT)?;
        // Only an answer makes a connection of it.
        talking.connect((to.address, FIRST_PORT))?;
        talking.send(b"hello")?;
        listening.set_read_timeout(Some(READY_TIME_MAX))?;
        let (_, back) = listening.recv_from(&mut [0; 16]).context("the first packet does not arrive")?;
        listening.send_to(b"hello", back)?;
        talking.set_read_timeout(Some(READY_TIME_MAX))?;
        talking.recv(&mut [0; 16]).context("the first answer does not arrive")?;
        Ok(Pair { node, vni, from, to, raw, talking, _listening: listening })
    }

    /// Packets per second of a connection.
    fn established(&self) -> Result<f64> {
        self.rate(ESTABLISHED, |_| self.talking.send(b"x").map(|_| ()))
    }

    /// Packets per second that each open a connection; a round's connections are others than another's.
    fn opening(&self, round: u16) -> Result<f64> {
        let port = FIRST_PORT + 1 + round;
        let _listening = self.to.socket(port)?;
        let frames: Vec<Vec<u8>> =
            (0..NEW).map(|at| self.frame(FIRST_SOURCE + at, port)).collect::<Result<_>>()?;
        self.rate(NEW.into(), |at| self.raw.send(&frames[at as usize]))
    }

    fn rate(&self, count: u32, mut send: impl FnMut(u32) -> std::io::Result<()>) -> Result<f64> {
        let before = self.arrived()?;
        let began = runtime::monotonic();
        for at in 0..count {
            send(at).context("cannot send a packet")?;
        }
        let elapsed = began.elapsed();
        // What the kernel put off is on its way for some microseconds more.
        runtime::sleep_blocking(Duration::from_millis(20));
        let arrived = (self.arrived()? - before) as f64;
        ensure!(arrived >= f64::from(count) * ARRIVED_MIN, "of {count} packets only {arrived} arrived");
        Ok(f64::from(count) / elapsed.as_secs_f64())
    }

    fn arrived(&self) -> Result<u64> {
        let seen = self.node.dataplane.observe_ports(self.vni)?;
        Ok(seen.get(&self.to.port.id).map_or(0, |seen| seen.to_guest_packets))
    }

    fn frame(&self, source: u16, port: u16) -> Result<Vec<u8>> {
        let (from, to) = (&self.from, &self.to);
        let builder = PacketBuilder::ethernet2(from.port.mac.0, to.port.mac.0)
            .ipv4(from.address.octets(), to.address.octets(), 64)
            .udp(source, port);
        let mut frame = Vec::new();
        builder.write(&mut frame, b"x").context("cannot make a packet")?;
        Ok(frame)
    }
}

impl Guest {
    fn new(node: &Node, vni: u32, number: u8, group: SecurityGroupId) -> Result<Guest> {
        let namespace = format!("{}-g{vni:x}{number}", node.dataplane.cloud());
        let netns = Netns::ensure(&namespace)?;
        let mut port = bystander(number, group);
        port.link = format!("g{number}");
        port.attachment = Attachment::Veth { namespace, link: "eth0".into() };
        Ok(Guest { netns, port, address: address(number) })
    }

    fn take_address(&self) -> Result<()> {
        let address = format!("{}/24", self.address);
        let mut ip = Command::new("ip");
        ip.args(["-n", self.netns.name(), "addr", "replace", &address, "dev", "eth0"]);
        let status = ip.status().context("cannot run ip: install iproute2")?;
        ensure!(status.success(), "ip ended with {status}");
        Ok(())
    }

    fn socket(&self, port: u16) -> Result<UdpSocket> {
        let socket = self.netns.run(|| UdpSocket::bind((self.address, port)))?;
        socket.with_context(|| format!("cannot bind port {port} in {}", self.netns.name()))
    }
}

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

fn bystander(number: u8, group: SecurityGroupId) -> PortSpec {
    let id = PortId(runtime::new_uuid());
    PortSpec {
        id,
        link: tap_name(id),
        attachment: Attachment::Tap,
        mac: MacAddr::openstack(number.into()),
        addresses: [address(number).into()].into(),
        address_pairs: BTreeSet::new(),
        port_security: true,
        groups: [group].into(),
        admin_up: true,
    }
}

/// What lets the measured packets in, besides so many rules that do not; what goes out is one rule more.
fn group_of(rules: usize) -> Result<GroupSpec> {
    let v4 = AddressFamily::V4;
    let udp = |first, last| Traffic::Ports { protocol: 17, first, last };
    let mut group: BTreeSet<_> = [
        rule(Direction::Egress, v4, Traffic::Any, Remote::Anyone),
        rule(Direction::Ingress, v4, udp(FIRST_PORT, FIRST_PORT + 100), Remote::Anyone),
    ]
    .into();
    for at in 0..rules.saturating_sub(1) as u16 {
        let other = if at % 2 == 0 {
            let tcp = Traffic::Ports { protocol: 6, first: 2 + at * 3, last: 2 + at * 3 };
            rule(Direction::Ingress, v4, tcp, Remote::Anyone)
        } else {
            let [high, low] = at.to_be_bytes();
            let net = format!("10.{}.{low}.0/24", 100 + u16::from(high));
            rule(Direction::Ingress, v4, udp(20_000 + at, 20_000 + at), Remote::Prefix(net.parse()?))
        };
        group.insert(other);
    }
    Ok(GroupSpec { rules: group, ..GroupSpec::default() })
}
