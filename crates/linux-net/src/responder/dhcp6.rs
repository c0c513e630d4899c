//! DHCPv6 as a pure function: a message from a VM in, the message that answers it out.
//!
//! Stateful subnets give out the port's fixed IPs; in all modes with DHCP, name servers are told. A subnet
//! without such a mode is not spoken of.

use std::net::{IpAddr, Ipv6Addr};

use dhcproto::v6::{
    DhcpOption, DhcpOptions, IAAddr, IANA, Message, MessageType, OptionCode, Status, StatusCode,
};
use dhcproto::{Decodable, Decoder, Encodable};
use types::{MacAddr, eui64};

use super::event::Seen;
use super::table::{Ipv6Mode, LINK_LOCAL, NetworkTable, Port, SubnetV6};

/// Identity associations answered in one message; clients send one for each interface they ask for.
const ASSOCIATIONS_MAX: usize = 8;

/// Type and transaction id; options follow.
const HEADER_LEN: usize = 4;
/// Fixed fields of an association and of an address in it; options follow in both.
const ASSOCIATION_LEN: usize = 12;
const ADDRESS_LEN: usize = 24;

/// What a message led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The message to send back, if any.
    pub message: Option<Vec<u8>>,
    /// What there is to tell about the port, if anything.
    pub seen: Option<Seen>,
    /// Who asked.
    pub mac: MacAddr,
}

/// Answers a message from a link-local address; `None` if it is broken, is for another server, or is from
/// nobody on this network.
pub fn answer(table: &NetworkTable, from: Ipv6Addr, bytes: &[u8]) -> Option<Answer> {
    let request = Message::decode(&mut Decoder::new(&sift(bytes)?)).ok()?;
    let (mac, port) = table.ports.iter().find(|(mac, _)| eui64(LINK_LOCAL, **mac) == from)?;
    let modes = port.addresses_v6().filter_map(|a| table.subnet_v6(a)?.mode);
    if modes.into_iter().all(|mode| mode == Ipv6Mode::Slaac) {
        return None;
    }
    let server = server_id(table.service_mac);
    if let Some(DhcpOption::ServerId(chosen)) = request.opts().get(OptionCode::ServerId)
        && *chosen != server
    {
        return None;
    }
    let Some(DhcpOption::ClientId(_)) = request.opts().get(OptionCode::ClientId) else {
        // Only a question about the link may be asked anonymously.
        let anonymous = request.msg_type() == MessageType::InformationRequest;
        return anonymous.then(|| finish(table, port, *mac, &request, server, Vec::new()))?;
    };
    let leases = match request.msg_type() {
        MessageType::Solicit | MessageType::Request | MessageType::Renew | MessageType::Rebind => {
            associations(table, port, &request)
        }
        MessageType::Confirm | MessageType::Release => vec![confirmation(table, port, &request)],
        MessageType::Decline => {
            let address = asked_addresses(&request).first().copied()?;
            let seen = Some(Seen::DhcpDeclined { address: IpAddr::V6(address) });
            let reply = finish(table, port, *mac, &request, server, vec![status(Status::Success)])?;
            return Some(Answer { seen, ..reply });
        }
        MessageType::InformationRequest => Vec::new(),
        _ => return None,
    };
    finish(table, port, *mac, &request, server, leases)
}

fn finish(
    table: &NetworkTable,
    port: &Port,
    mac: MacAddr,
    request: &Message,
    server: Vec<u8>,
    leases: Vec<DhcpOption>,
) -> Option<Answer> {
    let rapid = request.opts().get(OptionCode::RapidCommit).is_some();
    let kind = match request.msg_type() {
        MessageType::Solicit if !rapid => MessageType::Advertise,
        _ => MessageType::Reply,
    };
    let mut reply = Message::new_with_id(kind, request.xid());
    let options = reply.opts_mut();
    options.insert(DhcpOption::ServerId(server));
    if let Some(id) = request.opts().get(OptionCode::ClientId) {
        options.insert(id.clone());
    }
    if request.msg_type() == MessageType::Solicit && rapid {
        options.insert(DhcpOption::RapidCommit);
    }
    let leased = leases.iter().find_map(first_address);
    leases.into_iter().for_each(|lease| options.insert(lease));
    let subnets = port.addresses_v6().filter_map(|a| table.subnet_v6(a)).filter(|s| speaks(s));
    let mut servers: Vec<Ipv6Addr> = subnets.flat_map(|subnet| subnet.dns_servers.iter().copied()).collect();
    servers.dedup();
    if !servers.is_empty() {
        options.insert(DhcpOption::DomainNameServers(servers));
    }
    let seen = leased.filter(|_| kind == MessageType::Reply);
    let seen = seen.map(|address| Seen::DhcpLease { address: IpAddr::V6(address) });
    Some(Answer { message: Some(reply.to_vec().ok()?), seen, mac })
}

fn speaks(subnet: &SubnetV6) -> bool {
    matches!(subnet.mode, Some(Ipv6Mode::DhcpStateless | Ipv6Mode::DhcpStateful))
}

