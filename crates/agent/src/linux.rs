//! Documents to Linux: what `linux-net` is asked for, and what its responder tells guests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::time::Duration;

use agent_api::compute::Vm;
use agent_api::network::{External, Ipv6Mode, Network, Port, Router, SecurityGroup, SecurityGroupRule};
use base64::Engine;
use linux_net::responder::{self, InstanceMetadata, Observed, PublicKey, Responder, Seen};
use linux_net::{
    AddressPair, Attachment, Cloud, DataPlane, Direction, ExternalSpec, GroupSpec, NetworkSpec, PortSpec,
    Remote, Rule, Traffic, UnderlaySpec, tap_name,
};
use types::{IpNet, PortId, RouterId, SecurityGroupId};

use crate::effects::{Event, Fabric, NetworkView};
use crate::vms::words;

/// How many of the responder's events may wait for the agent.
const EVENTS_WAITING_MAX: usize = 1024;
/// How many ports are probed for ssh at a time, and how many wait.
const PROBERS: usize = 2;
const PROBES_WAITING_MAX: usize = 256;
/// How long a probe waits for a banner.
const PROBE_TIME_MAX: Duration = Duration::from_secs(2);

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// The real networking of a node.
pub struct Linux {
    dataplane: DataPlane,
    responder: Responder,
    probes: SyncSender<Probe>,
}

struct Probe {
    namespace: String,
    port: PortId,
    address: IpAddr,
}

impl Linux {
    /// Starts the data plane of a cloud; what guests do is told to `events`.
    pub fn start(cloud: Cloud, events: &Sender<Event>) -> Result<Linux, String> {
        linux_net::ensure_bridge_filter().map_err(words)?;
        let dataplane = DataPlane::new(cloud);
        let address = IpAddr::V4(Ipv4Addr::new(172, 31, 0, 1));
        dataplane
            .ensure_underlay(&UnderlaySpec { address, udp_port: linux_net::VXLAN_PORT })
            .map_err(words)?;
        let (sender, observed) = sync_channel(EVENTS_WAITING_MAX);
        let responder = Responder::start(sender).map_err(words)?;
        let forward = events.clone();
        let body = move || forward_observed(&observed, &forward);
        runtime::spawn_thread("observed", body).map_err(words)?;
        let probes = start_probers(events)?;
        Ok(Linux { dataplane, responder, probes })
    }

    fn cloud(&self) -> Cloud {
        self.dataplane.cloud()
    }
}

