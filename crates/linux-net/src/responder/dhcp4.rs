//! DHCPv4 as a pure function: a frame from a VM in, the frame that answers it out.
//!
//! There are no leases to keep. A port's addresses are in the table before the VM starts, so any node answers
//! the same, and a restart forgets nothing.

use std::net::{IpAddr, Ipv4Addr};

use dhcproto::v4::{DhcpOption, DhcpOptions, HType, Message, MessageType, Opcode, OptionCode, UnknownOption};
use dhcproto::{Decodable, Decoder, Encodable};
use etherparse::{LinkSlice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use types::{Ipv4Net, MacAddr};

use super::event::Seen;
use super::table::{NetworkTable, Port, SERVICE_V4, SubnetV4};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// Some old clients and relays drop messages that are shorter than BOOTP's.
const MESSAGE_LEN_MIN: usize = 300;
/// The fixed fields and the magic number; options follow.
const HEADER_LEN: usize = 240;
const PAD: u8 = 0;
const END: u8 = 255;
/// Where Windows looks for the routes of option 121.
const MICROSOFT_ROUTES: u8 = 249;

/// What a frame led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The Ethernet frame to send, if any.
    pub frame: Option<Vec<u8>>,
    /// What there is to tell about the port, if anything.
    pub seen: Option<Seen>,
    /// Who asked.
    pub mac: MacAddr,
}

struct Request {
    mac: MacAddr,
    message: Message,
    kind: MessageType,
}

/// Answers a frame; `None` if it is no DHCP request, is broken, or is from nobody on this network.
pub fn answer(table: &NetworkTable, frame: &[u8]) -> Option<Answer> {
    let request = read(frame)?;
    let port = table.ports.get(&request.mac)?;
    let leasable: Vec<Ipv4Addr> =
        port.addresses_v4().filter(|a| table.subnet_v4(*a).is_some_and(|s| s.dhcp)).collect();
    let first = *leasable.first()?;
    let only_seen = |seen| Some(Answer { frame: None, seen, mac: request.mac });
    match request.kind {
        MessageType::Discover => {
            let wanted = requested(&request.message).filter(|wanted| leasable.contains(wanted));
            grant(table, port, &request, MessageType::Offer, wanted.unwrap_or(first))
        }
        MessageType::Request => take(table, port, &request, &leasable),
        MessageType::Inform => {
            let known = leasable.iter().find(|a| **a == request.message.ciaddr()).copied();
            grant(table, port, &request, MessageType::Ack, known.unwrap_or(first))
        }
        MessageType::Decline => {
            only_seen(requested(&request.message).map(|a| Seen::DhcpDeclined { address: IpAddr::V4(a) }))
        }
        // An address stays the port's own; there is nothing to give back.
        _ => None,
    }
}

/// A client takes an offer, or asks whether it may keep what it had.
fn take(table: &NetworkTable, port: &Port, request: &Request, leasable: &[Ipv4Addr]) -> Option<Answer> {
    let message = &request.message;
    let wanted = requested(message).unwrap_or(message.ciaddr());
    if wanted.is_unspecified() {
        return None;
    }
    let owned = leasable.contains(&wanted);
    if let Some(DhcpOption::ServerIdentifier(chosen)) = message.opts().get(OptionCode::ServerIdentifier) {
        // The client took the offer of another server, which a project may run on its own network.
        let ours = leasable.iter().filter_map(|a| table.subnet_v4(*a)).any(|s| server_of(s) == *chosen);
        if !ours {
            return None;
        }
    }
    if owned {
        return grant(table, port, request, MessageType::Ack, wanted);
    }
    let subnet = table.subnet_v4(*leasable.first()?)?;
    let mut reply = blank_reply(request);
    let text = format!("{wanted} is not an address of this port");
    let options = reply.opts_mut();
    options.insert(DhcpOption::MessageType(MessageType::Nak));
    options.insert(DhcpOption::ServerIdentifier(server_of(subnet)));
    options.insert(DhcpOption::Message(text));
    copy_client_id(request, options);
    let frame = frame(table, request.mac, server_of(subnet), Ipv4Addr::BROADCAST, &reply)?;
    let seen = Some(Seen::DhcpRefused { address: wanted });
    Some(Answer { frame: Some(frame), seen, mac: request.mac })
}