/// The port's addresses that are leased and not formed from a prefix.
fn leasable(table: &NetworkTable, port: &Port) -> Vec<Ipv6Addr> {
    let stateful = |a: &Ipv6Addr| table.subnet_v6(*a).is_some_and(|s| s.mode == Some(Ipv6Mode::DhcpStateful));
    port.addresses_v6().filter(stateful).collect()
}

/// Every association gets all of the port's addresses; what the client held beyond them is taken back.
fn associations(table: &NetworkTable, port: &Port, request: &Message) -> Vec<DhcpOption> {
    let addresses = leasable(table, port);
    let asked = request.opts().get_all(OptionCode::IANA).unwrap_or_default();
    let mut answers = Vec::new();
    for option in asked.iter().take(ASSOCIATIONS_MAX) {
        let DhcpOption::IANA(asked) = option else { continue };
        let mut inner = DhcpOptions::new();
        for address in &addresses {
            inner.insert(lease(*address, table.lease_seconds));
        }
        for address in addresses_in(asked).into_iter().filter(|a| !addresses.contains(a)) {
            inner.insert(lease(address, 0));
        }
        if addresses.is_empty() {
            inner.insert(status(Status::NoAddrsAvail));
        }
        let (t1, t2) = (table.lease_seconds / 2, table.lease_seconds / 5 * 4);
        answers.push(DhcpOption::IANA(IANA { id: asked.id, t1, t2, opts: inner }));
    }
    answers
}

fn lease(address: Ipv6Addr, seconds: u32) -> DhcpOption {
    let opts = DhcpOptions::new();
    DhcpOption::IAAddr(IAAddr { addr: address, preferred_life: seconds, valid_life: seconds, opts })
}

/// Whether what the client holds is still right.
fn confirmation(table: &NetworkTable, port: &Port, request: &Message) -> DhcpOption {
    let ours = leasable(table, port);
    let right = asked_addresses(request).iter().all(|address| ours.contains(address));
    status(if right || request.msg_type() == MessageType::Release {
        Status::Success
    } else {
        Status::NotOnLink
    })
}

fn status(status: Status) -> DhcpOption {
    DhcpOption::StatusCode(StatusCode { status, msg: String::new() })
}

fn asked_addresses(request: &Message) -> Vec<Ipv6Addr> {
    let asked = request.opts().get_all(OptionCode::IANA).unwrap_or_default();
    let associations = asked.iter().take(ASSOCIATIONS_MAX).filter_map(|option| match option {
        DhcpOption::IANA(association) => Some(addresses_in(association)),
        _ => None,
    });
    associations.flatten().collect()
}

fn addresses_in(association: &IANA) -> Vec<Ipv6Addr> {
    let inner = association.opts.get_all(OptionCode::IAAddr).unwrap_or_default();
    let addresses = inner.iter().take(ASSOCIATIONS_MAX).filter_map(|option| match option {
        DhcpOption::IAAddr(address) => Some(address.addr),
        _ => None,
    });
    addresses.collect()
}

fn first_address(option: &DhcpOption) -> Option<Ipv6Addr> {
    let DhcpOption::IANA(association) = option else { return None };
    let addresses = association.opts.get_all(OptionCode::IAAddr).unwrap_or_default();
    addresses.iter().find_map(|option| match option {
        DhcpOption::IAAddr(address) if address.valid_life > 0 => Some(address.addr),
        _ => None,
    })
}

/// The DUID of the service: of the kind that is a link-layer address (DUID-LL, Ethernet).
fn server_id(mac: MacAddr) -> Vec<u8> {
    let mut id = vec![0, 3, 0, 1];
    id.extend(mac.0);
    id
}

/// The message with only those options that are read here. The codec computes with the lengths of others before it
/// has looked at them, and a client is free to send any.
fn sift(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, options) = bytes.split_at_checked(HEADER_LEN)?;
    let mut kept = header.to_vec();
    for (code, value) in read_options(options)? {
        match code {
            OptionCode::ClientId | OptionCode::ServerId => write_option(code, value, &mut kept),
            OptionCode::RapidCommit => write_option(code, &[], &mut kept),
            OptionCode::IANA => {
                let (fixed, inner) = value.split_at_checked(ASSOCIATION_LEN)?;
                let mut association = fixed.to_vec();
                for (code, value) in read_options(inner)? {
                    if code == OptionCode::IAAddr {
                        write_option(code, value.get(..ADDRESS_LEN)?, &mut association);
                    }
                }
                write_option(code, &association, &mut kept);
            }
            _ => {}
        }
    }
    Some(kept)
}

/// Options one after the other; `None` if the last one is cut off.
fn read_options(mut rest: &[u8]) -> Option<Vec<(OptionCode, &[u8])>> {
    let mut options = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let [code, length] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_be_bytes);
        let (value, after) = after.split_at_checked(length.into())?;
        options.push((code.into(), value));
        rest = after;
    }
    Some(options)
}

/// What was read from a datagram fits the length field again, for nothing was added.
fn write_option(code: OptionCode, value: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend(u16::from(code).to_be_bytes());
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
}
