//! How long a network's namespace and a router take to be made on a node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use anyhow::Result;
use linux_net::{
    Attachment, Cloud, DataPlane, Direction, ExternalSpec, GroupSpec, NetworkSpec, PortSpec, Remote,
    RouterGateway, RouterInterface, RouterSpec, Rule, Traffic, UnderlaySpec, VXLAN_PORT, tap_name,
};
use types::{AddressFamily, IpNet, MacAddr, PortId, RouterId, SecurityGroupId};

use crate::machine;
use crate::numbers::{median, ms, quantile};
use crate::report::{Goal, Report};

const ROUNDS: usize = 15;
const NETWORK_MS_MAX: f64 = 20.0;
const ROUTER_MS_MAX: f64 = 50.0;
const MTU: u32 = 1450;
const FIRST_VNI: u32 = 0x1000;

/// A data plane of its own, removed with everything in it when dropped.
pub struct Node {
    /// The data plane.
    pub dataplane: DataPlane,
}

impl Node {
    /// One that has nothing but its underlay.
    pub fn new() -> Result<Node> {
        linux_net::ensure_bridge_filter()?;
        let node = Node { dataplane: DataPlane::new(Cloud::random()) };
        let address = Ipv4Addr::new(172, 31, 0, 1).into();
        node.dataplane.ensure_underlay(&UnderlaySpec { address, udp_port: VXLAN_PORT })?;
        Ok(node)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.dataplane.remove_everything() {
            eprintln!("bench: cannot remove what it made: {error}");
        }
    }
}

/// Measures both.
pub fn measure(report: &mut Report) -> Result<()> {
    if !machine::is_root() {
        report.skip("network namespace, router", "it needs root");
        return Ok(());
    }
    let node = Node::new()?;
    measure_networks(report, &node)?;
    measure_routers(report, &node)
}

fn measure_networks(report: &mut Report, node: &Node) -> Result<()> {
    let mut times = Vec::new();
    for round in 0..ROUNDS as u32 {
        let spec = network(FIRST_VNI + round)?;
        let began = runtime::monotonic();
        node.dataplane.ensure_network(&spec)?;
        times.push(ms(began.elapsed()));
    }
    let how = format!(
        "bridge, VXLAN, one port, two groups with seven rules; {ROUNDS} times; 95 % within {:.1} ms",
        quantile(&times, 0.95)
    );
    report.judge("network namespace, complete", Goal::AtMost(NETWORK_MS_MAX), median(&times), "ms", &how);
    Ok(())
}

fn measure_routers(report: &mut Report, node: &Node) -> Result<()> {
    let spec = router()?;
    let gateways = ["203.0.113.1/24".parse()?, "2001:db8:ff::1/64".parse()?];
    let external = ExternalSpec { mtu: 1500, gateways: gateways.into(), routes: BTreeMap::new() };
    node.dataplane.ensure_external(&external)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = runtime::monotonic();
        node.dataplane.ensure_router(&spec)?;
        times.push(ms(began.elapsed()));
        node.dataplane.remove_router(spec.id)?;
    }
    let how = format!(
        "two networks, a gateway, both families, five floating IPs; {ROUNDS} times; 95 % within {:.1} ms",
        quantile(&times, 0.95)
    );
    report.judge("router rebuilt from its document", Goal::AtMost(ROUTER_MS_MAX), median(&times), "ms", &how);
    Ok(())
}

/// A network as a first server finds it.
fn network(vni: u32) -> Result<NetworkSpec> {
    let (inside, ssh) = (SecurityGroupId(runtime::new_uuid()), SecurityGroupId(runtime::new_uuid()));
    let mut spec = NetworkSpec::new(vni, MTU);
    let address = "10.0.0.5".parse()?;
    let mut default = GroupSpec { members: [IpNet::from(address)].into(), ..GroupSpec::default() };
    let mut door = GroupSpec::default();
    for family in [AddressFamily::V4, AddressFamily::V6] {
        default.rules.insert(rule(Direction::Egress, family, Traffic::Any, Remote::Anyone));
        default.rules.insert(rule(Direction::Ingress, family, Traffic::Any, Remote::Group(inside)));
        let tcp = Traffic::Ports { protocol: 6, first: 22, last: 22 };
        door.rules.insert(rule(Direction::Ingress, family, tcp, Remote::Anyone));
    }
    let ping = Traffic::Icmp { kind: 8, code: None };
    door.rules.insert(rule(Direction::Ingress, AddressFamily::V4, ping, Remote::Anyone));
    spec.groups = [(inside, default), (ssh, door)].into();
    let id = PortId(runtime::new_uuid());
    let port = PortSpec {
        id,
        link: tap_name(id),
        attachment: Attachment::Tap,
        mac: MacAddr::openstack(vni),
        addresses: [address].into(),
        address_pairs: BTreeSet::new(),
        port_security: true,
        groups: [inside, ssh].into(),
        admin_up: true,
    };
    spec.ports.insert(id, port);
    Ok(spec)
}

/// A rule of a group.
pub fn rule(direction: Direction, family: AddressFamily, traffic: Traffic, remote: Remote) -> Rule {
    Rule { direction, family, traffic, remote }
}

/// A router of two of the networks.
fn router() -> Result<RouterSpec> {
    let leg = |vni: u32, v4: &str, v6: &str| -> Result<(PortId, RouterInterface)> {
        let addresses = [v4.parse()?, v6.parse()?].into();
        let leg = RouterInterface { vni, mtu: MTU, mac: MacAddr::openstack(0xff_0000 + vni), addresses };
        Ok((PortId(runtime::new_uuid()), leg))
    };
    let floating =
        (1..=5).map(|host| (Ipv4Addr::new(203, 0, 113, 100 + host), Ipv4Addr::new(10, 0, 0, host)));
    Ok(RouterSpec {
        id: RouterId(runtime::new_uuid()),
        interfaces: [
            leg(FIRST_VNI, "10.0.0.1/24", "fd00:a::1/64")?,
            leg(FIRST_VNI + 1, "10.0.1.1/24", "fd00:b::1/64")?,
        ]
        .into(),
        gateway: Some(RouterGateway {
            port: PortId(runtime::new_uuid()),
            mtu: 1500,
            mac: MacAddr::openstack(0xff_ffff),
            addresses: ["203.0.113.10/24".parse()?, "2001:db8:ff::10/64".parse()?].into(),
            next_hops: ["203.0.113.1".parse()?, "2001:db8:ff::1".parse()?].into(),
            snat: true,
        }),
        floating_ips: floating.collect(),
        routes: BTreeMap::new(),
    })
}