/// The offer or acknowledgement of `address`, with all there is to know about its subnet.
fn grant(
    table: &NetworkTable,
    port: &Port,
    request: &Request,
    kind: MessageType,
    address: Ipv4Addr,
) -> Option<Answer> {
    let subnet = table.subnet_v4(address)?;
    let inform = request.kind == MessageType::Inform;
    let mut reply = blank_reply(request);
    reply.set_ciaddr(request.message.ciaddr());
    reply.set_siaddr(server_of(subnet));
    if !inform {
        reply.set_yiaddr(address);
    }
    let options = reply.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(server_of(subnet)));
    if !inform {
        lease_times(table.lease_seconds, options);
    }
    describe(table, subnet, options);
    let asks_microsoft = parameters(&request.message).iter().any(|c| u8::from(*c) == MICROSOFT_ROUTES);
    add_routes(&routes(table, subnet), asks_microsoft, options);
    options.insert(DhcpOption::Hostname(host_name(port, address)));
    for (code, value) in &port.dhcp_options {
        let value = value.iter().take(255).copied().collect();
        options.insert(DhcpOption::Unknown(UnknownOption::new((*code).into(), value)));
    }
    copy_client_id(request, options);
    let to = destination(&request.message, address, inform);
    let frame = frame(table, request.mac, server_of(subnet), to, &reply)?;
    let leased = kind == MessageType::Ack && !inform;
    let seen = leased.then_some(Seen::DhcpLease { address: IpAddr::V4(address) });
    Some(Answer { frame: Some(frame), seen, mac: request.mac })
}

fn lease_times(lease_seconds: u32, options: &mut DhcpOptions) {
    options.insert(DhcpOption::AddressLeaseTime(lease_seconds));
    if lease_seconds != u32::MAX {
        options.insert(DhcpOption::Renewal(lease_seconds / 2));
        options.insert(DhcpOption::Rebinding((u64::from(lease_seconds) * 7 / 8) as u32));
    }
}

fn describe(table: &NetworkTable, subnet: &SubnetV4, options: &mut DhcpOptions) {
    options.insert(DhcpOption::SubnetMask(subnet.cidr.netmask()));
    options.insert(DhcpOption::BroadcastAddr(subnet.cidr.broadcast()));
    options.insert(DhcpOption::InterfaceMtu(table.mtu));
    if let Some(gateway) = subnet.gateway {
        options.insert(DhcpOption::Router(vec![gateway]));
    }
    if !subnet.dns_servers.is_empty() {
        options.insert(DhcpOption::DomainNameServer(subnet.dns_servers.clone()));
    }
    if !table.domain.is_empty() {
        options.insert(DhcpOption::DomainName(table.domain.clone()));
    }
}

/// Option 121 as Neutron composes it: the network's other subnets on the link, the subnet's host routes,
/// metadata, and the default route, for a client that reads this option ignores the router option.
/// Metadata is always on the link, because each node answers it on its own bridge.
fn routes(table: &NetworkTable, subnet: &SubnetV4) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let on_link = Ipv4Addr::UNSPECIFIED;
    let neighbours = table.subnets_v4.iter().filter(|other| other.cidr != subnet.cidr);
    let mut routes: Vec<_> = neighbours.map(|other| (other.cidr.trunc(), on_link)).collect();
    routes.extend(subnet.routes.iter().map(|(to, via)| (to.trunc(), *via)));
    let metadata = Ipv4Net::from(SERVICE_V4);
    if routes.iter().all(|(to, _)| *to != metadata) {
        routes.push((metadata, on_link));
    }
    let has_default = routes.iter().any(|(to, _)| to.prefix_len() == 0);
    if let Some(gateway) = subnet.gateway.filter(|_| !has_default) {
        routes.push((Ipv4Net::default(), gateway));
    }
    routes
}

fn add_routes(routes: &[(Ipv4Net, Ipv4Addr)], microsoft: bool, options: &mut DhcpOptions) {
    options.insert(DhcpOption::ClasslessStaticRoute(routes.to_vec()));
    let mut bytes = Vec::new();
    for (to, via) in routes {
        let significant = usize::from(to.prefix_len().div_ceil(8));
        bytes.push(to.prefix_len());
        bytes.extend(to.network().octets().iter().take(significant));
        bytes.extend(via.octets());
    }
    if microsoft && bytes.len() <= 255 {
        options.insert(DhcpOption::Unknown(UnknownOption::new(MICROSOFT_ROUTES.into(), bytes)));
    }
}