fn forward_observed(observed: &Receiver<Observed>, events: &Sender<Event>) {
    while let Ok(Observed { port, what, at }) = observed.recv() {
        let event = match what {
            Seen::DhcpLease { address } => Event::DhcpLease { port, address, at },
            Seen::MetadataRead { path } => Event::MetadataRead { port, path, at },
            Seen::PasswordPosted { password } => Event::PasswordPosted { port, password },
            other => {
                tracing::info!("port {port}: {other:?}");
                continue;
            }
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

fn start_probers(events: &Sender<Event>) -> Result<SyncSender<Probe>, String> {
    let (sender, queue) = sync_channel::<Probe>(PROBES_WAITING_MAX);
    let queue = Arc::new(std::sync::Mutex::new(queue));
    for _ in 0..PROBERS {
        let (queue, events) = (queue.clone(), events.clone());
        let body = move || {
            loop {
                let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
                let Ok(probe) = next else { return };
                let banner = linux_net::ssh_banner(
                    &probe.namespace,
                    linux_net::BRIDGE_LINK,
                    probe.address,
                    PROBE_TIME_MAX,
                );
                let event = Event::SshProbe { port: probe.port, banner, at: runtime::now() };
                if events.send(event).is_err() {
                    return;
                }
            }
        };
        runtime::spawn_thread("ssh-probe", body).map_err(words)?;
    }
    Ok(sender)
}

impl Fabric for Linux {
    fn ensure_external(&mut self, external: &External) -> Result<(), String> {
        let routes = external.routes.iter().map(|(net, via)| (IpNet::V6(*net), IpAddr::V6(*via)));
        let spec = ExternalSpec {
            mtu: external.mtu,
            gateways: external.gateways.iter().copied().collect(),
            routes: routes.collect(),
        };
        self.dataplane.ensure_external(&spec).map_err(words)
    }

    fn ensure_network(&mut self, view: &NetworkView) -> Result<(), String> {
        let network = &view.network;
        let mut spec = NetworkSpec::new(network.vni, network.mtu);
        spec.ports = view.ports.iter().map(|port| (port.id, port_spec(port))).collect();
        spec.groups = groups(&view.groups);
        self.dataplane.ensure_network(&spec).map_err(words)?;
        let namespace = self.cloud().network_namespace(network.vni);
        self.responder.set_network(&namespace, network_table(view)).map_err(words)
    }

    fn ensure_router(&mut self, router: &Router, networks: &[Network]) -> Result<(), String> {
        let namespace = self.cloud().router_namespace(router.id);
        if !router.admin_up {
            self.responder.remove_router(&namespace).map_err(words)?;
            return self.dataplane.remove_router(router.id).map_err(words);
        }
        let external_mtu = networks.iter().map(|network| network.mtu).max().unwrap_or(1500).max(1500);
        let spec = router_spec(router, networks, external_mtu)?;
        let table = router_table(router, networks);
        self.dataplane.ensure_router(&spec).map_err(words)?;
        self.responder.set_router(&namespace, table).map_err(words)
    }

    fn remove_network(&mut self, vni: u32) -> Result<(), String> {
        self.responder.remove_network(&self.cloud().network_namespace(vni)).map_err(words)?;
        self.dataplane.remove_network(vni).map_err(words)
    }

    fn remove_router(&mut self, id: RouterId) -> Result<(), String> {
        self.responder.remove_router(&self.cloud().router_namespace(id)).map_err(words)?;
        self.dataplane.remove_router(id).map_err(words)
    }

    fn remove_external(&mut self) -> Result<(), String> {
        linux_net::remove_namespace(&self.cloud().external_namespace()).map_err(words)
    }

    fn retain(&mut self, vnis: &BTreeSet<u32>, routers: &BTreeSet<RouterId>) -> Result<(), String> {
        let cloud = self.cloud();
        let mut wanted: BTreeSet<String> = vnis.iter().map(|vni| cloud.network_namespace(*vni)).collect();
        wanted.extend(routers.iter().map(|id| cloud.router_namespace(*id)));
        wanted.extend([cloud.underlay_namespace(), cloud.external_namespace()]);
        for namespace in self.dataplane.list_namespaces().map_err(words)? {
            if !wanted.contains(&namespace) {
                tracing::warn!("removing namespace {namespace}, which no document knows");
                linux_net::remove_namespace(&namespace).map_err(words)?;
            }
        }
        Ok(())
    }

    fn open_tap(&mut self, vni: u32, port: PortId) -> Result<OwnedFd, String> {
        self.dataplane.open_tap(vni, port).map_err(words)
    }

    fn set_metadata(&mut self, port: PortId, about: Option<(&Vm, &str)>) {
        let instance = about.map(|(vm, password)| {
            Arc::new(InstanceMetadata { password: password.to_owned(), ..instance_metadata(vm) })
        });
        self.responder.set_metadata(port, instance);
    }

    fn probe_ssh(&mut self, network: &Network, port: &Port) {
        let Some(address) = port.fixed_ips.iter().find(|ip| ip.is_ipv4()).or(port.fixed_ips.first()) else {
            return;
        };
        let namespace = self.cloud().network_namespace(network.vni);
        // A full queue means that others are probed first; the agent asks again.
        let _ = self.probes.try_send(Probe { namespace, port: port.id, address: *address });
    }
}

fn port_spec(port: &Port) -> PortSpec {
    let pair = |(net, mac): &(IpNet, types::MacAddr)| AddressPair { mac: *mac, net: *net };
    PortSpec {
        id: port.id,
        link: tap_name(port.id),
        attachment: Attachment::Tap,
        mac: port.mac,
        addresses: port.fixed_ips.iter().copied().collect(),
        address_pairs: port.allowed_address_pairs.iter().map(pair).collect(),
        port_security: port.port_security,
        groups: port.security_groups.iter().copied().collect(),
        admin_up: port.admin_up,
    }
}

/// The groups, and the members of those that their rules name.
fn groups(documents: &[SecurityGroup]) -> BTreeMap<SecurityGroupId, GroupSpec> {
    let mut groups: BTreeMap<SecurityGroupId, GroupSpec> = BTreeMap::new();
    for document in documents {
        groups.entry(document.id).or_default().rules = document.rules.iter().filter_map(rule).collect();
        for rule in &document.rules {
            if let Some(remote) = rule.remote_group {
                groups.entry(remote).or_default().members.extend(rule.remote_addresses.iter().copied());
            }
        }
    }
    groups
}

/// A rule in the data plane's terms. A protocol number of the other family's ICMP, as clients may write it, is
/// understood as this family's.
fn rule(rule: &SecurityGroupRule) -> Option<Rule> {
    let is_v6 = rule.family == types::AddressFamily::V6;
    let protocol = rule.protocol.map(|number| if is_v6 && number == ICMP { ICMPV6 } else { number });
    let is_icmp = protocol == Some(if is_v6 { ICMPV6 } else { ICMP });
    let traffic = match (protocol, rule.port_min, rule.port_max) {
        (None, _, _) => Traffic::Any,
        (Some(number), None, None) => Traffic::Protocol(number),
        (Some(number), Some(kind), code) if is_icmp => match u8::try_from(kind) {
            Ok(kind) => Traffic::Icmp { kind, code: code.and_then(|code| u8::try_from(code).ok()) },
            Err(_) => Traffic::Protocol(number),
        },
        (Some(number), first, last) if WITH_PORTS.contains(&number) => {
            Traffic::Ports { protocol: number, first: first.unwrap_or(0), last: last.unwrap_or(u16::MAX) }
        }
        (Some(number), _, _) => Traffic::Protocol(number),
    };
    let remote = match (rule.remote_group, rule.remote_prefix) {
        (Some(group), _) => Remote::Group(group),
        (None, Some(prefix)) if prefix.prefix_len() == 0 => Remote::Anyone,
        (None, Some(prefix)) => Remote::Prefix(prefix.trunc()),
        (None, None) => Remote::Anyone,
    };
    let direction = if rule.ingress { Direction::Ingress } else { Direction::Egress };
    Some(Rule { direction, family: rule.family, traffic, remote })
}

fn network_table(view: &NetworkView) -> responder::NetworkTable {
    let network = &view.network;
    let (mut subnets_v4, mut subnets_v6) = (Vec::new(), Vec::new());
    for subnet in &network.subnets {
        match subnet.cidr {
            IpNet::V4(cidr) => subnets_v4.push(responder::SubnetV4 {
                cidr,
                dhcp: subnet.dhcp,
                gateway: subnet.gateway.and_then(v4),
                dns_servers: subnet.dns_servers.iter().copied().filter_map(v4).collect(),
                routes: subnet
                    .host_routes
                    .iter()
                    .filter_map(|(net, via)| Some((v4_net(*net)?, v4(*via)?)))
                    .collect(),
                server: None,
            }),
            IpNet::V6(cidr) => subnets_v6.push(responder::SubnetV6 {
                cidr,
                mode: subnet.ipv6_mode.filter(|_| subnet.dhcp).map(mode),
                dns_servers: subnet.dns_servers.iter().copied().filter_map(v6).collect(),
            }),
        }
    }
    let ports = view.ports.iter().map(|port| {
        let entry = responder::Port {
            id: port.id,
            addresses: port.fixed_ips.clone(),
            hostname: port.hostname.clone(),
            dhcp_options: BTreeMap::new(),
        };
        (port.mac, entry)
    });
    responder::NetworkTable {
        device: linux_net::BRIDGE_LINK.to_owned(),
        service_mac: linux_net::SERVICE_MAC,
        mtu: u16::try_from(network.mtu).unwrap_or(u16::MAX),
        domain: network.dns_domain.clone(),
        lease_seconds: responder::LEASE_SECONDS_DEFAULT,
        subnets_v4,
        subnets_v6,
        ports: ports.collect(),
    }
}

fn router_spec(
    router: &Router,
    networks: &[Network],
    external_mtu: u32,
) -> Result<linux_net::RouterSpec, String> {
    let mut interfaces = BTreeMap::new();
    for leg in &router.interfaces {
        let network = networks.iter().find(|network| network.id == leg.network_id);
        let network = network.ok_or_else(|| format!("network {} is not on this host yet", leg.network_id))?;
        let addresses = leg.addresses.iter().copied().collect();
        let leg_spec =
            linux_net::RouterInterface { vni: network.vni, mtu: network.mtu, mac: leg.mac, addresses };
        interfaces.insert(leg.port_id, leg_spec);
    }
    let gateway = router.gateway.as_ref().map(|gateway| linux_net::RouterGateway {
        port: gateway.port_id,
        mtu: external_mtu,
        mac: gateway.mac,
        addresses: gateway.addresses.iter().copied().collect(),
        next_hops: gateway.gateways.iter().copied().collect(),
        snat: gateway.snat,
    });
    Ok(linux_net::RouterSpec {
        id: router.id,
        interfaces,
        gateway,
        floating_ips: router.floating_ips.iter().copied().collect(),
        routes: router.routes.iter().copied().collect(),
    })
}

fn router_table(router: &Router, networks: &[Network]) -> responder::RouterTable {
    let mut interfaces = BTreeMap::new();
    for leg in router.interfaces.iter().filter(|leg| !leg.advertise.is_empty()) {
        let prefixes = leg.advertise.iter().map(|a| responder::Prefix { cidr: a.prefix, mode: mode(a.mode) });
        let mut dns_servers: Vec<Ipv6Addr> =
            leg.advertise.iter().flat_map(|a| a.dns_servers.clone()).collect();
        dns_servers.dedup();
        let mtu = networks.iter().find(|network| network.id == leg.network_id).map(|network| network.mtu);
        let table =
            responder::RouterInterface { mac: leg.mac, mtu, prefixes: prefixes.collect(), dns_servers };
        interfaces.insert(linux_net::router_link(leg.port_id), table);
    }
    responder::RouterTable { interfaces }
}

/// What the metadata service and the config drive tell a guest.
pub fn instance_metadata(vm: &Vm) -> InstanceMetadata {
    let metadata = &vm.metadata;
    let key = |(name, kind, data): &(String, String, String)| PublicKey {
        name: name.clone(),
        kind: kind.clone(),
        data: data.clone(),
    };
    let decode = |text: &String| base64::engine::general_purpose::STANDARD.decode(text).ok();
    InstanceMetadata {
        server: vm.id,
        name: vm.name.clone(),
        hostname: metadata.hostname.clone(),
        project: metadata.project_id.clone().unwrap_or_else(|| "".into()),
        keys: metadata.keys.iter().map(key).collect(),
        meta: metadata.meta.clone(),
        user_data: metadata.user_data.as_ref().and_then(decode),
        availability_zone: metadata.availability_zone.clone(),
        launch_index: metadata.launch_index,
        network_data: metadata.network_data.clone(),
        admin_pass: metadata.admin_pass.clone(),
        password: String::new(),
        fixed_ips: metadata.fixed_ips.clone(),
        floating_ips: metadata.floating_ips.iter().copied().filter_map(v4).collect(),
        flavor: metadata.flavor.clone(),
        image: metadata.image_id,
        reservation: format!("r-{}", &vm.id.0.simple().to_string()[..8]),
        security_groups: Vec::new(),
        root_device: "/dev/vda".to_owned(),
        random_seed: seed(),
        vendor_data: serde_json::json!({}),
        vendor_data2: serde_json::json!({}),
    }
}

/// Random bytes for the guest's pool: fresh ones with every document, as fresh as the guest needs.
fn seed() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    runtime::fill_random(&mut bytes);
    bytes
}

fn mode(mode: Ipv6Mode) -> responder::Ipv6Mode {
    match mode {
        Ipv6Mode::Slaac => responder::Ipv6Mode::Slaac,
        Ipv6Mode::Dhcpv6Stateless => responder::Ipv6Mode::DhcpStateless,
        Ipv6Mode::Dhcpv6Stateful => responder::Ipv6Mode::DhcpStateful,
    }
}

fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

fn v6(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => Some(v6),
    }
}

fn v4_net(net: IpNet) -> Option<types::Ipv4Net> {
    match net {
        IpNet::V4(v4) => Some(v4),
        IpNet::V6(_) => None,
    }
}