fn host_name(port: &Port, address: Ipv4Addr) -> String {
    port.hostname.clone().unwrap_or_else(|| format!("host-{}", address.to_string().replace('.', "-")))
}

fn server_of(subnet: &SubnetV4) -> Ipv4Addr {
    subnet.server.unwrap_or(SERVICE_V4)
}

fn requested(message: &Message) -> Option<Ipv4Addr> {
    match message.opts().get(OptionCode::RequestedIpAddress) {
        Some(DhcpOption::RequestedIpAddress(address)) => Some(*address),
        _ => None,
    }
}

fn parameters(message: &Message) -> &[OptionCode] {
    match message.opts().get(OptionCode::ParameterRequestList) {
        Some(DhcpOption::ParameterRequestList(codes)) => codes,
        _ => &[],
    }
}

/// The client's identifier goes back unchanged (RFC 6842), for some clients check it.
fn copy_client_id(request: &Request, options: &mut DhcpOptions) {
    if let Some(id) = request.message.opts().get(OptionCode::ClientIdentifier) {
        options.insert(id.clone());
    }
}

fn blank_reply(request: &Request) -> Message {
    let asked = &request.message;
    let none = Ipv4Addr::UNSPECIFIED;
    let mut reply = Message::new_with_id(asked.xid(), none, none, none, none, &request.mac.0);
    reply.set_opcode(Opcode::BootReply).set_flags(asked.flags());
    reply
}

/// Where the IP packet goes; the frame goes to the client's MAC in any case.
fn destination(message: &Message, address: Ipv4Addr, inform: bool) -> Ipv4Addr {
    let current = message.ciaddr();
    if !current.is_unspecified() {
        return current;
    }
    if message.flags().broadcast() || inform { Ipv4Addr::BROADCAST } else { address }
}

fn frame(
    table: &NetworkTable,
    to_mac: MacAddr,
    from: Ipv4Addr,
    to: Ipv4Addr,
    reply: &Message,
) -> Option<Vec<u8>> {
    let mut payload = reply.to_vec().ok()?;
    if payload.len() < MESSAGE_LEN_MIN {
        payload.resize(MESSAGE_LEN_MIN, 0);
    }
    let builder = PacketBuilder::ethernet2(table.service_mac.0, to_mac.0)
        .ipv4(from.octets(), to.octets(), 64)
        .udp(SERVER_PORT, CLIENT_PORT);
    let mut bytes = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut bytes, &payload).ok()?;
    Some(bytes)
}

/// Takes a frame apart. UDP's checksum is not looked at: a VM's virtual device leaves it to the host.
fn read(frame: &[u8]) -> Option<Request> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else { return None };
    let Some(NetSlice::Ipv4(_)) = &packet.net else { return None };
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { return None };
    if udp.destination_port() != SERVER_PORT || udp.source_port() != CLIENT_PORT {
        return None;
    }
    let message = Message::decode(&mut Decoder::new(&sift(udp.payload())?)).ok()?;
    let mac = MacAddr(ethernet.source());
    // The codec slices the hardware address by this length without looking, so it is checked first.
    let plain =
        message.hlen() == 6 && message.htype() == HType::Eth && message.opcode() == Opcode::BootRequest;
    // A VM that asks in another's name would learn what that other is told. Relays do not exist here.
    if !plain || message.chaddr() != mac.0 || !message.giaddr().is_unspecified() {
        return None;
    }
    let kind = message.opts().msg_type()?;
    Some(Request { mac, message, kind })
}

/// The message with only those options that are read here, and only where their length is right. The codec asserts
/// things about others that a client is free to send.
fn sift(payload: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = payload.split_at_checked(HEADER_LEN)?;
    let mut kept = header.to_vec();
    while let [code, after @ ..] = rest {
        rest = after;
        if *code == PAD {
            continue;
        }
        if *code == END {
            break;
        }
        let (length, after) = rest.split_first()?;
        let (value, after) = after.split_at_checked((*length).into())?;
        rest = after;
        let wanted = match OptionCode::from(*code) {
            OptionCode::MessageType => value.len() == 1,
            OptionCode::RequestedIpAddress | OptionCode::ServerIdentifier => value.len() == 4,
            OptionCode::ParameterRequestList | OptionCode::ClientIdentifier => !value.is_empty(),
            _ => false,
        };
        if wanted {
            kept.extend([*code, *length]);
            kept.extend(value);
        }
    }
    kept.push(END);
    Some(kept)
}
